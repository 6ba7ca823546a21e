// Writes a recording: a ring of segment files. What is to be written waits in a bounded queue and
// goes to the disk in larger pieces, so that nobody else ever waits for it; nothing is synced. Owns
// the files and the queue. A failing disk ends the recording, and nothing else.
import { concatBytes } from '@holdfast/base/bytes';
import type { Clock, Timer } from '@holdfast/base/clock';
import type { Disk, DiskFile } from '@holdfast/storage/disk';
import { encodeFileHead, encodeFrame, segmentName, segmentNumbers } from './recording-frames.ts';

/** An image that is encoded while the member goes on, as replica/ports.ts has it. */
type Image = { chunks(): AsyncIterable<Uint8Array>; release(): void };

/** What a segment begins with. */
export type SegmentStart = {
  readonly head: Uint8Array;
  readonly sizes: readonly number[];
  readonly image: Image;
};

export type RecordingWriterOptions = {
  readonly disk: Disk;
  readonly directory: string;
  readonly segmentsKept: number;
  readonly clock: Pick<Clock, 'schedule'>;
  /** How long a small piece waits for more. */
  readonly flushMs: number;
  /** Bytes that wait for the disk at most. */
  readonly queueBytesMax: number;
  /** The disk failed: nothing more is recorded. */
  readonly onFailure: (error: unknown) => void;
};

const pieceBytes = 256 * 1024;
const sizesAFrame = 16_384;

export class RecordingWriter {
  readonly #options: RecordingWriterOptions;
  /** Encoded frames, and the starts of segments between them. */
  #queue: (Uint8Array | SegmentStart)[] = [];
  #queuedBytes = 0;
  #starts = 0;
  #running: Promise<void> | undefined;
  #file: DiskFile | undefined;
  #offset = 0;
  #hasFailed = false;
  #isClosed = false;
  #timer: Timer | undefined;
  #isDue = false;
  #wake: (() => void) | undefined;

  constructor(options: RecordingWriterOptions) {
    this.#options = options;
  }

  /** Nothing more is written. */
  get hasEnded(): boolean {
    return this.#hasFailed || this.#isClosed;
  }

  /** Whether the newest segment has all that it begins with. */
  get isStarted(): boolean {
    return this.#starts === 0;
  }

  get isDrained(): boolean {
    return this.isStarted && this.#queue.length === 0;
  }

  /** What is added from now on goes to a new segment. */
  begin(start: SegmentStart): void {
    if (this.hasEnded) {
      start.image.release();
      return;
    }
    this.#starts += 1;
    this.#queue.push(start);
    this.#running ??= this.#run();
    this.#wakeUp();
  }

  /** False: too much waits for the disk; this one is not taken, and the segment ends in a gap. */
  add(frame: Uint8Array): boolean {
    if (this.hasEnded) return true;
    const { queueBytesMax } = this.#options;
    const isTaken = this.#queuedBytes + frame.length <= queueBytesMax;
    const reason = `more than ${queueBytesMax} bytes waited for the disk`;
    const taken = isTaken ? frame : encodeFrame({ $case: 'gap', value: { reason } });
    this.#queue.push(taken);
    this.#queuedBytes += taken.length;
    if (this.#queuedBytes >= pieceBytes) this.#wakeUp();
    else this.#armTimer();
    return isTaken;
  }

  /** Writes what waits; idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#wakeUp();
    await this.#running;
  }

  #armTimer(): void {
    const { clock, flushMs } = this.#options;
    this.#timer ??= clock.schedule(flushMs, () => this.#wakeUp());
  }

  #wakeUp(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#isDue = true;
    this.#wake?.();
    this.#wake = undefined;
  }

  async #run(): Promise<void> {
    try {
      while (!this.#hasFailed && !(this.#isClosed && this.#queue.length === 0)) {
        await this.#untilDue();
        do await this.#writeNext();
        while (this.#hasMuch);
        if (this.#queue.length > 0) this.#armTimer();
      }
      await this.#closeFile();
    } catch (error) {
      this.#fail(error); // A recording is worth no member: the rest of it goes on.
    }
  }

  get #hasMuch(): boolean {
    const isLast = this.#isClosed && this.#queue.length > 0;
    return this.#starts > 0 || this.#queuedBytes >= pieceBytes || isLast;
  }

  async #untilDue(): Promise<void> {
    if (!this.#isDue) await new Promise<void>((wake) => (this.#wake = wake));
    this.#isDue = false;
  }

  #fail(error: unknown): void {
    this.#hasFailed = true;
    for (const one of this.#queue) if (!isFrame(one)) one.image.release();
    this.#queue = [];
    this.#wakeUp();
    this.#file?.close().catch(() => undefined); // Told already: the first failure ended it.
    this.#options.onFailure(error);
  }

  async #writeNext(): Promise<void> {
    const [first] = this.#queue;
    if (first === undefined) return;
    if (isFrame(first)) {
      await this.#writeFrames();
      return;
    }
    this.#queue.shift();
    await this.#startSegment(first);
    this.#starts -= 1;
  }

  async #writeFrames(): Promise<void> {
    const frames: Uint8Array[] = [];
    let bytes = 0;
    for (const one of this.#queue) {
      if (!isFrame(one) || bytes >= pieceBytes) break;
      frames.push(one);
      bytes += one.length;
    }
    this.#queue.splice(0, frames.length);
    this.#queuedBytes -= bytes;
    await this.#write(concatBytes(...frames));
  }

  async #startSegment({ head, sizes, image }: SegmentStart): Promise<void> {
    try {
      await this.#openNext();
      await this.#write(concatBytes(encodeFileHead(), head));
      for (let lo = 0; lo < sizes.length; lo += sizesAFrame) {
        const value = { sizes: sizes.slice(lo, lo + sizesAFrame) };
        await this.#write(encodeFrame({ $case: 'logSizes', value }));
      }
      await this.#writeImage(image);
    } finally {
      image.release();
    }
  }

  /** Between its pieces, what happens meanwhile. */
  async #writeImage(image: Image): Promise<void> {
    let bytes = 0;
    for await (const chunk of image.chunks()) {
      bytes += chunk.length;
      await this.#write(encodeFrame({ $case: 'image', value: chunk }));
      if (this.#isSuperseded || this.#isClosed) return;
      if (this.#queuedBytes >= pieceBytes) await this.#writeFrames();
    }
    await this.#write(encodeFrame({ $case: 'imageEnd', value: { bytes } }));
  }

  /** Another segment is to begin: this one is not worth its image any more. */
  get #isSuperseded(): boolean {
    return this.#starts > 1;
  }

  async #write(bytes: Uint8Array): Promise<void> {
    const offset = this.#offset;
    this.#offset += bytes.length;
    await this.#file?.write(offset, bytes);
  }

  async #openNext(): Promise<void> {
    const { disk, directory, segmentsKept } = this.#options;
    await this.#closeFile();
    await disk.makeDirectory(directory);
    const numbers = segmentNumbers(await disk.list(directory));
    const stale = numbers.slice(0, Math.max(0, numbers.length - segmentsKept + 1));
    for (const number of stale) await disk.remove(`${directory}/${segmentName(number)}`);
    const number = (numbers.at(-1) ?? 0) + 1;
    this.#file = await disk.open(`${directory}/${segmentName(number)}`, { create: true });
    this.#offset = 0;
  }

  async #closeFile(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }
}

const isFrame = (one: Uint8Array | SegmentStart): one is Uint8Array => one instanceof Uint8Array;
