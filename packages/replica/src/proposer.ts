// The way of a write into the log: wait for a leader, hand the envelope to the own core or over the
// one hop to the leader's, try again only where it is certain that nothing was written. Also takes
// in what followers forward. Never waits for the disk or a peer itself.
import type { Clock } from '@holdfast/base/clock';
import {
  leaveSignal,
  type SignalWait,
  type SignalWaiter,
  waitUnder,
} from '@holdfast/base/deadline';
import { HoldfastError, isHoldfastError } from '@holdfast/base/errors';
import type { MemberId, Term } from '@holdfast/base/ids';
import { isEntryEnvelope } from '@holdfast/proto/entry-envelope';
import type { Proposal } from '@holdfast/raft/input';
import type { Raft } from '@holdfast/raft/raft';
import type { RefusalReason } from '@holdfast/raft/ready';
import { type Forwarding, notLeader } from './forwarding.ts';
import type { LeaderGate } from './leader-gate.ts';
import type { LeaderQuestions } from './leader-questions.ts';
import type { ForwardRequest } from './ports.ts';
import { ProposalQueue } from './proposal-queue.ts';
import { lost, type Proposals, type Proposed, unanswered, type Waiter } from './proposals.ts';
import type { RequestIds } from './request-ids.ts';
import type { ReplicaSettings } from './settings.ts';

export type ProposerOptions = {
  readonly clock: Clock;
  readonly settings: ReplicaSettings;
  readonly gate: LeaderGate;
  readonly proposals: Proposals;
  readonly forwarding: Forwarding;
  readonly requestIds: RequestIds;
  /** The core; there is one, for the gate was passed. */
  readonly core: () => Raft;
  readonly questions: LeaderQuestions;
  /** Why the leader does not take an entry now. */
  readonly refusal: (envelope: Uint8Array) => HoldfastError | undefined;
  /** Whether a command may share an entry with others now. */
  readonly isGroupable: (envelope: Uint8Array) => boolean;
  readonly askTurn: () => void;
};

export class Proposer {
  readonly #options: ProposerOptions;
  readonly #queue: ProposalQueue;
  /** When connections with the leader were lost, as far as that is not settled. */
  readonly #lossesMs: number[] = [];

  constructor(options: ProposerOptions) {
    this.#options = options;
    this.#queue = new ProposalQueue(options);
  }

  propose(envelope: Uint8Array, signal?: AbortSignal): Promise<Proposed> {
    const { gate } = this.#options;
    const callAgain = () => gate.callLeader(() => this.#submit(envelope), signal);
    // Nearly always there is a leader, and one try is all it takes.
    if (!gate.isOpen || signal?.aborted) return callAgain();
    return new Promise((resolve, reject) => {
      this.#enqueue(envelope, new FirstTry({ resolve, reject, signal, callAgain }));
    });
  }

  /**
   * The leader's own, never forwarded and never tried again (safety.md 20): rejects with
   * `not-leader`, nothing written, unless this member leads in exactly that term.
   */
  proposeIn(term: Term, envelope: Uint8Array): Promise<Proposed> {
    const core = this.#options.core();
    const leads = core.role === 'leader' && core.term === term;
    return leads ? this.#submit(envelope) : Promise.reject(notLeader());
  }

  /** A follower's proposals: one hop, and only in the term that was meant. */
  takeForwards(from: MemberId, requests: readonly ForwardRequest[]): void {
    const { forwarding, questions } = this.#options;
    const { role, term } = this.#options.core();
    for (const request of requests) {
      if (request.isQuestion) {
        questions.take(from, request);
        continue;
      }
      const waiter = forwarding.waiter(from, request.requestId);
      if (role !== 'leader' || request.term !== term) waiter.reject(notLeader());
      else if (!isEntryEnvelope(request.body)) waiter.reject(malformed());
      else this.#enqueue(request.body, waiter);
    }
    this.#options.askTurn();
  }

  get isWaiting(): boolean {
    return this.#queue.isWaiting;
  }

  /** What was handed in since the last call, for the own core. */
  takeWaiting(): readonly Proposal[] {
    return this.#queue.take();
  }

  /** Ends what waits in vain: forwards without an answer, and writes of a lost leadership. */
  sweep(): void {
    const { clock, settings, gate, proposals, core } = this.#options;
    const nowMs = clock.monotonicMs();
    const beforeMs = nowMs - settings.leaderWaitMs;
    if (core().role !== 'leader') proposals.expirePlaced(beforeMs);
    // What a former leader was asked is answered soon or never.
    this.#expire(Math.min(beforeMs, gate.leaderSinceMs ?? beforeMs), () => lost('unknown'));
    const { forwardTimeoutMs, answerGraceMs } = settings;
    this.#expire(nowMs - forwardTimeoutMs, () =>
      unanswered(`the leader has not answered for ${forwardTimeoutMs / 1000} s`),
    );
    while ((this.#lossesMs[0] ?? nowMs) < nowMs - answerGraceMs) {
      this.#expire(this.#lossesMs.shift() as number, connectionLost);
    }
  }

  /**
   * A connection with `peer` is gone. If that one leads, what was asked of it may be lost with it,
   * or the answer; what comes all the same comes at once.
   */
  peerLost(peer: MemberId): void {
    const { core, clock } = this.#options;
    if (core().leader === peer) this.#lossesMs.push(clock.monotonicMs());
  }

  /** Nobody listens at `peer` any more: if it led, it will not answer what it was asked. */
  peerDied(peer: MemberId): void {
    const { core, forwarding } = this.#options;
    if (core().leader !== peer) return;
    // What has not left yet certainly had no effect.
    forwarding.flushRequests(undefined);
    this.#expire(Number.POSITIVE_INFINITY, () => lost('unknown'));
  }

  #expire(beforeMs: number, why: () => HoldfastError): void {
    this.#options.proposals.expireUnplaced(beforeMs, why);
    this.#options.questions.expire(beforeMs, why);
  }

