// The one hop from a follower to the leader (safety.md 21). Requests of one turn leave together,
// and so do the answers. What may have left is never sent again from here.
import { type ErrorCode, HoldfastError, type Outcome } from '@holdfast/base/errors';
import type { MemberId, RequestId } from '@holdfast/base/ids';
import type { ApplyResult, ForwardRequest, ForwardResponse, PeerTransport } from './ports.ts';
import type { Proposals, Waiter } from './proposals.ts';

/** Turns the state machine's results into bytes for a forwarder, and back. */
export type ResultCodec = {
  encode(result: ApplyResult): Uint8Array;
  decode(bytes: Uint8Array): ApplyResult;
};

export type ForwardingOptions = {
  readonly transport: Pick<PeerTransport, 'forward' | 'forwarded'>;
  readonly proposals: Proposals;
  readonly results: ResultCodec;
  /** Something waits to be flushed at the end of this turn. */
  readonly onWaiting: () => void;
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
    for (const request of requests) this.#options.proposals.refuse(request.requestId, error);
  }

  flushResponses(): void {
    if (this.#responses.size === 0) return;
    const all = this.#responses;
    this.#responses = new Map();
    for (const [to, responses] of all) this.#options.transport.forwarded(to, responses);
  }

  /** Whoever waits at the other end of the hop. */
  waiter(from: MemberId, requestId: RequestId): Waiter {
    return {
      resolve: ({ index, result }) => {
        const body = this.#options.results.encode(result);
        this.#respond(from, { requestId, result: { ok: true, index, body } });
      },
      reject: ({ code, outcome, message }) =>
        this.#respond(from, { requestId, result: { ok: false, code, outcome, message } }),
    };
  }

  /** The leader's answers; those to requests that were given up meanwhile are dropped. */
  take(responses: readonly ForwardResponse[]): void {
    const { proposals, results } = this.#options;
    for (const { requestId, result } of responses) {
      if (!proposals.has(requestId)) continue;
      if (result.ok) {
        proposals.resolve(requestId, { index: result.index, result: results.decode(result.body) });
      } else {
        const outcome = result.outcome as Outcome;
        const error = new HoldfastError(result.code as ErrorCode, result.message, { outcome });
        proposals.refuse(requestId, error);
      }
    }
  }

  #respond(to: MemberId, response: ForwardResponse): void {
    const responses = this.#responses.get(to);
    if (responses) responses.push(response);
    else this.#responses.set(to, [response]);
    this.#options.onWaiting();
  }
}

export const notLeader = (): HoldfastError =>
  new HoldfastError('not-leader', 'the asked member does not lead (any more); nothing was written');
