// Everything that clients were told, and the judges of it. Clients report here; nothing else does.
import type { EventQueue } from './event-queue.ts';
import { History, type OpenCall, type Register, type RegisterAction } from './history.ts';
import { type AccessEvent, AccessSafety, signerOf } from './judges/access-safety.ts';
import { AcknowledgedWrites } from './judges/acknowledged-writes.ts';
import { EventHistory, type HappenedEvent } from './judges/event-history.ts';
import { LeaseKeys } from './judges/lease-keys.ts';
import { LeaseSafety } from './judges/lease-safety.ts';
import { judgeLinearizability } from './judges/linearizability.ts';
import { ReadFreshness } from './judges/read-freshness.ts';
import { type OrderedCall, RevisionOrder } from './judges/revision-order.ts';
import { SessionAnswers } from './judges/session-answers.ts';
import { SingleEffect } from './judges/single-effect.ts';

/** Of a store in which nothing was ever written, as in etcd. */
const emptyRevision = 1;

/** One effect of a call on one key: a transaction has several. */
export type Effect = { readonly key: string; readonly action: RegisterAction };

/** What the answer said of one effect, in the order of the effects. */
export type EffectAnswer = {
  /** What stood there before, or `untold`. */
  readonly before: Register | { readonly untold: true };
  readonly wrote: boolean;
};

export class ClientRecord {
  readonly history = new History();
  /** What really happened, whatever clients were told. */
  readonly events = new EventHistory(emptyRevision);
  readonly effects = new SingleEffect(this.events);
  readonly access = new AccessSafety();
  readonly leases = new LeaseSafety();
  readonly leaseKeys = new LeaseKeys();
  readonly sessions = new SessionAnswers();
  readonly writes = new AcknowledgedWrites();
  readonly freshness = new ReadFreshness();
  readonly order = new RevisionOrder();
  readonly counters = { answered: 0, refused: 0, unknown: 0, staleReads: 0 };
  readonly #queue: EventQueue;

  constructor(queue: EventQueue) {
    this.#queue = queue;
  }

  call(client: number, effects: readonly Effect[]): RecordedCall {
    return new RecordedCall(this, client, effects);
  }

  /** The first member reaches `revision`; members tell it before any client hears of it. */
  happened(revision: number, events: readonly HappenedEvent[]): void {
    this.events.happened(revision, events);
    for (const { type, key, value } of events) {
      if (type !== 'put') continue;
      this.effects.happened(value, revision);
      const signer = signerOf(value);
      if (signer) this.access.wrote({ ...signer, kind: 'write', key }, revision);
    }
  }

  /** As `happened`, of the access rules: nothing that clients see. */
  rulesChanged(revision: number, events: readonly AccessEvent[]): void {
    this.events.passed(revision);
    this.access.changed(revision, events);
  }

  /** A stale or bounded read was answered now. */
  agedRead(ageMs: number | undefined, revision: number): void {
    this.counters.staleReads += 1;
    if (ageMs === undefined) return;
    this.freshness.judgeRead({ atMs: this.#queue.nowMs, ageMs, revision });
  }

  told(revision: number): void {
    this.freshness.observeTold(this.#queue.nowMs, revision);
  }

  judgeHistory(): void {
    judgeLinearizability(this.history.operations);
  }
}

/** One call in flight; forgotten while unknown, it stays unknown. */
export class RecordedCall {
  readonly #record: ClientRecord;
  readonly #written: readonly Written[];
  readonly #open: readonly OpenCall[];
  readonly #ordered: OrderedCall;

  constructor(record: ClientRecord, client: number, effects: readonly Effect[]) {
    this.#record = record;
    this.#open = effects.map(({ key, action }) => record.history.call({ client, key, action }));
    this.#ordered = record.order.call();
    this.#written = writtenBy(effects);
    for (const { key, value } of this.#written) record.writes.attempted(key, value);
  }

  /** Throws a Violation if no such answer may be given. */
  answered(answers: readonly EffectAnswer[], revision: number): void {
    const { order, writes, counters } = this.#record;
    const wrote = answers.some((answer) => answer.wrote);
    order.answered(this.#ordered, revision, wrote);
    this.#record.told(revision);
    counters.answered += 1;
    for (const [at, { before }] of answers.entries()) {
      const isTold = before === undefined || typeof before === 'string';
      this.#open[at]?.answered(isTold ? { type: 'observed', before } : { type: 'done' });
    }
    for (const { key, value, at } of this.#written) {
      if (!answers[at]?.wrote) continue;
      writes.acknowledged(key, value, revision);
      this.#record.effects.acknowledged(key, value, revision);
    }
  }

  refused(): void {
    this.#record.counters.refused += 1;
    for (const open of this.#open) open.refused();
    for (const { key, value } of this.#written) {
      this.#record.writes.refused(key, value);
      if (value !== undefined) this.#record.effects.refused(value);
    }
  }

  unknown(): void {
    this.#record.counters.unknown += 1;
  }
}

/** `at` is the place of the effect among all of its call. */
type Written = { readonly key: string; readonly value: Register; readonly at: number };

function writtenBy(effects: readonly Effect[]): readonly Written[] {
  const written: Written[] = [];
  for (const [at, { key, action }] of effects.entries()) {
    if (action.type === 'get') continue;
    written.push({ key, at, value: action.type === 'delete' ? undefined : action.value });
  }
  return written;
}