  #submit(envelope: Uint8Array): Promise<Proposed> {
    return new Promise((resolve, reject) => {
      this.#enqueue(envelope, { resolve, reject });
    });
  }

  #enqueue(envelope: Uint8Array, waiter: Waiter): void {
    const { proposals, clock, askTurn } = this.#options;
    const { role, leader } = this.#options.core();
    const refusal =
      proposals.refusal(envelope.length) ??
      (role === 'leader' ? this.#options.refusal(envelope) : undefined);
    if (refusal) return waiter.reject(refusal);
    if (leader === undefined) return waiter.reject(notLeader());
    const sinceMs = clock.monotonicMs();
    proposals.admit(envelope.length);
    if (role === 'leader') this.#queue.add(envelope, waiter, sinceMs);
    else this.#forward(envelope, waiter, sinceMs);
    askTurn();
  }

  #forward(envelope: Uint8Array, waiter: Waiter, sinceMs: number): void {
    const { proposals, forwarding, requestIds } = this.#options;
    const requestId = requestIds.next();
    proposals.add(requestId, { waiter, count: 1, bytes: envelope.length, sinceMs });
    forwarding.request({ requestId, term: this.#options.core().term, body: envelope });
  }
}

type FirstTryParts = {
  readonly resolve: (proposed: Proposed | Promise<Proposed>) => void;
  readonly reject: (reason: unknown) => void;
  readonly signal: AbortSignal | undefined;
  readonly callAgain: () => Promise<Proposed>;
};

/** A caller who waits for the first try of a proposal: one promise is all that it costs. */
class FirstTry implements Waiter, SignalWaiter {
  readonly #parts: FirstTryParts;
  /** What becomes of the proposal after its caller has given up concerns nobody. */
  #isOver = false;
  readonly #wait: SignalWait | undefined;

  constructor(parts: FirstTryParts) {
    this.#parts = parts;
    if (parts.signal) this.#wait = waitUnder(parts.signal, this);
  }

  resolve(proposed: Proposed): void {
    if (!this.#end()) return;
    this.#parts.resolve(proposed);
  }

  /** By the signal, which ends the wait alone, or by whoever refuses the proposal. */
  reject(reason: unknown): void {
    if (!this.#end()) return;
    const { resolve, reject, callAgain } = this.#parts;
    // That alone says for certain that nothing was written.
    if (isHoldfastError(reason, 'not-leader')) resolve(callAgain());
    else reject(reason);
  }

  #end(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    const { signal } = this.#parts;
    if (signal && this.#wait) leaveSignal(signal, this.#wait);
    return true;
  }
}

/** What the core's refusal means to whoever proposed. */
export function refusalError(reason: RefusalReason): HoldfastError {
  switch (reason) {
    case 'not-leader':
    case 'transferring': // Nothing was written, and the next leader comes in a moment.
      return notLeader();
    case 'uncommitted-full':
      return new HoldfastError(
        'resource-exhausted',
        'the log holds as much uncommitted data as it may: the followers are slower than ' +
          'the writers',
      );
    case 'change-in-flight':
      return new HoldfastError('failed-precondition', 'another membership change is under way');
    case 'bad-change':
      return new HoldfastError('invalid-argument', 'a cluster needs at least one voter');
  }
}

const connectionLost = (): HoldfastError =>
  unanswered('the connection to the leader was lost before it had answered');

const malformed = (): HoldfastError =>
  new HoldfastError(
    'invalid-argument',
    'the forwarded bytes are no log entry: nothing was written',
  );
