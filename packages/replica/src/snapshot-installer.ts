// Snapshots that come from peers: received and loaded beside the old log and state, which work on
// meanwhile; then, when the core has decided so, switched to in one covered step (safety.md 6,
// D-15, D-16). It owns what is being received and what was loaded; the stored files belong to the
// snapshotter once they are installed.
import { assert, must } from '@holdfast/base/assert';
import { HoldfastError, isHoldfastError } from '@holdfast/base/errors';
import type { MemberId } from '@holdfast/base/ids';
import { sameLogId } from '@holdfast/raft/entry';
import type { SnapshotMeta } from '@holdfast/raft/message';
import type { HardState } from '@holdfast/raft/ready';
import type { ApplyLoop } from './apply-loop.ts';
import type { DoubtedState } from './doubted-state.ts';
import type {
  IncomingSnapshot,
  LogStore,
  PreparedState,
  ReceivedSnapshotWriter,
  SnapshotStore,
  StateMachine,
  StatusStore,
  StoredSnapshot,
} from './ports.ts';
import type { Snapshotter } from './snapshotter.ts';

export type SnapshotInstallerOptions = {
  readonly log: LogStore;
  readonly status: StatusStore;
  readonly snapshots: SnapshotStore;
  readonly stateMachine: StateMachine;
  readonly apply: ApplyLoop;
  readonly snapshotter: Snapshotter;
  readonly hardState: () => HardState;
  /** Ends what is being received. */
  readonly signal: AbortSignal;
  /** Whether the status on disk knows its term: no file of a later one may be left by a crash. */
  readonly isTermSaved: (meta: SnapshotMeta) => boolean;
  /** The snapshot stands beside the old state, whole; answers whether the core wants it. */
  readonly onReceived: (meta: SnapshotMeta) => boolean;
  /** The state machine holds it, and the log begins after it. */
  readonly onInstalled: (meta: SnapshotMeta) => void;
  /** Decides whether the state alone is exchanged, and when. */
  readonly doubt: DoubtedState;
  /** The state machine holds it, and the log is what it was. */
  readonly onReplaced: (meta: SnapshotMeta) => void;
};

/** What people see of an install. */
export type InstallProgress = {
  readonly from: MemberId;
  readonly step: 'receiving' | 'loading' | 'switching';
  /** Of the step: bytes received, or bytes loaded. */
  readonly doneBytes: number;
  readonly totalBytes: number;
};

/** One that is being received, and what must hold before its file gets its name. */
type Taking = {
  readonly incoming: IncomingSnapshot;
  readonly beforeCommit: () => Promise<void>;
};

type Loaded = { readonly snapshot: StoredSnapshot; readonly state: PreparedState };

export class SnapshotInstaller {
  readonly #options: SnapshotInstallerOptions;
  #progress: InstallProgress | undefined;
  #loaded: Loaded | undefined;
  #replacements = 0;

  constructor(options: SnapshotInstallerOptions) {
    this.#options = options;
  }

  /** Undefined: nothing is received or installed now. */
  get progress(): InstallProgress | undefined {
    return this.#progress;
  }

  /**
   * Resolves when the snapshot is verified, durable and loaded, or not needed; the old state is
   * untouched. One at a time; a second one is refused with `resource-exhausted`, and its sender
   * tries again.
   */
  async receive(incoming: IncomingSnapshot): Promise<void> {
    if (this.#progress) throw busy();
    const { snapshot } = incoming;
    this.#step(incoming, 'receiving', 0);
    if (this.#options.doubt.replaces(snapshot)) return this.#replace(incoming);
    let isWanted = false;
    try {
      // What is applied needs no image: the core tells the leader so.
      if (snapshot.last.index > this.#options.apply.applied.index) await this.#bring(incoming);
      this.#options.signal.throwIfAborted();
      isWanted = this.#options.onReceived(snapshot);
    } finally {
      // A wanted one is under way until the switch is done.
      if (isWanted) this.#step(incoming, 'switching', snapshot.bytes);
      else this.#forget();
    }
  }

  /** The switch: mark, new log, new state, mark gone. Rejects if the disk or the file fails. */
  async install(meta: SnapshotMeta): Promise<void> {
    const { log, status, apply, snapshotter } = this.#options;
    const loaded = this.#loaded;
    assert(
      loaded !== undefined && sameLogId(loaded.snapshot.last, meta.last),
      'what the core switches to was loaded before',
    );
    await apply.pause();
    const state = this.#options.hardState();
    await status.save({ state, installing: true });
    await log.reset(meta.last);
    await status.save({ state, installing: false });
    // Together, in one turn: nobody meets a state that does not fit its index.
    loaded.state.takeOver();
    snapshotter.installed(loaded.snapshot);
    this.#forget();
    this.#options.onInstalled(meta);
  }

  /**
   * The state alone is exchanged, beneath a log that stays (safety.md 10): what was acknowledged
   * from it stays so, and what follows the snapshot is applied again, from the log.
   */
  async #replace(incoming: IncomingSnapshot): Promise<void> {
    const { apply, doubt } = this.#options;
    const { snapshot } = incoming;
    this.#replacements += 1;
    let isTooOld = true;
    try {
      // A state that went on meanwhile would be ahead of what comes.
      await apply.pause();
      if (snapshot.last.index < apply.applied.index) throw tooOld();
      await this.#bring(incoming, () => doubt.reached(snapshot));
      // The doubt may be over, or a leader may have taken the log away.
      isTooOld = !doubt.replaces(snapshot) || snapshot.last.index < apply.applied.index;
      if (isTooOld) throw tooOld();
      this.#exchange(snapshot);
    } finally {
      this.#forget();
      // The next one is made after this moment, if nothing is applied until it is there.
      if (isTooOld) this.#resumeLater(this.#replacements);
      else apply.resume();
    }
  }

  /** In one turn: nobody meets a state that does not fit its index. */
  #exchange(snapshot: StoredSnapshot): void {
    const loaded = must(this.#loaded, 'what takes the place of the state was loaded before');
    loaded.state.takeOver();
    this.#options.snapshotter.installed(snapshot);
    this.#options.onReplaced(snapshot);
  }

  #resumeLater(replacement: number): void {
    this.#options.doubt.later(() => {
      if (replacement === this.#replacements && !this.#progress) this.#options.apply.resume();
    });
  }

