// The requests of one connection that speaks frames: numbered, sent together where they come
// together, kept in line where the member or the network has no room for more, and answered in
// whatever order it likes. Nothing is sent twice.
import { HoldfastError } from '@holdfast/base/errors';
import { Fifo } from '@holdfast/base/fifo';
import { type Request, Requests, type Response } from '@holdfast/proto/client';
import { encode } from '@holdfast/proto/encode';
import type { Compare, RequestOp } from '@holdfast/proto/internal';
import { payloadBytesMax } from '@holdfast/transport/frame';

/** Everything but its number, which the connection gives. */
export type FrameRequest = Omit<Request, 'id'>;

/** Requests in one frame, and their bytes before another one is begun. */
const batchMax = 512;
const batchBytesAim = 1024 * 1024;
/** While so much waits to leave, requests stay in line, where they can still be taken back. */
const waitingBytesMax = 1024 * 1024;
/** What a request takes beside its keys and values, at the most. */
const requestBytes = 128;

export type FrameCallsOptions = {
  /** Bytes that wait in the link. */
  readonly pendingBytes: () => number;
  /** False: it certainly did not leave. */
  readonly send: (payload: Uint8Array) => boolean;
  /** Something is under way, or nothing any more. */
  readonly onBusy: () => void;
};

/** One that waits in line, or for its answer. */
class Waiting {
  readonly request: Request;
  readonly bytes: number;
  readonly resolve: (response: Response) => void;
  readonly reject: (reason: unknown) => void;
  /** Nobody waits for its answer any more. */
  isGivenUp = false;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: (() => void) | undefined;

  constructor(
    request: Request,
    ends: Pick<Waiting, 'bytes' | 'resolve' | 'reject'>,
    signal: AbortSignal | undefined,
  ) {
    this.request = request;
    this.bytes = ends.bytes;
    this.resolve = ends.resolve;
    this.reject = ends.reject;
    if (!signal) return;
    this.#signal = signal;
    this.#onAbort = (): void => {
      this.isGivenUp = true;
      this.reject(signal.reason);
    };
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  unlisten(): void {
    if (this.#onAbort) this.#signal?.removeEventListener('abort', this.#onAbort);
  }

  fail(reason: unknown): void {
    this.unlisten();
    this.reject(reason);
  }
}

export class FrameCalls {
  readonly #options: FrameCallsOptions;
  readonly #sent = new Map<number, Waiting>();
  readonly #line = new Fifo<Waiting>();
  #isFlushing = false;
  #inFlightMax = 0;
  #frameBytesMax = payloadBytesMax;
  #number = 0;

  constructor(options: FrameCallsOptions) {
    this.#options = options;
  }

  /** As the member says; until then nothing is sent. */
  set inFlightMax(count: number) {
    this.#inFlightMax = count;
  }

  /** Of a frame, as the member says. */
  set frameBytesMax(bytes: number) {
    this.#frameBytesMax = bytes;
  }

  /** Requests that have no answer yet, in line or sent; the member may work on one given up. */
  get underWay(): number {
    return this.#sent.size + this.#line.length;
  }

  /**
   * Undefined: the member takes no frame that is so long. Rejects with the signal's reason, or as
   * the connection fails.
   */
  ask(request: FrameRequest, signal?: AbortSignal): Promise<Response> | undefined {
    if (signal?.aborted) return Promise.reject(signal.reason as Error);
    const bytes = sizeOf(request.request);
    if (bytes > this.#frameBytesMax) return undefined;
    this.#number += 1;
    const one = numbered(this.#number, request);
    return new Promise((resolve, reject) => {
      this.#line.push(new Waiting(one, { bytes, resolve, reject }, signal));
      if (this.underWay === 1) this.#options.onBusy();
      this.#flushSoon();
    });
  }

  settle(response: Response): void {
    const waiting = this.#sent.get(response.id);
    if (!waiting) return;
    this.#sent.delete(response.id);
    waiting.unlisten();
    waiting.resolve(response);
    this.#settled();
  }

  /** There is room again. */
  drained(): void {
    this.#flush();
  }

  /** It is over. Those in line were certainly not sent. */
  fail(sent: HoldfastError, inLine: HoldfastError): void {
    const all = [...this.#sent.values()];
    const line = this.#line.takeAll();
    this.#sent.clear();
    for (const waiting of all) waiting.fail(sent);
    for (const waiting of line) waiting.fail(inLine);
    this.#options.onBusy();
  }

  /** After all that come in the same turn. */
  #flushSoon(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    queueMicrotask(() => {
      this.#isFlushing = false;
      this.#flush();
      this.#settled();
    });
  }

