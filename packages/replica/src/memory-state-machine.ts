// The memory twin of the state machine: it remembers every command that it applied, in order, and
// answers each with its place in that order. Small enough to judge a replica by.
import { assert } from '@holdfast/base/assert';
import { toText, utf8 } from '@holdfast/base/bytes';
import { crc32 } from '@holdfast/base/crc32';
import { HoldfastError } from '@holdfast/base/errors';
import { type Index, index } from '@holdfast/base/ids';
import { entryBody, entryProposedAtMs } from '@holdfast/proto/entry-envelope';
import type { Entry, LogId } from '@holdfast/raft/entry';
import type { PreparedState, StateImage, StateMachine } from './ports.ts';

type State = {
  readonly appliedIndex: Index;
  readonly lastProposedAtMs: number;
  readonly commands: readonly string[];
};

export class MemoryStateMachine implements StateMachine {
  #state: State = { appliedIndex: index(0), lastProposedAtMs: 0, commands: [] };

  /** Every applied command's body as text, oldest first. */
  get commands(): readonly string[] {
    return this.#state.commands;
  }

  get appliedIndex(): Index {
    return this.#state.appliedIndex;
  }

  get lastProposedAtMs(): number {
    return this.#state.lastProposedAtMs;
  }

  get stateHash(): bigint {
    return hashOf(this.#state);
  }

  apply(entries: readonly Entry[]): readonly unknown[] {
    return entries.map((entry) => this.#applyOne(entry));
  }

  image(): StateImage {
    const state = this.#state;
    return {
      appliedIndex: state.appliedIndex,
      stateHash: hashOf(state),
      async *chunks() {
        const bytes = utf8(JSON.stringify(state));
        for (let at = 0; at < bytes.length; at += 64) yield bytes.subarray(at, at + 64);
      },
      release: () => undefined,
    };
  }

  async prepare(last: LogId, chunks: AsyncIterable<Uint8Array>): Promise<PreparedState> {
    let text = '';
    for await (const chunk of chunks) text += toText(chunk);
    const state = parse(text);
    if (state.appliedIndex !== last.index || state.appliedIndex < this.appliedIndex) {
      throw new HoldfastError('failed-precondition', 'the image is another one');
    }
    return {
      stateHash: hashOf(state),
      takeOver: () => {
        assert(state.appliedIndex >= this.appliedIndex, 'a state only moves forward');
        this.#state = state;
      },
    };
  }

  async restore(last: LogId, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    (await this.prepare(last, chunks)).takeOver();
  }

  #applyOne(entry: Entry): number | undefined {
    const { appliedIndex, lastProposedAtMs, commands } = this.#state;
    assert(entry.index === appliedIndex + 1, 'entries are applied in order, each once');
    const isCommand = entry.kind === 'command';
    this.#state = {
      appliedIndex: entry.index,
      lastProposedAtMs: isCommand ? entryProposedAtMs(entry.payload) : lastProposedAtMs,
      commands: isCommand ? [...commands, toText(entryBody(entry.payload))] : commands,
    };
    return isCommand ? this.#state.commands.length : undefined;
  }
}

function parse(text: string): State {
  try {
    return JSON.parse(text) as State;
  } catch (error) {
    throw new HoldfastError('corrupt', 'the image does not parse', { cause: error });
  }
}

const hashOf = (state: State): bigint => BigInt(crc32(utf8(JSON.stringify(state))));
