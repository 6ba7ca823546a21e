// Keeps the leases while this member leads (safety.md 20): takes keep-alives, proposes expiries,
// writes the remaining time of long leases to the log now and then. Deadlines stand in memory and
// on the monotonic clock; nothing here is done without a leadership that was confirmed in time.
//
// Why a lease never ends before (send time of its last acknowledged keep-alive + time to live):
// - Same leader: the keep-alive arrived after it was sent; the deadline counts from the arrival.
// - Next leader: the keep-alive was acknowledged after a majority had confirmed the term in a round
//   that began after the arrival. A later term needs a vote of one of these, given after it had
//   answered that round; so the next leader's first moment, from which it counts, is later still.
// - A remaining time in the log is a shorter one, written by an earlier leader. Before a keep-alive
//   of such a lease is acknowledged, the full time stands in the log again.
// - Expiry: overdue first, then a round in which the same term is confirmed, then the entry, which
//   has no effect in another term. A leader that slept, or was cut off, is confirmed by nobody.
// All of it assumes that clocks of members and clients run equally fast; what they show is of no
// matter.
import { type Clock, sleep } from '@holdfast/base/clock';
import { waitFor } from '@holdfast/base/deadline';
import { HoldfastError, isHoldfastError } from '@holdfast/base/errors';
import type { Term } from '@holdfast/base/ids';
import type { CommandRequest } from './command-answer.ts';
import { type KeptLease, type LeaseFacts, LeaseReign } from './lease-reign.ts';

/** What the state says of the leases (mvcc's KvStore.leases). */
export type LeaseView = {
  get(id: bigint): (LeaseFacts & { readonly keyCount: number }) | undefined;
  ids(): Iterable<bigint>;
  readonly size: number;
};

/** This member as a leader. */
export type Leadership = {
  /** The term in which it leads, as far as it knows; undefined where it does not. */
  term(): Term | undefined;
  /**
   * The term, if this member led when asked, as a round that began later has shown; the state then
   * has everything that was acknowledged before. Undefined where nobody confirmed it.
   */
  confirm(signal?: AbortSignal): Promise<Term | undefined>;
  /** Into the own log in that term, or `not-leader`; never forwarded, never tried again. */
  propose(term: Term, request: CommandRequest): Promise<void>;
};

export type LessorSettings = {
  /** How often it is looked for leases that have run out. */
  readonly tickMs: number;
  /**
   * A lease that was not renewed for so long has its remaining time written to the log; one that
   * lives no longer than this never has.
   */
  readonly checkpointMs: number;
  /** Leases that one entry ends, and keys that hang on them. */
  readonly expiredMax: number;
  readonly expiredKeysMax: number;
  /** Leases whose remaining time one entry carries. */
  readonly checkpointedMax: number;
};

/**
 * A tick of 200 ms: a fifth of the shortest time to live. Five minutes between checkpoints (etcd's
 * figure): a change of leader prolongs a lease by that at most, and a lease that lives for less is
 * not worth an entry. 500 leases or 5,000 keys an entry hold the event loop for some milliseconds.
 */
export const defaultLessorSettings: LessorSettings = {
  tickMs: 200,
  checkpointMs: 5 * 60 * 1000,
  expiredMax: 500,
  expiredKeysMax: 5000,
  checkpointedMax: 1000,
};

export type LessorOptions = {
  readonly clock: Clock;
  readonly leases: () => LeaseView;
  readonly leadership: Leadership;
  readonly settings: LessorSettings;
  /** Lets the event loop run between two slices of a walk over all leases. */
  readonly yieldNow: () => Promise<void>;
  readonly onProblem: (what: string, error: unknown) => void;
};

export type LeaseTime = { readonly ttlMs: number; readonly remainingMs: number };