  #flush(): void {
    while (this.#line.length > 0 && this.#options.pendingBytes() < waitingBytesMax) {
      const batch = this.#takeBatch();
      if (batch.length === 0) return;
      const payload = encodeAll(batch) ?? this.#encodeGood(batch);
      if (payload && !this.#options.send(payload)) this.#refuse(batch, noRoom());
    }
  }

  /** What can not be written down is refused, so that it keeps nothing from those beside it. */
  #encodeGood(batch: readonly Request[]): Uint8Array | undefined {
    const bad = batch.filter((one) => encodeAll([one]) === undefined);
    this.#refuse(bad, malformed());
    const good = batch.filter((one) => !bad.includes(one));
    return good.length === 0 ? undefined : encodeAll(good);
  }

  /** The next ones in line, as many as fit into a frame and may be under way. */
  #takeBatch(): Request[] {
    const batch: Request[] = [];
    const bytesAim = Math.min(batchBytesAim, this.#frameBytesMax);
    let bytes = 0;
    while (this.#sent.size < this.#inFlightMax && batch.length < batchMax) {
      const waiting = this.#line.first;
      if (!waiting || (bytes > 0 && bytes + waiting.bytes > bytesAim)) break;
      this.#line.shift();
      if (waiting.isGivenUp) continue;
      bytes += waiting.bytes;
      batch.push(waiting.request);
      this.#sent.set(waiting.request.id, waiting);
    }
    return batch;
  }

  #refuse(batch: readonly Request[], reason: HoldfastError): void {
    for (const { id } of batch) {
      this.#sent.get(id)?.fail(reason);
      this.#sent.delete(id);
    }
  }

  #settled(): void {
    if (this.#line.length > 0) this.#flush();
    if (this.underWay === 0) this.#options.onBusy();
  }
}

function encodeAll(requests: Request[]): Uint8Array | undefined {
  try {
    return encode(Requests, { requests });
  } catch {
    return undefined; // A number that is none; each is looked at alone then.
  }
}

const numbered = (id: number, request: FrameRequest): Request => ({
  id,
  timeoutMs: request.timeoutMs,
  session: request.session,
  level: request.level,
  maxAgeMs: request.maxAgeMs,
  minRevision: request.minRevision,
  request: request.request,
});

/** Of what stands in it in bytes, and a bit. */
function sizeOf(request: Request['request'] | RequestOp['request']): number {
  switch (request?.$case) {
    case 'put':
      return requestBytes + request.value.key.length + request.value.value.length;
    case 'range':
    case 'deleteRange':
      return requestBytes + request.value.key.length + request.value.rangeEnd.length;
    case 'txn': {
      const { compare, success, failure } = request.value;
      const compared = compare.reduce((sum, one) => sum + compareBytes(one), requestBytes);
      const operations = [...success, ...failure];
      return operations.reduce((sum, one) => sum + sizeOf(one.request), compared);
    }
    case 'list':
      return requestBytes + (request.value.range?.key.length ?? 0) * 2;
    default:
      return requestBytes;
  }
}

const compareBytes = ({ key, rangeEnd, target }: Compare): number =>
  requestBytes +
  key.length +
  rangeEnd.length +
  (target?.$case === 'value' ? target.value.length : 0);

const malformed = (): HoldfastError =>
  new HoldfastError('invalid-argument', 'a number in the request is not whole, or too large');

/** The link had none, though it said that it had. */
const noRoom = (): HoldfastError =>
  new HoldfastError('resource-exhausted', 'too much waits to leave on this connection');
