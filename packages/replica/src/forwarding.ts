// The one hop from a follower to the leader (safety.md 21). Requests of one turn leave together,
// and so do the answers. What may have left is never sent again from here.
import { type ErrorCode, HoldfastError, type Outcome } from '@holdfast/base/errors';
import { index, type MemberId, type RequestId } from '@holdfast/base/ids';
import type { ApplyResult, ForwardRequest, ForwardResponse, PeerTransport } from './ports.ts';
import type { Proposals, Waiter } from './proposals.ts';

/** Turns the state machine's results into bytes for a forwarder, and back. */
export type ResultCodec = {
  encode(result: ApplyResult): Uint8Array;
  decode(bytes: Uint8Array): ApplyResult;
};

/** Questions whose answers have not come (leader-questions.ts). */
export type Unanswered = {
  has(requestId: RequestId): boolean;
  resolve(requestId: RequestId, body: Uint8Array): void;
  refuse(requestId: RequestId, error: HoldfastError): void;
};

/** Whoever waits at the other end of the hop for an answer in bytes. */
export type Answerer = {
  readonly resolve: (body: Uint8Array) => void;
  readonly reject: (error: HoldfastError) => void;
};

export type ForwardingOptions = {
  readonly transport: Pick<PeerTransport, 'forward' | 'forwarded'>;
  readonly proposals: Proposals;
  readonly results: ResultCodec;
  readonly questions: () => Unanswered;
  /** Something waits to be flushed at the end of this turn. */
  readonly onWaiting: () => void;
  /** Whose writes are about to be answered: who reads there should soon find its own. */
  readonly onWritten: (by: MemberId) => void;
};

export class Forwarding {
  readonly #options: ForwardingOptions;
  #requests: ForwardRequest[] = [];
  #responses = new Map<MemberId, ForwardResponse[]>();

  constructor(options: ForwardingOptions) {
    this.#options = options;
  }

  get isWaiting(): boolean {
    return this.#requests.length > 0 || this.#responses.size > 0;
  }

  request(request: ForwardRequest): void {
    this.#requests.push(request);
    this.#options.onWaiting();
  }

  /** Hands this turn's requests to the leader; `leader` undefined = there is none any more. */
  flushRequests(leader: MemberId | undefined): void {
    if (this.#requests.length === 0) return;
    const requests = this.#requests;
    this.#requests = [];
    if (leader !== undefined && this.#options.transport.forward(leader, requests)) return;
    const error = notLeader();
    const { proposals, questions } = this.#options;
    for (const { requestId, isQuestion } of requests) {
      (isQuestion ? questions() : proposals).refuse(requestId, error);
    }
  }

  flushResponses(): void {
    if (this.#responses.size === 0) return;
    const all = this.#responses;
    this.#responses = new Map();
    for (const [to, responses] of all) this.#options.transport.forwarded(to, responses);
  }

  /** Whoever waits at the other end of the hop for a proposal. */
  waiter(from: MemberId, requestId: RequestId): Waiter {
    return {
      resolve: ({ index, result }) => {
        const body = this.#options.results.encode(result);
        if (!this.#responses.has(from)) this.#options.onWritten(from);
        this.#respond(from, { requestId, result: { ok: true, index, body } });
      },
      reject: (error) => this.#refuse(from, requestId, error),
    };
  }

  /** The same for a question, whose answer stands at no index. */
  answerer(from: MemberId, requestId: RequestId): Answerer {
    return {
      resolve: (body) =>
        this.#respond(from, { requestId, result: { ok: true, index: nowhere, body } }),
      reject: (error) => this.#refuse(from, requestId, error),
    };
  }

  /** The leader's answers; those to requests that were given up meanwhile are dropped. */
  take(responses: readonly ForwardResponse[]): void {
    const { proposals, results } = this.#options;
    const questions = this.#options.questions();
    for (const { requestId, result } of responses) {
      const isQuestion = questions.has(requestId);
      if (!isQuestion && !proposals.has(requestId)) continue;
      if (!result.ok) (isQuestion ? questions : proposals).refuse(requestId, errorOf(result));
      else if (isQuestion) questions.resolve(requestId, result.body);
      else {
        proposals.resolve(requestId, { index: result.index, result: results.decode(result.body) });
      }
    }
  }

  #refuse(to: MemberId, requestId: RequestId, error: HoldfastError): void {
    const { code, outcome, message } = error;
    this.#respond(to, { requestId, result: { ok: false, code, outcome, message } });
  }

  #respond(to: MemberId, response: ForwardResponse): void {
    const responses = this.#responses.get(to);
    if (responses) responses.push(response);
    else this.#responses.set(to, [response]);
    this.#options.onWaiting();
  }
}

const nowhere = index(0);

type Refusal = Extract<ForwardResponse['result'], { readonly ok: false }>;

const errorOf = ({ code, outcome, message }: Refusal): HoldfastError =>
  new HoldfastError(code as ErrorCode, message, { outcome: outcome as Outcome });

export const notLeader = (): HoldfastError =>
  new HoldfastError('not-leader', 'the asked member does not lead (any more); nothing was written');
