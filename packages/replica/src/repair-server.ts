// Answers peers that lost a part of their log: with the entries, if this log holds their old
// durable end and so everything before it; with a snapshot, if the log was purged there. Nobody's
// vote or acknowledgement rests on the answer: whoever asked checks it against its own chain
// (safety.md 5).
import { type Index, type MemberId, next } from '@holdfast/base/ids';
import type { LogRange, LogRangeRequest, WithoutSender } from '@holdfast/raft/message';
import type { Raft } from '@holdfast/raft/raft';
import type { LogStore } from './ports.ts';

export type RepairServerOptions = {
  readonly log: Pick<LogStore, 'read' | 'marks'>;
  readonly core: Pick<Raft, 'holds'>;
  readonly snapshotIndex: () => Index;
  readonly appliedIndex: () => Index;
  readonly send: (message: WithoutSender<LogRange>) => void;
  /** Streams the newest snapshot; `sent()` tells of its end. */
  readonly sendSnapshot: (to: MemberId) => void;
  /** Takes a snapshot of the present state. */
  readonly takeSnapshot: () => Promise<void>;
  readonly onFailure: (error: unknown) => void;
};

/** One page; a single larger entry travels alone. */
const pageBytesMax = 1024 * 1024;

export class RepairServer {
  readonly #options: RepairServerOptions;
  /** One answer at a time a peer: what comes meanwhile is asked again. */
  readonly #answering = new Set<MemberId>();
  readonly #streaming = new Set<MemberId>();

  constructor(options: RepairServerOptions) {
    this.#options = options;
  }

  /** Never rejects: a failure is told, and whoever asked will ask another one. */
  async answer(request: LogRangeRequest): Promise<void> {
    const { from } = request;
    if (this.#answering.has(from)) return;
    this.#answering.add(from);
    try {
      await this.#answer(request);
    } catch (error) {
      this.#options.onFailure(error); // Rot in the own log is seen to where all such reads are.
    } finally {
      this.#answering.delete(from);
    }
  }

  /** The snapshot for `peer` arrived, or broke off. */
  sent(peer: MemberId): void {
    this.#streaming.delete(peer);
  }

  async #answer(request: LogRangeRequest): Promise<void> {
    const { log, core, send } = this.#options;
    const { from: to, requestId, previous, end } = request;
    const head = { type: 'log-range', to, requestId } as const;
    const lo = next(previous.index);
    if (lo <= log.marks.purged.index || end.index <= log.marks.purged.index) {
      send({ ...head, result: await this.#offerSnapshot(request) });
    } else if (!core.holds(end) || !core.holds(previous) || lo > end.index) {
      send({ ...head, result: 'unknown' });
    } else {
      const entries = await log.read(lo, next(end.index), pageBytesMax);
      // A log that was truncated meanwhile may no longer be the one that was asked for.
      if (core.holds(end)) send({ ...head, result: 'entries', entries });
    }
  }

  /** The newest one, or a fresh one if that one alone covers all that was lost. */
  async #offerSnapshot({ from, previous, end }: LogRangeRequest): Promise<'snapshot' | 'unknown'> {
    const { snapshotIndex, appliedIndex, takeSnapshot, sendSnapshot } = this.#options;
    if (snapshotIndex() < end.index && appliedIndex() >= end.index) await takeSnapshot();
    if (snapshotIndex() <= previous.index) return 'unknown';
    if (!this.#streaming.has(from)) {
      this.#streaming.add(from);
      sendSnapshot(from);
    }
    return 'snapshot';
  }
}