/** A tick that comes so late tells of a pause of the whole process. */
const oversleptMs = 1000;
/** Leases that one slice of a walk looks at. */
const sliceLeases = 1000;
/** Leases that ended before their time, and are kept in mind still, until it is worth a walk. */
const forgottenMax = 10_000;

export class Lessor {
  readonly #options: LessorOptions;
  #reign: LeaseReign | undefined;

  constructor(options: LessorOptions) {
    this.#options = options;
  }

  /** Leases with a deadline in this member's memory; 0 where it does not lead. */
  get size(): number {
    return this.#reign?.size ?? 0;
  }

  /**
   * Gives the lease its full time from now on. Throws `not-found` for a lease that there is not, or
   * whose end is proposed; `not-leader` where nobody confirmed this member's leadership.
   */
  async keepAlive(id: bigint, signal?: AbortSignal): Promise<LeaseTime> {
    const arrivedMs = this.#nowMs;
    const known = this.#presentReign?.find(id);
    if (known) known.waiting += 1;
    try {
      const reign = await this.#confirmedReign(signal);
      const lease = this.#meet(reign, id);
      if (lease.isExpiring) throw ended();
      await this.#forgetCheckpoint(reign, lease, signal);
      reign.renew(lease, arrivedMs);
      return this.#timeOf(lease);
    } finally {
      if (known) known.waiting -= 1;
    }
  }

  /** Throws `not-found`, `not-leader`. */
  async timeToLive(id: bigint, signal?: AbortSignal): Promise<LeaseTime> {
    const reign = await this.#confirmedReign(signal);
    const lease = this.#meet(reign, id);
    return this.#timeOf(lease);
  }

  /** A grant was applied: if this member leads, the lease's time begins. */
  granted(id: bigint): void {
    const reign = this.#presentReign;
    const facts = reign && this.#options.leases().get(id);
    if (facts) reign.begin(facts, this.#nowMs);
  }

  /** Looks after the leases until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, settings } = this.#options;
    while (!signal.aborted) {
      const dueMs = this.#nowMs + settings.tickMs;
      try {
        await sleep(clock, settings.tickMs, signal);
      } catch {
        return; // The signal has aborted.
      }
      // Keep-alives may wait in the sockets of a process that has slept: they are heard first.
      if (this.#nowMs - dueMs > oversleptMs) continue;
      await this.#attend(signal);
    }
  }

  /** One look; `run` does it at every tick. */
  async attend(signal?: AbortSignal): Promise<void> {
    const reign = await this.#wholeReign(signal);
    if (!reign) return;
    await this.#maybeForgetEnded(reign);
    while (await this.#expireSome(reign, signal)) {
      // Each turn has waited for its entry: the log sets the pace.
    }
    await this.#maybeCheckpoint(reign);
  }

  async #attend(signal: AbortSignal): Promise<void> {
    try {
      await this.attend(signal);
    } catch (error) {
      // The next tick tries again; what was proposed in vain has been put back. Whoever leads no
      // more has nothing to try.
      if (signal.aborted || isHoldfastError(error, 'not-leader')) return;
      this.#options.onProblem('keeping leases', error);
    }
  }

