// Records one member's core: a checkpoint, then everything that it is told, so that a replay comes
// to the same state (docs/recording.md). It decides when a segment begins and when a proof is due;
// writing is the matter of recording-writer.ts. It never throws, never waits, and asks for nothing.
import { utf8 } from '@holdfast/base/bytes';
import type { Clock } from '@holdfast/base/clock';
import { type Index, index } from '@holdfast/base/ids';
import type * as wire from '@holdfast/proto/recording';
import type { Entry } from '@holdfast/raft/entry';
import type { Input } from '@holdfast/raft/input';
import type { Raft } from '@holdfast/raft/raft';
import type { Ready } from '@holdfast/raft/ready';
import { proveCore } from '@holdfast/replica/core-proof';
import { entryToWire } from '@holdfast/replica/message-codec';
import type { CoreRecorder, StateMachine } from '@holdfast/replica/ports';
import { encodeInput } from '@holdfast/replica/recorded-input';
import { toTaggedJson } from '@holdfast/replica/tagged-json';
import type { Disk } from '@holdfast/storage/disk';
import { encodeFrame } from './recording-frames.ts';
import { RecordingWriter } from './recording-writer.ts';

export type RecorderOptions = {
  readonly disk: Disk;
  readonly clock: Pick<Clock, 'schedule' | 'wallMs'>;
  /** Of Holdfast. */
  readonly version: string;
  /** Bytes of inputs in a segment; what it begins with comes on top. */
  readonly segmentBytes: number;
  readonly segmentsKept: number;
  /** How long what is recorded may wait for more of it. Default 50 ms. */
  readonly flushMs?: number;
  /** Bytes that wait for the disk at most; beyond them the recording has a gap. Default 32 MiB. */
  readonly queueBytesMax?: number;
  readonly onProblem: (what: string, error: unknown) => void;
};

export const recordingDirectory = 'recording';
/** Of the member's time. */
const proofMs = 200;

type Recorded = { readonly raft: Raft; readonly stateMachine: StateMachine };

export class Recorder implements CoreRecorder {
  readonly #options: RecorderOptions;
  readonly #writer: RecordingWriter;
  #recorded: Recorded | undefined;
  /** Between a gap and the next segment nothing is recorded. */
  #isOpen = false;
  #turn: wire.Input[] = [];
  #segmentBytes = 0;
  /** Entries up to here stood in the log when the segment began. */
  #owedThrough: Index = index(0);
  /** The state is about to be another one: it proves nothing now. */
  #isInstalling = false;
  #wasInstalled = false;
  #nowMs = 0;
  #provedMs = Number.NEGATIVE_INFINITY;

  constructor(options: RecorderOptions) {
    const { flushMs = 50, queueBytesMax = 32 * 1024 * 1024 } = options;
    this.#options = options;
    this.#writer = new RecordingWriter({
      ...options,
      directory: recordingDirectory,
      flushMs,
      queueBytesMax,
      onFailure: (error) => options.onProblem('the recording has ended', error),
    });
  }

  begin(recorded: Recorded): void {
    this.#recorded = recorded;
    this.#beginSegment(recorded);
  }

  input(nowMs: number, input: Input): void {
    if (!this.#isOpen) return;
    this.#nowMs = nowMs;
    this.#turn.push(encodeInput(nowMs, input));
    if (input.type === 'snapshot-installed') this.#wasInstalled = true;
  }

  turnEnded(ready: Ready): void {
    const recorded = this.#recorded;
    if (!recorded || this.#writer.hasEnded) return;
    if (this.#isOpen) this.#endTurn(recorded, ready);
    else if (this.#writer.isDrained) this.#beginSegment(recorded);
  }

  applied(entries: readonly Entry[]): void {
    const [first] = entries;
    if (!this.#isOpen || first === undefined || first.index > this.#owedThrough) return;
    const owed = entries.filter((entry) => entry.index <= this.#owedThrough);
    this.#add(encodeFrame({ $case: 'entries', value: { entries: owed.map(entryToWire) } }));
  }

  async close(): Promise<void> {
    if (this.#recorded && this.#isOpen && !this.#writer.hasEnded) {
      // The inputs of a turn that never ended are those that broke something.
      if (this.#turn.length > 0) this.#addTurn();
      else this.#prove(this.#recorded);
    }
    this.#isOpen = false;
    await this.#writer.close();
  }

  #endTurn(recorded: Recorded, ready: Ready): void {
    if (this.#turn.length > 0) this.#addTurn();
    if (ready.install) this.#isInstalling = true;
    if (this.#isOpen && this.#nowMs - this.#provedMs >= proofMs) this.#prove(recorded);
    const isFull =
      this.#segmentBytes >= this.#options.segmentBytes && this.#writer.isStarted && this.#isOpen;
    // No input brings the state that a snapshot has put in the place of the old one.
    if (isFull || this.#wasInstalled) this.#beginSegment(recorded);
  }

  /** Where core and state stand, as what follows is to be replayed on. */
  #beginSegment({ raft, stateMachine }: Recorded): void {
    const { log, ...rest } = raft.capture();
    const { sizes, ...marks } = log;
    const head: wire.Head = {
      memberId: rest.id,
      version: this.#options.version,
      wallMs: this.#options.clock.wallMs(),
      capture: utf8(toTaggedJson({ ...rest, log: marks })),
      logSizeCount: sizes.length,
      appliedIndex: stateMachine.appliedIndex,
      stateHash: stateMachine.stateHash,
    };
    const image = stateMachine.image();
    this.#writer.begin({ head: encodeFrame({ $case: 'head', value: head }), sizes, image });
    this.#turn = [];
    this.#segmentBytes = 0;
    this.#owedThrough = index(log.purged.index + sizes.length);
    this.#isInstalling = rest.fields.installing !== undefined;
    this.#wasInstalled = false;
    this.#isOpen = true;
  }

  #addTurn(): void {
    const inputs = this.#turn;
    this.#turn = [];
    this.#add(encodeFrame({ $case: 'turn', value: { inputs } }));
  }

  #prove({ raft, stateMachine }: Recorded): void {
    this.#provedMs = this.#nowMs;
    const { crc, words } = proveCore(raft);
    const { appliedIndex, stateHash } = stateMachine;
    const state = this.#isInstalling
      ? { appliedIndex: 0, stateHash: 0n }
      : { appliedIndex, stateHash };
    this.#add(encodeFrame({ $case: 'proof', value: { ...state, coreCrc: crc, core: words } }));
  }

  #add(frame: Uint8Array): void {
    this.#segmentBytes += frame.length;
    if (!this.#isOpen || this.#writer.add(frame)) return;
    this.#isOpen = false;
    this.#turn = [];
    this.#options.onProblem('the disk is too slow for the recording, which has a gap', undefined);
  }
}