  /** It stands in the store and in memory, whatever was there of it before. */
  async #bring(incoming: IncomingSnapshot, beforeCommit = async () => {}): Promise<void> {
    const { snapshots } = this.#options;
    const writer = await snapshots.receive(incoming.snapshot);
    const taking = { incoming, beforeCommit };
    if (writer?.offset === 0) return this.#receiveAndLoad(taking, writer);
    if (writer) await this.#finish(taking, writer, (chunks) => drained(chunks));
    try {
      this.#step(incoming, 'loading', 0);
      await endedAfter(this.#read(incoming), (chunks) => this.#load(incoming, chunks));
    } catch (error) {
      if (!isHoldfastError(error, 'corrupt')) throw error;
      await snapshots.reject(incoming.snapshot, error.message);
      // Only what has just come shows that the sender's own may be bad.
      if (writer) throw error;
      throw new HoldfastError('unavailable', `a copy from before was damaged: ${error.message}`);
    }
  }

  /** Each chunk goes to the disk and into the new state: nothing is read back. */
  #receiveAndLoad(taking: Taking, writer: ReceivedSnapshotWriter): Promise<void> {
    const { incoming } = taking;
    return this.#finish(taking, writer, async (chunks) => {
      try {
        await this.#load(incoming, chunks);
      } catch (error) {
        // The image itself is bad, and what was written of it is worth nothing.
        if (isHoldfastError(error, 'corrupt')) await writer.abort();
        throw error;
      }
    });
  }

  /** Writes what comes, as fast as `take` asks for it, and makes it a snapshot of the store. */
  async #finish(
    { incoming, beforeCommit }: Taking,
    writer: ReceivedSnapshotWriter,
    take: (chunks: AsyncIterable<Uint8Array>) => Promise<void>,
  ): Promise<void> {
    const chunks = this.#written(incoming, writer);
    try {
      await endedAfter(chunks, take);
      if (!this.#options.isTermSaved(incoming.snapshot)) throw termNotSaved();
      await beforeCommit();
      await writer.commit();
    } catch (error) {
      // A part of it is worth keeping: the next try goes on behind it (D-14).
      await writer.suspend();
      throw error;
    }
  }

  async *#written(
    incoming: IncomingSnapshot,
    writer: ReceivedSnapshotWriter,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of incoming.chunksFrom(writer.offset)) {
      this.#options.signal.throwIfAborted();
      await writer.write(chunk);
      this.#step(incoming, 'receiving', writer.offset);
      yield chunk;
    }
  }

  async #load(incoming: IncomingSnapshot, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const { snapshot } = incoming;
    const state = await this.#options.stateMachine.prepare(snapshot.last, chunks);
    if (state.stateHash !== snapshot.stateHash) {
      throw new HoldfastError('corrupt', 'its state has another hash than its header says');
    }
    this.#loaded = { snapshot, state };
  }

  async *#read(incoming: IncomingSnapshot): AsyncGenerator<Uint8Array, void, undefined> {
    let bytes = 0;
    for await (const chunk of this.#options.snapshots.read(incoming.snapshot)) {
      this.#options.signal.throwIfAborted();
      yield chunk;
      bytes += chunk.length;
      this.#step(incoming, 'loading', bytes);
    }
  }

  #step(incoming: IncomingSnapshot, step: InstallProgress['step'], doneBytes: number): void {
    const { from, snapshot } = incoming;
    this.#progress = { from, step, doneBytes, totalBytes: snapshot.bytes };
  }

  #forget(): void {
    this.#progress = undefined;
    this.#loaded = undefined;
  }
}

/** Whoever takes chunks may stop early: what lies behind them, as an open file, ends with it. */
async function endedAfter(
  chunks: AsyncGenerator<Uint8Array, void, undefined>,
  take: (chunks: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<void> {
  try {
    await take(chunks);
  } finally {
    await chunks.return();
  }
}

async function drained(chunks: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of chunks);
}

const termNotSaved = (): HoldfastError =>
  new HoldfastError('unavailable', 'its term is not on disk here yet: it goes on where it is');

const tooOld = (): HoldfastError =>
  new HoldfastError(
    'unavailable',
    'this member has applied more, or needs it no more: take another',
  );

const busy = (): HoldfastError =>
  new HoldfastError('resource-exhausted', 'another snapshot is being received');
