// Questions that only the leader's memory can answer (a lease's deadline, say): asked of the own
// process where it leads, and over the one hop where another does. Nothing is written, so whoever
// hears no answer may ask again. It knows no question's meaning; a handler answers.
import type { Clock } from '@holdfast/base/clock';
import { HoldfastError, messageOf } from '@holdfast/base/errors';
import type { MemberId, RequestId } from '@holdfast/base/ids';
import type { Raft } from '@holdfast/raft/raft';
import { type Forwarding, notLeader } from './forwarding.ts';
import type { LeaderGate } from './leader-gate.ts';
import type { ForwardRequest } from './ports.ts';
import type { RequestIds } from './request-ids.ts';
import type { ReplicaSettings } from './settings.ts';

/** Answers on the leader; rejects with a HoldfastError, `not-leader` where it leads no more. */
export type AnswerQuestion = (body: Uint8Array) => Promise<Uint8Array>;

export type LeaderQuestionsOptions = {
  readonly clock: Clock;
  readonly settings: ReplicaSettings;
  readonly gate: LeaderGate;
  readonly forwarding: Forwarding;
  readonly requestIds: RequestIds;
  readonly core: () => Raft;
  /** Absent: this member answers none. */
  readonly answer: AnswerQuestion | undefined;
};

type Asked = {
  readonly sinceMs: number;
  readonly resolve: (body: Uint8Array) => void;
  readonly reject: (error: HoldfastError) => void;
};

export class LeaderQuestions {
  readonly #options: LeaderQuestionsOptions;
  readonly #answer: AnswerQuestion;
  readonly #asked = new Map<RequestId, Asked>();
  /** Questions of peers that are being answered. */
  #answering = 0;

  constructor(options: LeaderQuestionsOptions) {
    this.#options = options;
    this.#answer = options.answer ?? (() => Promise.reject(noAnswer()));
  }

  /**
   * The leader's answer. Rejects as the handler does, or with `no-leader`, `no-quorum`,
   * `leadership-lost` or `resource-exhausted`.
   */
  ask(body: Uint8Array, signal?: AbortSignal): Promise<Uint8Array> {
    return this.#options.gate.callLeader(() => this.#submit(body), signal);
  }

  /** A follower's question. */
  take(from: MemberId, request: ForwardRequest): void {
    const waiter = this.#options.forwarding.answerer(from, request.requestId);
    const { role, term } = this.#options.core();
    if (role !== 'leader' || request.term !== term) waiter.reject(notLeader());
    else if (this.#isFull) waiter.reject(this.#tooMany());
    else {
      this.#answering += 1;
      void this.#answer(request.body) // Both ends are heard: nothing is left to float.
        .then(waiter.resolve, (error: unknown) => waiter.reject(asHoldfastError(error)))
        .finally(() => {
          this.#answering -= 1;
        });
    }
  }

  has(requestId: RequestId): boolean {
    return this.#asked.has(requestId);
  }

  resolve(requestId: RequestId, body: Uint8Array): void {
    const asked = this.#asked.get(requestId);
    this.#asked.delete(requestId);
    asked?.resolve(body);
  }

  refuse(requestId: RequestId, error: HoldfastError): void {
    const asked = this.#asked.get(requestId);
    this.#asked.delete(requestId);
    asked?.reject(error);
  }

  /** Ends those that were asked before `beforeMs`, with that error. */
  expire(beforeMs: number, why: () => HoldfastError): void {
    for (const [requestId, { sinceMs }] of this.#asked) {
      if (sinceMs < beforeMs) this.refuse(requestId, why());
    }
  }

  rejectAll(error: HoldfastError): void {
    for (const requestId of [...this.#asked.keys()]) this.refuse(requestId, error);
  }

  get #isFull(): boolean {
    return this.#asked.size + this.#answering >= this.#options.settings.proposalsMax;
  }

  #submit(body: Uint8Array): Promise<Uint8Array> {
    const { role, leader, term } = this.#options.core();
    if (role === 'leader') return this.#answer(body);
    if (leader === undefined) return Promise.reject(notLeader());
    if (this.#isFull) return Promise.reject(this.#tooMany());
    const requestId = this.#options.requestIds.next();
    const sinceMs = this.#options.clock.monotonicMs();
    return new Promise((resolve, reject) => {
      this.#asked.set(requestId, { sinceMs, resolve, reject });
      this.#options.forwarding.request({ requestId, term, body, isQuestion: true });
    });
  }

  #tooMany(): HoldfastError {
    return new HoldfastError(
      'resource-exhausted',
      `${this.#options.settings.proposalsMax} questions to the leader are under way on this ` +
        'member, which is its limit: try again shortly',
    );
  }
}

const asHoldfastError = (error: unknown): HoldfastError =>
  error instanceof HoldfastError
    ? error
    : new HoldfastError('internal', messageOf(error), { cause: error });

const noAnswer = (): HoldfastError =>
  new HoldfastError('unimplemented', 'this member answers no questions');
