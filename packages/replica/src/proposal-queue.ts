// What was handed in for the own core and waits for the end of the turn. What may stand in one
// entry with its neighbours is put together there: a request id, a place in the log, a record on
// every disk and a message's part are then paid for once, and not for each command.
import type { HoldfastError } from '@holdfast/base/errors';
import { encodeEntryGroup } from '@holdfast/proto/entry-envelope';
import type { Proposal } from '@holdfast/raft/input';
import type { ApplyResult } from './ports.ts';
import type { Proposals, Proposed, Waiter } from './proposals.ts';
import type { RequestIds } from './request-ids.ts';

/** Applied without a pause: a millisecond, and no part of what each of them costs by then. */
const groupCountMax = 128;
/** Well below what one message carries; a larger command has an entry of its own. */
const groupBytesMax = 256 * 1024;

export type ProposalQueueOptions = {
  readonly proposals: Proposals;
  readonly requestIds: RequestIds;
  /** Whether a command may share an entry now. */
  readonly isGroupable: (envelope: Uint8Array) => boolean;
};

type Waiting = { readonly envelope: Uint8Array; readonly waiter: Waiter; readonly sinceMs: number };

export class ProposalQueue {
  readonly #options: ProposalQueueOptions;
  #waiting: Waiting[] = [];

  constructor(options: ProposalQueueOptions) {
    this.#options = options;
  }

  get isWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** Admitted before (proposals.ts). */
  add(envelope: Uint8Array, waiter: Waiter, sinceMs: number): void {
    this.#waiting.push({ envelope, waiter, sinceMs });
  }

  /** What was handed in since the last call, in that order, as entries to be proposed. */
  take(): readonly Proposal[] {
    const waiting = this.#waiting;
    this.#waiting = [];
    const taken: Proposal[] = [];
    for (let from = 0; from < waiting.length; ) {
      const to = this.#groupEnd(waiting, from);
      taken.push(this.#propose(waiting.slice(from, to)));
      from = to;
    }
    return taken;
  }

  #propose(waiting: readonly Waiting[]): Proposal {
    const { proposals, requestIds } = this.#options;
    const requestId = requestIds.next();
    const envelopes = waiting.map(({ envelope }) => envelope);
    const waiter = new GroupWaiter(waiting.map(({ waiter: one }) => one));
    const [first] = waiting as readonly [Waiting];
    proposals.add(requestId, {
      waiter: waiting.length === 1 ? first.waiter : waiter,
      count: waiting.length,
      bytes: envelopes.reduce((sum, { length }) => sum + length, 0),
      sinceMs: first.sinceMs,
    });
    const payload = waiting.length === 1 ? first.envelope : encodeEntryGroup(envelopes);
    return { requestId, payload };
  }

  /** Behind the last command that shares an entry with the first. */
  #groupEnd(waiting: readonly Waiting[], from: number): number {
    const { isGroupable } = this.#options;
    let bytes = 0;
    for (let at = from; at < waiting.length && at - from < groupCountMax; at += 1) {
      const { envelope } = waiting[at] as Waiting;
      bytes += envelope.length;
      if (bytes > groupBytesMax || !isGroupable(envelope)) return Math.max(at, from + 1);
    }
    return Math.min(waiting.length, from + groupCountMax);
  }
}

/** The waiters of a group's commands, each for its own result. */
class GroupWaiter implements Waiter {
  readonly #waiters: readonly Waiter[];

  constructor(waiters: readonly Waiter[]) {
    this.#waiters = waiters;
  }

  /** The result of a group is a list of theirs; of one that nobody could read, one for them all. */
  resolve({ index, result }: Proposed): void {
    const results: readonly ApplyResult[] | undefined = Array.isArray(result) ? result : undefined;
    for (const [at, waiter] of this.#waiters.entries()) {
      waiter.resolve({ index, result: results ? results[at] : result });
    }
  }

  reject(error: HoldfastError): void {
    for (const waiter of this.#waiters) waiter.reject(error);
  }
}