  get #nowMs(): number {
    return this.#options.clock.monotonicMs();
  }

  // ---------------------------------------------------------------- the reign

  /** Of the term in which this member leads right now, if it has begun one. */
  get #presentReign(): LeaseReign | undefined {
    if (this.#reign?.term !== this.#options.leadership.term()) this.#reign = undefined;
    return this.#reign;
  }

  async #confirmedReign(signal: AbortSignal | undefined): Promise<LeaseReign> {
    const term = await this.#options.leadership.confirm(signal);
    const reign = term === undefined ? undefined : this.#reignOf(term);
    if (reign) return reign;
    throw notLeader();
  }

  /** Only for a term that was just confirmed: what a lease gets then is counted from there. */
  #reignOf(term: Term): LeaseReign {
    const present = this.#presentReign;
    if (present?.term === term) return present;
    this.#reign = new LeaseReign(term, this.#nowMs);
    return this.#reign;
  }

  /** The reign, once every lease that there is has its deadline. */
  async #wholeReign(signal: AbortSignal | undefined): Promise<LeaseReign | undefined> {
    const { leadership, leases } = this.#options;
    if (leadership.term() === undefined) return this.#presentReign;
    if (this.#presentReign?.isWhole) return this.#presentReign;
    const term = await leadership.confirm(signal);
    if (term === undefined) return undefined;
    const reign = this.#reignOf(term);
    const isOver = await this.#inSlices(reign, [...leases().ids()], (id) => {
      const facts = leases().get(id);
      if (facts) reign.meet(facts, this.#nowMs);
    });
    reign.isWhole = isOver;
    return isOver ? reign : undefined;
  }

  /** False: the reign ended in the middle. */
  async #inSlices<T>(
    reign: LeaseReign,
    all: Iterable<T>,
    each: (one: T) => void,
  ): Promise<boolean> {
    let count = 0;
    for (const one of all) {
      each(one);
      count += 1;
      if (count % sliceLeases !== 0) continue;
      await this.#options.yieldNow();
      if (this.#presentReign !== reign) return false;
    }
    return true;
  }

  #meet(reign: LeaseReign, id: bigint): KeptLease {
    const facts = this.#options.leases().get(id);
    if (!facts) throw notFound();
    return reign.meet(facts, this.#nowMs);
  }

  #timeOf(lease: KeptLease): LeaseTime {
    const { ttlMs, deadlineMs } = lease;
    return { ttlMs, remainingMs: Math.max(0, Math.floor(deadlineMs - this.#nowMs)) };
  }

  /** A revoked lease would be kept in mind until its deadline, which may be years away. */
  async #maybeForgetEnded(reign: LeaseReign): Promise<void> {
    const leases = this.#options.leases();
    if (reign.heldCount <= 2 * leases.size + forgottenMax) return;
    await this.#inSlices(reign, reign.takeApart(), (lease) => {
      if (leases.get(lease.id)) reign.putBack(lease);
      else reign.end(lease);
    });
  }

  // ---------------------------------------------------------------- expiry

  /** Ends a batch of what has run out; answers whether there may be more. */
  async #expireSome(reign: LeaseReign, signal: AbortSignal | undefined): Promise<boolean> {
    const overdue = this.#takeOverdue(reign);
    if (overdue.length === 0) return false;
    // The deadlines passed before this round begins.
    const term = await this.#options.leadership.confirm(signal);
    if (term !== reign.term) {
      this.#lookAgain(reign, overdue);
      return false;
    }
    const doomed = overdue.filter((lease) => this.#isDoomed(lease));
    const spared = overdue.filter((lease) => !doomed.includes(lease));
    this.#lookAgain(reign, spared);
    await this.#expire(reign, doomed);
    return true;
  }

  #takeOverdue(reign: LeaseReign): readonly KeptLease[] {
    const { leases, settings } = this.#options;
    const overdue: KeptLease[] = [];
    let keys = 0;
    while (overdue.length < settings.expiredMax && keys < settings.expiredKeysMax) {
      const lease = reign.takeOverdue(this.#nowMs);
      if (!lease) break;
      const facts = leases().get(lease.id);
      keys += facts?.keyCount ?? 0;
      if (facts) overdue.push(lease);
      else reign.end(lease); // Revoked meanwhile.
    }
    return overdue;
  }

  /** A keep-alive that has arrived meanwhile saves it. */
  #isDoomed(lease: KeptLease): boolean {
    return lease.waiting === 0 && lease.deadlineMs <= this.#nowMs;
  }

  #lookAgain(reign: LeaseReign, leases: readonly KeptLease[]): void {
    const atMs = this.#nowMs + this.#options.settings.tickMs;
    for (const lease of leases) reign.lookAgain(lease, atMs);
  }

  async #expire(reign: LeaseReign, doomed: readonly KeptLease[]): Promise<void> {
    if (doomed.length === 0) return;
    const { term } = reign;
    for (const lease of doomed) lease.isExpiring = true;
    try {
      const ids = doomed.map(({ id }) => id);
      // By the time that the entry is applied, its id may be that of another lease.
      const grantedAt = doomed.map((lease) => BigInt(lease.grantedAt));
      const value = { ids, term, grantedAt };
      await this.#options.leadership.propose(term, { $case: 'leaseExpire', value });
    } catch (error) {
      // What may have been written may still take effect: no keep-alive is taken of it any more.
      const isUnwritten = isHoldfastError(error) && error.outcome === 'not-applied';
      for (const lease of doomed) lease.isExpiring = !isUnwritten;
      this.#lookAgain(reign, doomed);
      throw error;
    }
    for (const lease of doomed) reign.end(lease);
  }

  // ---------------------------------------------------------------- long leases

  async #maybeCheckpoint(reign: LeaseReign): Promise<void> {
    const { checkpointMs } = this.#options.settings;
    if (this.#nowMs - reign.checkpointedMs < checkpointMs) return;
    reign.checkpointedMs = this.#nowMs;
    const long: KeptLease[] = [];
    const isOver = await this.#inSlices(reign, reign.values(), (lease) => {
      if (this.#isLong(lease)) long.push(lease);
    });
    if (isOver) await this.#checkpoint(reign, long);
  }

  #isLong(lease: KeptLease): boolean {
    const { checkpointMs } = this.#options.settings;
    const isQuiet = lease.waiting === 0 && !lease.isExpiring;
    return isQuiet && lease.ttlMs > checkpointMs && this.#nowMs - lease.renewedMs >= checkpointMs;
  }

  async #checkpoint(reign: LeaseReign, long: readonly KeptLease[]): Promise<void> {
    const { leadership, settings } = this.#options;
    const { term } = reign;
    for (let at = 0; at < long.length; at += settings.checkpointedMax) {
      const batch = long
        .slice(at, at + settings.checkpointedMax)
        .filter((one) => this.#isLong(one));
      const leases = batch.map((lease) => {
        // Noted before it is written: from now on a keep-alive has to put it right first.
        lease.checkpointMs = this.#timeOf(lease).remainingMs;
        return { id: lease.id, remainingMs: lease.checkpointMs, grantedAt: lease.grantedAt };
      });
      await leadership.propose(term, { $case: 'leaseCheckpoint', value: { leases, term } });
    }
  }

  /** The full time stands in the log again before the keep-alive is acknowledged. */
  async #forgetCheckpoint(
    reign: LeaseReign,
    lease: KeptLease,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { leases, leadership } = this.#options;
    const { id, ttlMs, grantedAt } = lease;
    const remainingMs = leases().get(id)?.remainingMs ?? ttlMs;
    if (lease.checkpointMs >= ttlMs && remainingMs >= ttlMs) return;
    lease.waiting += 1;
    try {
      const value = { leases: [{ id, remainingMs: ttlMs, grantedAt }], term: reign.term };
      await waitFor(leadership.propose(reign.term, { $case: 'leaseCheckpoint', value }), signal);
      lease.checkpointMs = ttlMs;
    } finally {
      lease.waiting -= 1;
    }
    const facts = leases().get(id);
    if (!facts) throw notFound();
    // In another term the entry had no effect.
    if (facts.remainingMs < ttlMs) throw notLeader();
  }
}

const notLeader = (): HoldfastError =>
  new HoldfastError('not-leader', 'the leases are kept by the leader, which this is not');

/** The sentence is etcd's: clients compare it. */
const notFound = (): HoldfastError => new HoldfastError('not-found', 'requested lease not found');

const ended = (): HoldfastError =>
  new HoldfastError('not-found', 'requested lease not found: it has run out, and is being ended');
