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
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: Uint8Array | undefined;
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

export type WiresOptions = {
  readonly http: HttpPort;
  /** Undefined: everything goes over HTTP. */
  readonly frames?: FramePort | undefined;
  /** Who asks; in frames the connection says it once. */
  readonly actor?: string | undefined;
};

export class Wires {
  readonly #http: HttpPort;
  readonly #frames: FramePort | undefined;
  readonly #own: Readonly<Record<string, string>>;

  constructor({ http, frames, actor }: WiresOptions) {
    this.#http = http;
    this.#frames = frames;
    this.#own = actor === undefined ? {} : { 'holdfast-actor': actor };
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
        if (answer?.type === 'refused') return ofRefusal(answer.error);
        if (answer) return ofWatch(answer.watch);
      }
    }
    const { method, path, body } = ask;
    const headers = { ...this.#own, ...ask.headers };
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
const noHeaders: Readonly<Record<string, string>> = {};
const nobody = (): void => undefined;

async function* nothing(): AsyncGenerator<Uint8Array> {}

/** Nobody reads a body of it. */
const noStream = nothing();

const ofResponse = (response: Response | 'answered'): WireAnswer => ({
  status: 200,
  headers: noHeaders,
  body: noStream,
  discard: nobody,
  response: response === 'answered' ? undefined : response,
});

const ofWatch = (watch: StandingWatch): WireAnswer => ({
  status: 200,
  headers: noHeaders,
  body: noStream,
  discard: () => watch.close(),
  watch,
});

const ofRefusal = (refusal: HoldfastError): WireAnswer => ({
  status: 200,
  headers: noHeaders,
  body: noStream,
  discard: nobody,
  refusal,
});
