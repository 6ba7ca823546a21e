// The receiving half of a snapshot: frames of a bulk connection become an iterable of bytes. The
// consumer says where the bytes begin (what it has kept of an earlier try is not sent again), and
// whether it needs any. The sender may be a window ahead of the consumer and no more, so the memory
// is bounded. A broken connection is an error of the iterable; the consumer's verdict is told to
// the sender.
import { assert } from '@holdfast/base/assert';
import { HoldfastError, isHoldfastError, messageOf } from '@holdfast/base/errors';
import { encode } from '@holdfast/proto/encode';
import {
  SnapshotBegin,
  SnapshotChunk,
  SnapshotEnd,
  SnapshotProgress,
  SnapshotResult,
} from '@holdfast/proto/peer';
import { decodePayload } from './decode-payload.ts';
import { type Frame, frameKinds } from './frame.ts';

/** Asks for a snapshot's bytes from `offset` on; at most once a stream. */
export type ChunksFrom = (offset: number) => AsyncIterable<Uint8Array>;

export type SnapshotReceiverOptions = {
  readonly windowBytes: number;
  readonly send: (kind: number, payload: Uint8Array) => void;
  /** Resolves when the snapshot is verified and durable, or not needed; rejects with why not. */
  readonly accept: (begin: SnapshotBegin, chunksFrom: ChunksFrom) => Promise<void>;
};

/**
 * `begun`: the consumer has not asked for bytes yet. `answered`: it has given its verdict; what
 * still comes of the stream is ignored.
 */
type State = 'waiting' | 'begun' | 'streaming' | 'complete' | 'answered' | 'over';

export class SnapshotReceiver {
  readonly #options: SnapshotReceiverOptions;
  #state: State = 'waiting';
  #queue: Uint8Array[] = [];
  #bytes = 0;
  #received = 0;
  #consumed = 0;
  #told = 0;
  #failure: HoldfastError | undefined;
  #wake: (() => void) | undefined;

  constructor(options: SnapshotReceiverOptions) {
    this.#options = options;
  }

  /** Throws `corrupt` on what is out of order. */
  onFrame({ kind, payload }: Frame): void {
    if (this.#state === 'answered') return;
    if (kind === frameKinds.snapshotBegin && this.#state === 'waiting') this.#begin(payload);
    else if (kind === frameKinds.snapshotChunk && this.#state === 'streaming') this.#take(payload);
    else if (kind === frameKinds.snapshotEnd && this.#state === 'streaming') this.#end(payload);
    else throw new HoldfastError('corrupt', `kind ${kind} while a snapshot is ${this.#state}`);
  }

  /** The connection is over: whoever reads the bytes hears it. */
  onLost(reason: string): void {
    if (this.#state === 'begun' || this.#state === 'streaming') {
      this.#failure = new HoldfastError('unavailable', `the snapshot broke off: ${reason}`);
    }
    this.#state = 'over';
    this.#wake?.();
  }

  #begin(payload: Uint8Array): void {
    const begin = decodePayload(SnapshotBegin, payload, "a snapshot's begin");
    this.#state = 'begun';
    this.#bytes = begin.bytes;
    const chunksFrom: ChunksFrom = (offset) => this.#chunksFrom(offset);
    this.#options.accept(begin, chunksFrom).then(
      () => this.#answer({ code: '', message: '' }),
      (error: unknown) => {
        const code = isHoldfastError(error) ? error.code : 'internal';
        this.#answer({ code, message: messageOf(error) });
      },
    );
  }

  #chunksFrom(offset: number): AsyncIterable<Uint8Array> {
    assert(this.#state === 'begun' || this.#state === 'over', 'bytes are asked for once');
    assert(offset <= this.#bytes, 'a stream begins within the snapshot');
    if (this.#state === 'begun') {
      this.#state = 'streaming';
      this.#received = offset;
      this.#consumed = offset;
      this.#tell();
    }
    return this.#chunks();
  }

  #take(payload: Uint8Array): void {
    const { offset, data } = decodePayload(SnapshotChunk, payload, 'a snapshot chunk');
    if (offset !== this.#received) {
      throw new HoldfastError('corrupt', `a snapshot chunk at ${offset}, not ${this.#received}`);
    }
    this.#received += data.length;
    if (this.#received > this.#bytes) {
      throw new HoldfastError('corrupt', `a snapshot of ${this.#bytes} bytes goes on beyond them`);
    }
    if (this.#received - this.#told > this.#options.windowBytes) {
      throw new HoldfastError('resource-exhausted', 'a snapshot runs ahead of its window');
    }
    this.#queue.push(data);
    this.#wake?.();
  }

  #end(payload: Uint8Array): void {
    const { bytes } = decodePayload(SnapshotEnd, payload, "a snapshot's end");
    if (bytes !== this.#received || bytes !== this.#bytes) {
      const text = `a snapshot of ${this.#bytes} bytes ends as ${bytes} after ${this.#received}`;
      throw new HoldfastError('corrupt', text);
    }
    this.#state = 'complete';
    this.#wake?.();
  }

  async *#chunks(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const data = this.#queue.shift();
      if (data !== undefined) {
        yield data;
        this.#consume(data.length);
      } else if (this.#failure) throw this.#failure;
      else if (this.#state === 'streaming') await this.#more();
      else return;
    }
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Told in quarters of the window: a sender is never stuck, and seldom told. */
  #consume(bytes: number): void {
    this.#consumed += bytes;
    if (this.#consumed - this.#told >= this.#options.windowBytes / 4) this.#tell();
  }

  #tell(): void {
    this.#told = this.#consumed;
    const progress = encode(SnapshotProgress, { received: this.#consumed });
    this.#options.send(frameKinds.snapshotProgress, progress);
  }

  #answer(result: SnapshotResult): void {
    if (this.#state === 'over') return;
    this.#state = 'answered';
    this.#queue = [];
    this.#options.send(frameKinds.snapshotResult, encode(SnapshotResult, result));
  }
}
