// The sending half of a snapshot on its bulk connection: begin, the receiver's word where to go on
// from, chunks from there, end, then the receiver's verdict. At most a window of bytes is on the
// way beyond what the receiver has consumed, so a slow receiver costs neither side memory, and its
// socket is never paused: pings pass.
import { must } from '@holdfast/base/assert';
import type { Timer } from '@holdfast/base/clock';
import { type ErrorCode, HoldfastError } from '@holdfast/base/errors';
import { encode } from '@holdfast/proto/encode';
import { SnapshotBegin, SnapshotEnd, SnapshotProgress, SnapshotResult } from '@holdfast/proto/peer';
import { decodePayload } from './decode-payload.ts';
import { type Frame, frameKinds } from './frame.ts';
import type { FrameLink } from './frame-link.ts';
import type { MemberContext } from './peer-dialer.ts';
import { SilenceWatch } from './silence-watch.ts';
import { ChunkMemories, encodeSnapshotChunk } from './snapshot-chunk.ts';
import type { ChunksFrom } from './snapshot-receiver.ts';
import { transportFailure } from './transport-failure.ts';

export type SnapshotSending = {
  readonly context: Pick<MemberContext, 'clock' | 'settings'>;
  readonly link: FrameLink;
  readonly begin: SnapshotBegin;
  readonly chunksFrom: ChunksFrom;
  readonly signal: AbortSignal;
  /** For the record of the connection: bytes had come at `heardMs`, or so many pings had none. */
  readonly onLife?: (heardMs: number) => void;
  readonly onSilence?: (failures: number) => void;
};

/**
 * A receiver looks what it has of the snapshot, and then says where to begin. Members of the first
 * version never say it: they know another image, and would wait in silence for as long as we do.
 */
const firstWordMs = 60_000;

/**
 * Resolves when the receiver says that the whole snapshot stands there, or that it needs none of
 * it. Rejects with its error, with `unavailable` when the connection breaks, with
 * `version-mismatch` when it never says where to begin, or with the signal's reason. Ends the link
 * in any case.
 */
export async function sendSnapshot(sending: SnapshotSending): Promise<void> {
  const stream = new OutgoingStream(sending);
  try {
    stream.send(frameKinds.snapshotBegin, encode(SnapshotBegin, sending.begin));
    const offset = await stream.asked;
    if (offset !== undefined) await pump(stream, sending.chunksFrom(offset));
    await stream.over;
  } finally {
    stream.close();
    sending.link.destroy();
  }
}

async function pump(stream: OutgoingStream, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const iterator = chunks[Symbol.asyncIterator]();
  try {
    for (;;) {
      // A producer that stalls must not hide that the receiver is gone.
      const step = await Promise.race([iterator.next(), stream.over]);
      if (step === 'accepted') return;
      if (step.done) break;
      await stream.sendChunk(step.value);
    }
    stream.end();
  } finally {
    // Not awaited: a stalled producer answers late or never, and its own failure is told already.
    iterator.return?.().catch(() => undefined);
  }
}

/** The stream's place, and what the receiver says, as promises. */
class OutgoingStream {
  /** Where the receiver wants the bytes from; undefined: it needs none. */
  readonly asked: Promise<number | undefined>;
  /** The receiver's verdict; rejects as soon as anything goes wrong. */
  readonly over: Promise<'accepted'>;
  readonly #sending: SnapshotSending;
  readonly #watch: SilenceWatch;
  readonly #patience: Timer;
  readonly #memories = new ChunkMemories();
  #sent: number | undefined;
  #consumed = 0;
  #isAccepted = false;
  #failure: unknown;
  #wake: () => void = () => undefined;
  #ask: (offset: number | undefined) => void = () => undefined;
  #accept: () => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;
  readonly #onAbort = (): void => this.#fail(this.#sending.signal.reason);

