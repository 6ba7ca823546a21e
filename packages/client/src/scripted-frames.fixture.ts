// The endpoints of a scripted network, asked in frames: what a test says of them holds whatever is
// spoken, so that one suite runs over both. A request is known by its line of HTTP, which its
// frame carries as a key.
import { toText, utf8 } from '@holdfast/base/bytes';
import type { HoldfastError } from '@holdfast/base/errors';
import { putRequest, rangeRequest } from '@holdfast/domain/requests';
import type { Response } from '@holdfast/proto/client';
import { afterEach, beforeEach, describe } from 'vitest';

import { type Call, Caller, type Reply } from './caller.ts';
import { errorOf } from './errors.ts';
import type { FrameRequest } from './frame-calls.ts';
import { noOptions } from './frame-connection.ts';
import type { FrameAsk, FramePort, FrameWatchAnswer, FrameWatchAsk } from './frame-port.ts';
import type { FrameWatchItem } from './frame-watches.ts';
import { type HttpAnswer, type HttpMethod, type HttpPort, readAll } from './http-port.ts';
import { LinkedAbort } from './linked-abort.ts';
import { pingPath } from './ping.ts';
import { SseParser } from './sse-parser.ts';

/** Whether callers of the fixtures speak frames now. */
export const wire = { isFramed: false };

/** A suite over HTTP, and again in frames. */
export function overBoth(suite: () => void): void {
  describe.each(['HTTP', 'frames'])('over %s', (spoken) => {
    beforeEach(() => {
      wire.isFramed = spoken === 'frames';
    });
    afterEach(() => {
      wire.isFramed = false;
    });
    suite();
  });
}

export class ScriptedFrames implements FramePort {
  readonly #network: HttpPort;
  readonly #onHeard: (endpoint: string) => void;
  /** What is under way, and where. */
  readonly #open = new Map<LinkedAbort, string>();

  constructor(network: HttpPort, onHeard: (endpoint: string) => void) {
    this.#network = network;
    this.#onHeard = onHeard;
  }

  async ask({ endpoint, request, signal }: FrameAsk): Promise<Response | 'answered'> {
    const isPing = request === 'ping';
    const line = isPing ? { method: 'GET' as const, path: pingPath } : lineOf(request);
    const own = this.#begin(endpoint, signal);
    try {
      const asked = { endpoint, ...line, headers: {}, body: undefined, signal: own.signal };
      const answer = await this.#network.request(asked);
      const body = await readAll(answer);
      return isPing ? 'answered' : responseOf(answer.status, body);
    } finally {
      own.unlink();
      this.#open.delete(own);
    }
  }

  async watch({ endpoint, order, signal }: FrameWatchAsk): Promise<FrameWatchAnswer> {
    const path = toText(order.key);
    const own = this.#begin(endpoint, signal);
    const head = { endpoint, method: 'GET', path, headers: {}, body: undefined } as const;
    const answer = await this.#network.request({ ...head, signal: own.signal });
    if (answer.status >= 400) {
      return { type: 'refused', error: errorOf(answer.status, await readAll(answer)) };
    }
    const items = itemsOf(answer, () => this.#onHeard(endpoint));
    const next = async (): Promise<FrameWatchItem> => {
      const { value, done } = await items.next();
      if (!done) return value;
      throw errorOf(503, utf8(JSON.stringify({ code: 'shutting-down', detail: 'ended' })));
    };
    const watch = { startedAt: 0, next, close: () => answer.discard() };
    return { type: 'standing', watch };
  }

  ping(): undefined {
    return undefined;
  }

  drop(endpoint: string, reason: HoldfastError): void {
    for (const [own, address] of [...this.#open]) if (address === endpoint) own.abort(reason);
  }

  async close(): Promise<void> {}

  #begin(endpoint: string, signal: AbortSignal): LinkedAbort {
    const own = new LinkedAbort(signal);
    this.#open.set(own, endpoint);
    return own;
  }
}

/** A caller whose calls have a form for frames. */
export class CallerInFrames extends Caller {
  override call(call: Call): Promise<Reply> {
    return super.call({ ...call, frame: frameOf(call) });
  }

  override open(call: Call, signal: AbortSignal) {
    const range = { keyspace: 0, key: utf8(call.path), rangeEnd: new Uint8Array() };
    const neutral = { startRevision: 0, prevKv: false, minRevision: 0, maxAgeMs: 0, progressMs: 0 };
    return super.open({ ...call, watch: { ...range, ...neutral } }, signal);
  }
}

function frameOf({ method, path }: Call): FrameRequest {
  const range = { keyspace: 0, key: utf8(path) };
  if (method === 'GET')
    return { ...noOptions, request: { $case: 'range', value: rangeRequest(range) } };
  const value = putRequest(range, utf8(method));
  return { ...noOptions, request: { $case: 'put', value } };
}

function lineOf({ request }: FrameRequest): { method: HttpMethod; path: string } {
  if (request?.$case === 'range') return { method: 'GET', path: toText(request.value.key) };
  if (request?.$case !== 'put') throw new TypeError('a call of the tests');
  return { method: toText(request.value.value) as HttpMethod, path: toText(request.value.key) };
}

function responseOf(status: number, body: Uint8Array): Response {
  const head = { id: 1, revision: 1, term: 1, ageMsPlusOne: 0 };
  const none = { kvs: [], more: false, count: 0 };
  if (status < 400) return { ...head, response: { $case: 'range', value: none } };
  const { code, message, outcome, details } = errorOf(status, body);
  const value = { code, message, outcome, details: JSON.stringify(details) };
  return { ...head, response: { $case: 'failure', value } };
}

/** Of a stream of server-sent events; a frame is an event whose key is its data. */
async function* itemsOf(
  answer: HttpAnswer,
  onHeard: () => void,
): AsyncGenerator<FrameWatchItem, void, void> {
  const parser = new SseParser(1_000_000);
  let datas: string[] = [];
  for await (const part of answer.body) {
    onHeard();
    const said = parser.push(part);
    // A comment is what progress is in frames: it lives.
    if (said.length === 0) yield { type: 'progress', revision: 0 };
    for (const { type, data, id } of said) {
      if (type === 'gap') throw errorOf(410, utf8(data));
      if (type === 'change') datas.push(String(JSON.parse(data)));
      if (id === undefined) continue;
      const revision = Number(id);
      // In frames it stands before the first item: nothing below the next one is owed.
      if (type === 'started') yield { type: 'progress', revision: revision + 1 };
      if (type === 'started') continue;
      const events = datas.map((one) => ({
        ...{ isDelete: false, prevKv: undefined },
        kv: { ...noKv, key: utf8(one) },
      }));
      datas = [];
      if (type === 'progress') yield { type: 'progress', revision };
      else yield { type: 'events', revision, events };
    }
  }
}

const noKv = {
  ...{ key: new Uint8Array(), value: new Uint8Array(), lease: 0n },
  ...{ createRevision: 0, modRevision: 0, version: 0 },
};
