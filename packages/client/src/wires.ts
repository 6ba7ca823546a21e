// What is spoken with an endpoint: frames, where the call has a form for them and the member knows
// it, else HTTP. It decides nothing else, and sends nothing twice: that a member knows no frames,
// or not these, is found out before the request has left.
import type { HoldfastError } from '@holdfast/base/errors';
import type { Response } from '@holdfast/proto/client';

import { errorOf, errorOfFailure } from './errors.ts';
import type { FrameRequest } from './frame-calls.ts';
import type { FramePort, StandingWatch } from './frame-port.ts';
import type { FrameWatchOrder } from './frame-watches.ts';
import { type HttpAnswer, type HttpMethod, type HttpPort, readAll } from './http-port.ts';

/** A request in all its forms. */
export type Ask = {
  readonly method: HttpMethod;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Undefined: it goes over HTTP alone. */
  readonly frame?: FrameRequest | 'ping' | undefined;
  /** What an answer in frames says against it that is no failure in itself. */
  readonly refusedBy?: ((response: Response) => HoldfastError | undefined) | undefined;
  /** Instead of it: a watch, whose HTTP form is a stream. */
  readonly watch?: FrameWatchOrder | undefined;
};

/** Of frames, `response` or `watch` say everything, and there is no body. */
export type WireAnswer = HttpAnswer & {
  readonly response?: Response | undefined;
  readonly watch?: StandingWatch | undefined;
  readonly refusal?: HoldfastError | undefined;
};

export class Wires {
  readonly #http: HttpPort;
  readonly #frames: FramePort | undefined;

  /** Without frames everything goes over HTTP. */
  constructor(http: HttpPort, frames?: FramePort) {
    this.#http = http;
    this.#frames = frames;
  }

  /** As the ports reject. */
  async ask(endpoint: string, ask: Ask, signal: AbortSignal): Promise<WireAnswer> {
    if (this.#frames) {
      const { frame, watch } = ask;
      if (frame) {
        const response = await this.#frames.ask({ endpoint, request: frame, signal });
        if (response) return ofResponse(response);
      } else if (watch) {
        const answer = await this.#frames.watch({ endpoint, order: watch, signal });
        if (answer?.type === 'refused') return { ...empty, refusal: answer.error };
        if (answer) return ofWatch(answer.watch);
      }
    }
    const { method, path, headers = {}, body } = ask;
    return this.#http.request({ endpoint, method, path, headers, body, signal });
  }
}

/** What the member answers instead of what was asked for; undefined: nothing of the kind. */
export async function refusalOf(
  answer: WireAnswer,
  { refusedBy }: Ask,
): Promise<HoldfastError | undefined> {
  const { response, status } = answer;
  if (response) {
    const { response: said } = response;
    return said?.$case === 'failure' ? errorOfFailure(said.value) : refusedBy?.(response);
  }
  if (answer.refusal) return answer.refusal;
  return status < 400 ? undefined : errorOf(status, await readAll(answer));
}

export async function bodyOf(answer: WireAnswer): Promise<Uint8Array> {
  return answer.response ? noBody : readAll(answer);
}

const noBody = new Uint8Array(0);

const empty: WireAnswer = {
  status: 200,
  headers: {},
  body: (async function* () {})(),
  discard: () => undefined,
};

const ofResponse = (response: Response | 'answered'): WireAnswer =>
  response === 'answered' ? { ...empty } : { ...empty, response };

const ofWatch = (watch: StandingWatch): WireAnswer => ({
  ...empty,
  watch,
  discard: () => watch.close(),
});
