// What the sessions' writes answered, so that a repeated one takes effect once (safety.md 21). Part
// of the replicated state: time is that of the log, and an overdue session lives until an entry
// ends it. Throws HoldfastErrors, which apply turns into results.
//
//   given up by the client  | lowest      answers kept       lowest + in flight |
//   refused, never applied  | known again, or new: applied once                 | refused
import { assert, must } from '@holdfast/base/assert';
import { HoldfastError } from '@holdfast/base/errors';

/** An encoded CommandResult, and what it counts of the room that all sessions share. */
export type KeptResult = { readonly bytes: Uint8Array; readonly countedBytes: number };

type Session = {
  readonly id: bigint;
  readonly ttlMs: number;
  /** Time of the log of its last entry. */
  lastActiveMs: number;
  /** The lowest sequence whose answer the client may still wait for. */
  lowest: bigint;
  /** By sequence, none below `lowest`. */
  readonly results: Map<bigint, KeptResult>;
};

/** A session at one moment, as an image carries it. */
export type FrozenSession = {
  readonly id: bigint;
  readonly ttlMs: number;
  readonly lastActiveMs: number;
  readonly lowest: bigint;
  readonly sequences: readonly bigint[];
  readonly results: readonly KeptResult[];
};

/** Where in a session a write stands (proto/entry-envelope.ts). */
export type SessionPlace = {
  readonly sessionId: bigint;
  readonly sequence: bigint;
  readonly pendingSpan: number;
};

export class SessionTable {
  /** In the order in which they were registered, which is that of the log. */
  readonly #sessions = new Map<bigint, Session>();
  #countedBytes = 0;

  get size(): number {
    return this.#sessions.size;
  }

  /** Of all results that are kept. */
  get countedBytes(): number {
    return this.#countedBytes;
  }

  has(id: bigint): boolean {
    return this.#sessions.has(id);
  }

  ttlMs(id: bigint): number | undefined {
    return this.#sessions.get(id)?.ttlMs;
  }

  hasAnswer(id: bigint, sequence: bigint): boolean {
    return this.#sessions.get(id)?.results.has(sequence) ?? false;
  }

  register(id: bigint, ttlMs: number, timeMs: number): void {
    assert(!this.#sessions.has(id), 'a session is registered once');
    const session = { id, ttlMs, lastActiveMs: timeMs, lowest: 1n, results: new Map() };
    this.#sessions.set(id, session);
  }

  /** The session has an entry at that time of the log. Throws `session-expired`. */
  touch(id: bigint, timeMs: number): void {
    this.#known(id).lastActiveMs = timeMs;
  }

  end(id: bigint): void {
    const session = this.#known(id);
    for (const result of session.results.values()) this.#countedBytes -= result.countedBytes;
    this.#sessions.delete(id);
  }

  /**
   * The kept answer of that write, or undefined: it is to be applied, now and never again. Forgets
   * what the client no longer waits for. Throws `session-expired`, `invalid-argument`,
   * `resource-exhausted`; nothing is remembered of a write that is refused here.
   */
  recall(place: SessionPlace, inFlightMax: number): Uint8Array | undefined {
    const { sequence, pendingSpan } = place;
    const session = this.#known(place.sessionId);
    if (pendingSpan >= inFlightMax) throw tooManyInFlight(inFlightMax);
    const lowest = sequence - BigInt(pendingSpan);
    if (lowest < 1n) {
      throw new HoldfastError(
        'invalid-argument',
        `sequence ${sequence} cannot have ${pendingSpan} before it: sequences count from 1`,
      );
    }
    if (sequence < session.lowest) throw givenUp(session, sequence);
    if (lowest > session.lowest) this.#forgetBelow(session, lowest);
    return session.results.get(sequence)?.bytes;
  }

  /** Keeps what the write answered. */
  keep(place: SessionPlace, result: KeptResult): void {
    const session = this.#known(place.sessionId);
    assert(!session.results.has(place.sequence), 'a write in a session is applied once');
    session.results.set(place.sequence, result);
    this.#countedBytes += result.countedBytes;
  }

  /** Whether the session has been idle for as long as it lives; false for an unknown one. */
  isOverdue(id: bigint, nowLogMs: number): boolean {
    const session = this.#sessions.get(id);
    return session !== undefined && session.lastActiveMs + session.ttlMs <= nowLogMs;
  }

  /** `max` sessions at most that an expiry at that time of the log would end. */
  overdue(nowLogMs: number, max: number): bigint[] {
    const ids: bigint[] = [];
    for (const id of this.#sessions.keys()) {
      if (ids.length >= max) break;
      if (this.isOverdue(id, nowLogMs)) ids.push(id);
    }
    return ids;
  }

  /** As they are now; results never change, so only references are copied. */
  freeze(): readonly FrozenSession[] {
    return Array.from(this.#sessions.values(), (session) => ({
      id: session.id,
      ttlMs: session.ttlMs,
      lastActiveMs: session.lastActiveMs,
      lowest: session.lowest,
      sequences: [...session.results.keys()],
      results: [...session.results.values()],
    }));
  }

  /** Takes in a session of an image. */
  load(frozen: FrozenSession): void {
    const { sequences, results, ...facts } = frozen;
    const kept = new Map<bigint, KeptResult>();
    sequences.forEach((sequence, n) => {
      const result = must(results[n], 'each sequence has a result');
      kept.set(sequence, result);
      this.#countedBytes += result.countedBytes;
    });
    this.#sessions.set(frozen.id, { ...facts, results: kept });
  }

  #forgetBelow(session: Session, lowest: bigint): void {
    session.lowest = lowest;
    for (const [sequence, result] of session.results) {
      if (sequence >= lowest) continue;
      session.results.delete(sequence);
      this.#countedBytes -= result.countedBytes;
    }
  }

  #known(id: bigint): Session {
    const session = this.#sessions.get(id);
    if (session) return session;
    throw new HoldfastError(
      'session-expired',
      `session ${id} is unknown or has expired: what its writes did is forgotten, ` +
        'so nothing is applied under it; register a new one',
    );
  }

  /** Whole-table check for tests and the simulator. */
  validate(inFlightMax: number): void {
    let bytes = 0;
    for (const { lowest, results } of this.#sessions.values()) {
      for (const [sequence, result] of results) {
        assert(sequence >= lowest, 'nothing is kept that the client has given up');
        assert(sequence < lowest + BigInt(inFlightMax), 'a session keeps what is in flight');
        bytes += result.countedBytes;
      }
    }
    assert(bytes === this.#countedBytes, 'what counts is what is kept');
  }
}

const tooManyInFlight = (inFlightMax: number): HoldfastError =>
  new HoldfastError(
    'resource-exhausted',
    `a session has at most ${inFlightMax} writes in flight: wait for the oldest`,
  );

/** Not `session-expired`: a client would register anew, and send again what may have applied. */
const givenUp = (session: Session, sequence: bigint): HoldfastError =>
  new HoldfastError(
    'invalid-argument',
    `sequence ${sequence} lies below ${session.lowest}, the lowest for whose answer session ` +
      `${session.id} waits: it is not applied, and whether it was before is forgotten`,
  );
