// Joins proposals to their results. A proposal, of one command or of a group, stands under a
// request id until the log gives it an index, and under that index until the apply loop comes by;
// it ends exactly once, with a result or with an error that says what became of the write.
import { HoldfastError, type Outcome } from '@holdfast/base/errors';
import type { Index, RequestId, Term } from '@holdfast/base/ids';
import { SteadyMap } from '@holdfast/base/steady-map';
import type { LogId } from '@holdfast/raft/entry';
import type { ApplyResult } from './ports.ts';

export type Proposed = { readonly index: Index; readonly result: ApplyResult };

/** Whoever waits for a proposal: a local caller, or a peer that forwarded it. */
export interface Waiter {
  resolve(proposed: Proposed): void;
  reject(error: HoldfastError): void;
}

type Pending = {
  readonly waiter: Waiter;
  /** Commands, and what they were admitted with. */
  readonly count: number;
  readonly bytes: number;
  readonly sinceMs: number;
};
type Placed = { readonly pending: Pending; readonly term: Term };

export type ProposalLimits = { readonly countMax: number; readonly bytesMax: number };

export class Proposals {
  readonly #limits: ProposalLimits;
  readonly #unplaced = new SteadyMap<RequestId, Pending>();
  readonly #placed = new SteadyMap<Index, Placed>();
  #count = 0;
  #bytes = 0;

  constructor(limits: ProposalLimits) {
    this.#limits = limits;
  }

  /** Of commands that were admitted and have no answer yet. */
  get count(): number {
    return this.#count;
  }

  /** Undefined, or why no further proposal is taken now. */
  refusal(bytes: number): HoldfastError | undefined {
    const { countMax, bytesMax } = this.#limits;
    const isFull = this.count >= countMax || (this.count > 0 && this.#bytes + bytes > bytesMax);
    if (!isFull) return undefined;
    return new HoldfastError(
      'resource-exhausted',
      `${this.count} writes are under way on this member, which is its limit: try again shortly`,
    );
  }

  /** It counts from here on, until the proposal in which it is ends. */
  admit(bytes: number): void {
    this.#count += 1;
    this.#bytes += bytes;
  }

  /** Of what was admitted before. */
  add(requestId: RequestId, pending: Pending): void {
    this.#unplaced.set(requestId, pending);
  }

  /**
   * The own log holds it now, at this place, which it may have held another one at in an older
   * term.
   */
  place(requestId: RequestId, id: LogId): void {
    const pending = this.#unplaced.get(requestId);
    if (!pending) return;
    this.#unplaced.delete(requestId);
    const overwritten = this.#placed.get(id.index);
    // Another log may still hold that one, and a later leader commit it.
    if (overwritten) this.#end(overwritten.pending, lost('unknown'));
    this.#placed.set(id.index, { pending, term: id.term });
  }

  refuse(requestId: RequestId, error: HoldfastError): void {
    const pending = this.#unplaced.get(requestId);
    if (!pending) return;
    this.#unplaced.delete(requestId);
    this.#end(pending, error);
  }

  /** The forwarder's case: the leader answered under the request id. */
  resolve(requestId: RequestId, proposed: Proposed): void {
    const pending = this.#unplaced.get(requestId);
    if (!pending) return;
    this.#unplaced.delete(requestId);
    this.#release(pending);
    pending.waiter.resolve(proposed);
  }

  has(requestId: RequestId): boolean {
    return this.#unplaced.has(requestId);
  }

  /**
   * The entry `id` was applied. Another term there means that the proposal was overwritten. A
   * doubted result is told to nobody: the write stands, and what it did here may be wrong.
   */
  applied(id: LogId, result: ApplyResult, isDoubted = false): void {
    const placed = this.#placed.get(id.index);
    if (!placed) return;
    this.#placed.delete(id.index);
    const { pending } = placed;
    if (placed.term === id.term && isDoubted) return this.#end(pending, doubted());
    if (placed.term === id.term) {
      this.#release(pending);
      pending.waiter.resolve({ index: id.index, result });
      return;
    }
    const message = 'another leader took over before the write was committed; it has no effect';
    this.#end(pending, new HoldfastError('leadership-lost', message, { outcome: 'not-applied' }));
  }

  /** A snapshot took the place of everything up to `through`: those results are not known here. */
  skip(through: Index): void {
    for (const [at, placed] of this.#placed.entries()) {
      if (at > through) continue;
      this.#placed.delete(at);
      this.#end(placed.pending, lost('unknown'));
    }
  }

  /** Ends what was placed before `beforeMs` while this member no longer leads. */
  expirePlaced(beforeMs: number): void {
    for (const [at, placed] of this.#placed.entries()) {
      if (placed.pending.sinceMs >= beforeMs) continue;
      this.#placed.delete(at);
      this.#end(placed.pending, lost('unknown'));
    }
  }

  /** Ends those without a place that came before `beforeMs`, with that error. */
  expireUnplaced(beforeMs: number, why: () => HoldfastError): void {
    for (const [requestId, pending] of this.#unplaced.entries()) {
      if (pending.sinceMs < beforeMs) this.refuse(requestId, why());
    }
  }

  rejectAll(error: HoldfastError): void {
    const placed = this.#placed.values().map(({ pending }) => pending);
    const all = [...this.#unplaced.values(), ...placed];
    this.#unplaced.clear();
    this.#placed.clear();
    for (const pending of all) this.#end(pending, error);
  }

  #end(pending: Pending, error: HoldfastError): void {
    this.#release(pending);
    pending.waiter.reject(error);
  }

  #release({ count, bytes }: Pending): void {
    this.#count -= count;
    this.#bytes -= bytes;
  }
}

export const lost = (outcome: Outcome): HoldfastError =>
  new HoldfastError(
    'leadership-lost',
    'the leader changed before the write was confirmed; it may or may not take effect: ' +
      'read it back',
    { outcome },
  );

const doubted = (): HoldfastError =>
  new HoldfastError(
    'unavailable',
    'the write is in the log, but the member that led does not trust its own state, nor so what ' +
      'it would answer; it may or may not have taken effect: read it back',
    { outcome: 'unknown' },
  );

/** The leader is the same, as far as is known, and said nothing. */
export const unanswered = (why: string): HoldfastError =>
  new HoldfastError(
    'unavailable',
    `${why}; what was asked of it may or may not have taken effect: read it back`,
    { outcome: 'unknown' },
  );
