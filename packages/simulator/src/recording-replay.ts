// Replays one segment of a member's recording: the core goes on from its checkpoint with the very
// inputs, the state machine from its image with the entries that the core holds committed, and both
// are compared wherever the recording tells what they had come to.
import { assert } from '@holdfast/base/assert';
import { toText } from '@holdfast/base/bytes';
import { HoldfastError, messageOf } from '@holdfast/base/errors';
import { type Index, index } from '@holdfast/base/ids';
import { type RecordedBody, readFrames } from '@holdfast/engine/recording-reader';
import { KvStore } from '@holdfast/mvcc/kv-store';
import type * as wire from '@holdfast/proto/recording';
import type { TraceEvent } from '@holdfast/raft/core';
import type { CoreCapture } from '@holdfast/raft/core-capture';
import type { Entry } from '@holdfast/raft/entry';
import { Raft } from '@holdfast/raft/raft';
import type { Ready } from '@holdfast/raft/ready';
import { proveCore } from '@holdfast/replica/core-proof';
import { entryFromWire } from '@holdfast/replica/message-codec';
import { decodeInput } from '@holdfast/replica/recorded-input';
import { fromTaggedJson } from '@holdfast/replica/tagged-json';
import type { Disk } from '@holdfast/storage/disk';

export type ReplayOptions = {
  readonly disk: Disk;
  readonly path: string;
  readonly yieldNow: () => Promise<void>;
  /** What the core does, at which input. */
  readonly onTrace?: (nowMs: number, input: number, event: TraceEvent) => void;
};

export type ReplayReport = {
  readonly version: string;
  readonly member: bigint;
  readonly inputs: number;
  readonly proofs: number;
  readonly entriesApplied: number;
  /** Of the member's time. */
  readonly spanMs: number;
  /** Why the segment ends before what the member did next, if it tells. */
  readonly gap: string | undefined;
  readonly appliedIndex: Index;
  readonly stateHash: bigint;
  /** Where the replay first went another way, by the number of the input. */
  readonly difference: { readonly input: number; readonly what: string } | undefined;
};

/**
 * Throws `failed-precondition` if the segment ends before its checkpoint does, `corrupt` with the
 * place where that is damaged.
 */
export async function replaySegment(options: ReplayOptions): Promise<ReplayReport> {
  const { head, sizes, store } = await loadStart(options);
  const replay = new Replay({ head, sizes, store, onTrace: options.onTrace });
  await replay.run(options);
  return replay.report();
}

type Start = {
  readonly head: wire.Head;
  readonly sizes: readonly number[];
  readonly store: KvStore;
};

async function loadStart({ disk, path, yieldNow }: ReplayOptions): Promise<Start> {
  const frames = readFrames(disk, path);
  const first = await frames.next();
  if (first.done || first.value.$case !== 'head') throw incomplete(path);
  const head = first.value.value;
  const sizes: number[] = [];
  const store = new KvStore({ yieldNow });
  await store.restore({ index: index(head.appliedIndex) }, imageOf({ frames, sizes, path }));
  if (sizes.length !== head.logSizeCount) throw incomplete(path);
  return { head, sizes, store };
}

async function* imageOf(from: {
  readonly frames: AsyncGenerator<RecordedBody>;
  readonly sizes: number[];
  readonly path: string;
}): AsyncGenerator<Uint8Array, void, void> {
  for await (const body of from.frames) {
    if (body.$case === 'logSizes') from.sizes.push(...body.value.sizes);
    else if (body.$case === 'image') yield body.value;
    else if (body.$case === 'imageEnd') return;
  }
  throw incomplete(from.path);
}

const incomplete = (path: string): HoldfastError =>
  new HoldfastError('failed-precondition', `${path} ends before its checkpoint does`);

/** The replay came to another point than the member had. */
class Difference extends Error {}

class Replay {
  readonly #store: KvStore;
  readonly #raft: Raft;
  readonly #head: wire.Head;
  /** Accepted and not yet applied, by index. */
  readonly #entries = new Map<number, Entry>();
  #isInstalling: boolean;
  #inputs = 0;
  #proofs = 0;
  #applied = 0;
  #firstMs: number | undefined;
  #nowMs = 0;
  #gap: string | undefined;
  #difference: ReplayReport['difference'];