  constructor(sending: SnapshotSending) {
    const { link, signal, context } = sending;
    this.#sending = sending;
    this.over = new Promise((resolve, reject) => {
      this.#accept = () => resolve('accepted');
      this.#reject = reject;
    });
    this.over.catch(() => undefined); // It may fail where nobody waits: the next send throws it.
    this.asked = new Promise((resolve, reject) => {
      this.#ask = resolve;
      this.over.then(() => resolve(undefined), reject);
    });
    this.asked.catch(() => undefined); // As above.
    this.#watch = new SilenceWatch(context.clock, () => context.settings.silence, {
      ping: () => link.ping(),
      onLife: () => sending.onLife?.(this.#watch.heardMs),
      onAnswer: () => sending.onLife?.(this.#watch.heardMs),
      onFailure: (failures) => {
        sending.onSilence?.(failures);
        if (failures >= context.settings.silence.failuresMax) this.#fail(broken('silence'));
      },
    });
    link.trust({
      onHeard: () => this.#watch.heard(),
      onFrame: (frame) => this.#heed(frame),
      onEnd: (end) => this.#fail(broken(end.type === 'failed' ? end.reason : 'the peer hung up')),
    });
    this.#patience = context.clock.schedule(firstWordMs, () => this.#fail(neverAsked()));
    if (signal.aborted) this.#onAbort();
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  async sendChunk(chunk: Uint8Array): Promise<void> {
    for (const data of pieces(chunk, this.#sending.context.settings.snapshotChunkBytes)) {
      const end = this.#at + data.length;
      await this.#room(end);
      const memory = this.#memories.lend(data.length, end, this.#consumed);
      this.send(frameKinds.snapshotChunk, encodeSnapshotChunk(this.#at, data, memory));
      this.#sent = end;
    }
  }

  /** Says that it is complete. */
  end(): void {
    this.send(frameKinds.snapshotEnd, encode(SnapshotEnd, { bytes: this.#at }));
  }

  /** Throws what has gone wrong meanwhile. */
  send(kind: number, payload: Uint8Array): void {
    if (this.#failure === undefined && !this.#sending.link.send(kind, payload)) {
      this.#fail(broken('the send queue is full'));
    }
    if (this.#failure !== undefined) throw this.#failure as Error;
  }

  get #at(): number {
    return must(this.#sent, 'the receiver has said where the stream begins');
  }

  close(): void {
    this.#watch.close();
    this.#patience.cancel();
    this.#sending.signal.removeEventListener('abort', this.#onAbort);
  }

  /** Waits until the stream may reach `end`. */
  async #room(end: number): Promise<void> {
    const { snapshotWindowBytes } = this.#sending.context.settings;
    while (end - this.#consumed > snapshotWindowBytes) {
      if (this.#failure !== undefined || this.#isAccepted) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #heed({ kind, payload }: Frame): void {
    if (kind === frameKinds.snapshotProgress) {
      this.#progress(decodePayload(SnapshotProgress, payload, 'progress'));
    } else if (kind === frameKinds.snapshotResult) {
      this.#finish(decodePayload(SnapshotResult, payload, 'a result'));
    } else throw new HoldfastError('corrupt', `kind ${kind} is no answer to a snapshot`);
  }

  /** The first one says where to go on from. */
  #progress({ received }: SnapshotProgress): void {
    if (received > this.#sending.begin.bytes) {
      throw new HoldfastError('corrupt', `no byte ${received} is in this snapshot`);
    }
    if (received > (this.#sent ?? received)) {
      throw new HoldfastError('corrupt', `byte ${received} is said to be there, and was not sent`);
    }
    this.#consumed = Math.max(this.#consumed, received);
    if (this.#sent === undefined) {
      this.#patience.cancel();
      this.#sent = received;
      this.#ask(received);
    }
    this.#wake();
  }

  #finish({ code, message }: SnapshotResult): void {
    if (code === '') this.#accepted();
    // The receiver's code is one of the same closed list, or a newer member's, shown as it is.
    else this.#fail(new HoldfastError(code as ErrorCode, `the peer did not take it: ${message}`));
  }

  /** Also in the middle: the receiver may have come to need no more. */
  #accepted(): void {
    this.#isAccepted = true;
    this.#accept();
    this.#wake();
  }

  #fail(error: unknown): void {
    this.#failure ??=
      error ?? new HoldfastError('cancelled', 'the snapshot is not wanted any more');
    this.#reject(this.#failure);
    this.#wake();
  }
}

function* pieces(chunk: Uint8Array, bytesMax: number): Generator<Uint8Array> {
  for (let at = 0; at < chunk.length; at += bytesMax) {
    yield chunk.subarray(at, Math.min(chunk.length, at + bytesMax));
  }
}

const broken = (why: string): HoldfastError =>
  transportFailure(`the snapshot connection broke: ${why}`);

const neverAsked = (): HoldfastError =>
  new HoldfastError(
    'version-mismatch',
    'the peer does not say where the snapshot is to begin: it may run an older version, which ' +
      'can not take one from this member; start it with this version',
  );
