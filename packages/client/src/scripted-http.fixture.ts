// A network of endpoints that do as the test says, for tests.
import { type Clock, sleep } from '@holdfast/base/clock';
import type { ErrorCode, Outcome } from '@holdfast/base/errors';

import type { ManualClock } from '@holdfast/base/manual-clock';
import { type HttpAnswer, type HttpPort, type HttpRequest, TransportFailure } from './http-port.ts';

export type Behaviour = (request: HttpRequest) => Promise<HttpAnswer>;

/** Endpoints that do as the test says, and remember what they were sent. */
export class ScriptedHttp implements HttpPort {
  readonly sent: string[] = [];
  readonly #behaviours: Record<string, Behaviour>;

  constructor(behaviours: Readonly<Record<string, Behaviour>>) {
    this.#behaviours = { ...behaviours };
  }

  /** From now on it does so. */
  set(endpoint: string, behaviour: Behaviour): void {
    this.#behaviours[endpoint] = behaviour;
  }

  /** How often exactly this was sent. */
  count(line: string): number {
    return this.sent.filter((one) => one === line).length;
  }

  async request(request: HttpRequest): Promise<HttpAnswer> {
    const isPing = request.path === '/ping' || request.isPing;
    this.sent.push(`${isPing ? 'PING' : request.method} ${request.endpoint}`);
    const behaviour = this.#behaviours[request.endpoint] ?? silent;
    return behaviour(request);
  }

  async close(): Promise<void> {}
}

export const answer = (status: number, text: string): HttpAnswer => ({
  status,
  headers: { 'x-holdfast-revision': '1' },
  body: (async function* () {
    yield new TextEncoder().encode(text);
  })(),
  discard: () => undefined,
});

export const fine: Behaviour = async ({ endpoint }) => answer(200, endpoint);
export const refused: Behaviour = async ({ endpoint }) => {
  const reason = 'ECONNREFUSED';
  throw new TransportFailure(endpoint, 'refused', { outcome: 'not-applied', reason });
};
export const broken: Behaviour = async ({ endpoint }) => {
  throw new TransportFailure(endpoint, 'broke', { outcome: 'unknown', reason: 'X' });
};
export const refusal =
  (code: ErrorCode, outcome: Outcome = 'not-applied'): Behaviour =>
  async () =>
    answer(503, JSON.stringify({ code, outcome, detail: 'no' }));
export const silent: Behaviour = ({ signal }) =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
/** Lives, and does this to writes. */
export const onWrite =
  (behaviour: Behaviour): Behaviour =>
  (request) =>
    request.method === 'GET' ? fine(request) : behaviour(request);
/** Each behaviour once, the last one for ever. */
export const sequence = (...behaviours: readonly Behaviour[]): Behaviour => {
  let at = 0;
  return (request) => (behaviours[Math.min(at++, behaviours.length - 1)] as Behaviour)(request);
};
/** Answers pings at once, and anything else so late. */
export const slow =
  (clock: Clock, delayMs: number): Behaviour =>
  async (request) => {
    if (request.path !== '/ping') await sleep(clock, delayMs, request.signal);
    return fine(request);
  };
/** A stream that stands, says one thing, and then nothing. */
export const stream: Behaviour = async ({ signal }) => ({
  ...answer(200, ''),
  body: (async function* () {
    yield new TextEncoder().encode('id: 4\nevent: started\ndata: {"revision":4}\n\n');
    await new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
  })(),
});
/** A stream that says every so often that it lives; calls and pings are answered. */
export const chattering =
  (clock: Clock, everyMs: number): Behaviour =>
  (request) => {
    if (!request.path.includes('watch')) return fine(request);
    const body = (async function* () {
      for (;;) {
        yield new TextEncoder().encode(': alive\n\n');
        await sleep(clock, everyMs, request.signal);
      }
    })();
    return Promise.resolve({ ...answer(200, ''), body });
  };
/** Streams stand and are silent, pings and calls are answered. */
export const idleStreams: Behaviour = (request) =>
  request.path.includes('watch') ? stream(request) : fine(request);

/** Lets time pass until the promise has ended. */
export async function settled<T>(clock: ManualClock, promise: Promise<T>): Promise<T> {
  let isDone = false;
  const both = promise.finally(() => {
    isDone = true;
  });
  both.catch(() => undefined); // Its reason is told to whoever waits for what is returned.
  for (let turn = 0; turn < 2_000 && !isDone; turn += 1) await clock.advanceAsync(10);
  return both;
}