  constructor({
    head,
    sizes,
    store,
    onTrace,
  }: Start & { readonly onTrace: ReplayOptions['onTrace'] }) {
    this.#head = head;
    this.#store = store;
    const { log, ...rest } = fromTaggedJson(toText(head.capture)) as CoreCapture;
    const capture: CoreCapture = { ...rest, log: { ...log, sizes } };
    this.#isInstalling = capture.fields.installing !== undefined;
    this.#raft = Raft.resume(capture, (event) => onTrace?.(this.#nowMs, this.#inputs, event));
  }

  /** Ends with the recording, or at the first difference. */
  async run({ disk, path, yieldNow }: ReplayOptions): Promise<void> {
    try {
      this.#check(this.#store.stateHash === this.#head.stateHash, 'the image has another hash');
      for await (const body of readFrames(disk, path)) {
        this.#take(body);
        if (body.$case === 'proof') await yieldNow();
      }
    } catch (error) {
      // A broken invariant or a damaged frame is what a replay is to find: it is told.
      this.#difference = { input: this.#inputs, what: messageOf(error) };
    }
  }

  report(): ReplayReport {
    const { version, memberId } = this.#head;
    return {
      version,
      member: memberId,
      inputs: this.#inputs,
      proofs: this.#proofs,
      entriesApplied: this.#applied,
      spanMs: this.#nowMs - (this.#firstMs ?? this.#nowMs),
      gap: this.#gap,
      appliedIndex: this.#store.appliedIndex,
      stateHash: this.#store.stateHash,
      difference: this.#difference,
    };
  }

  #take(body: RecordedBody): void {
    switch (body.$case) {
      case 'turn':
        this.#takeTurn(body.value);
        break;
      case 'entries':
        this.#keep(body.value.entries.map(entryFromWire));
        break;
      case 'proof':
        this.#compare(body.value);
        break;
      case 'gap':
        this.#gap = body.value.reason;
        break;
      default: // The checkpoint, which was loaded before.
    }
  }

  #takeTurn({ inputs }: wire.Turn): void {
    for (const one of inputs) {
      const { nowMs, input } = decodeInput(one);
      this.#inputs += 1;
      this.#nowMs = nowMs;
      this.#firstMs ??= nowMs;
      this.#raft.step(nowMs, input);
      if (input.type === 'applied') this.#applyTo(input.index);
    }
    this.#takeReady(this.#raft.ready());
  }

  #takeReady({ append, install }: Ready): void {
    const [first] = append;
    // What it takes the place of is never applied.
    if (first) for (let at: number = first.index; this.#entries.delete(at); at += 1);
    for (const entry of append) this.#entries.set(entry.index, entry);
    if (install) this.#isInstalling = true;
  }

  /** Entries that stood in the log before; where a Ready has brought the same one, that stays. */
  #keep(entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (!this.#entries.has(entry.index)) this.#entries.set(entry.index, entry);
    }
  }

  #compare({ appliedIndex, stateHash, coreCrc, core }: wire.Proof): void {
    const { crc, words } = proveCore(this.#raft);
    this.#check(crc === coreCrc, `the core differs\n  recorded ${core}\n  replayed ${words}`);
    if (appliedIndex > 0 && !this.#isInstalling) {
      this.#applyTo(index(appliedIndex));
      const own = this.#store.stateHash;
      const at = `at index ${appliedIndex}`;
      const hashes = `recorded ${hex(stateHash)}, replayed ${hex(own)}`;
      this.#check(own === stateHash, `the state differs ${at}: ${hashes}`);
    }
    this.#proofs += 1;
  }

  #applyTo(through: Index): void {
    if (this.#isInstalling || through <= this.#store.appliedIndex) return;
    this.#check(through <= this.#raft.commit, `entry ${through} was applied, and is not committed`);
    const batch: Entry[] = [];
    for (let at = this.#store.appliedIndex + 1; at <= through; at += 1) {
      const entry = this.#entries.get(at);
      this.#check(entry !== undefined, `entry ${at} is not in the recording`);
      assert(entry !== undefined, 'a checked entry is there');
      batch.push(entry);
      this.#entries.delete(at);
    }
    this.#store.apply(batch);
    this.#applied += batch.length;
  }

  #check(holds: boolean, what: string): void {
    if (!holds) throw new Difference(what);
  }
}

const hex = (hash: bigint): string => hash.toString(16).padStart(16, '0');
