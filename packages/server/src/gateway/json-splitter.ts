// JSON objects out of a body that may never end: one behind another, with or without white space
// between, in pieces as the network cuts them. It looks for where each ends and leaves it to the
// parser whether it is one. No more than one is held, and one that came in one piece is not copied.
import { GrpcStatus, statusCodes } from '../grpc/status.ts';
import { GrowingBytes } from '../http/growing-bytes.ts';

export type JsonSplitterOptions = {
  /** Of one object. */
  readonly bytesMax: number;
  /** Of objects and lists within each other: who reads them goes as deep on the stack. */
  readonly depthMax: number;
};

const [quote, backslash] = [0x22, 0x5c];
const [openBracket, closeBracket, openBrace, closeBrace] = [0x5b, 0x5d, 0x7b, 0x7d];

export class JsonSplitter {
  readonly #options: JsonSplitterOptions;
  #depth = 0;
  #isInText = false;
  #isEscaped = false;
  /** The beginning of an object that is not whole. */
  readonly #held = new GrowingBytes();

  constructor(options: JsonSplitterOptions) {
    this.#options = options;
  }

  /** An object has begun and is not whole. */
  get isWithin(): boolean {
    return this.#depth > 0;
  }

  /** Throws a GrpcStatus, after which nothing more may be pushed. */
  push(part: Uint8Array, onObject: (json: Uint8Array) => void): void {
    let begin = 0;
    for (;;) {
      if (!this.isWithin) begin = firstVisible(part, begin);
      if (begin === part.length) return;
      if (!this.isWithin && part[begin] !== openBrace) throw noObject(part[begin] as number);
      const end = this.#readOn(part, begin);
      const read = part.subarray(begin, end);
      this.#checkRoomFor(read);
      if (this.isWithin) {
        this.#held.push(read);
        return;
      }
      onObject(this.#joined(read));
      begin = end;
    }
  }

  /** Answers where the object ends, or the part, where it goes on. */
  #readOn(part: Uint8Array, begin: number): number {
    let at = begin;
    while (at < part.length) {
      if (this.#isInText) {
        at = this.#readText(part, at);
        continue;
      }
      const byte = part[at];
      at += 1;
      if (byte === quote) this.#isInText = true;
      else if (byte === openBrace || byte === openBracket) this.#deepen();
      else if (byte === closeBrace || byte === closeBracket) {
        this.#depth -= 1;
        if (this.#depth === 0) break;
      }
    }
    return at;
  }

  /** Values are megabytes in base64: a loop of its own, on variables of its own. */
  #readText(part: Uint8Array, begin: number): number {
    let at = begin;
    let isEscaped = this.#isEscaped;
    while (at < part.length && this.#isInText) {
      const byte = part[at];
      at += 1;
      if (isEscaped) isEscaped = false;
      else if (byte === backslash) isEscaped = true;
      else if (byte === quote) this.#isInText = false;
    }
    this.#isEscaped = isEscaped;
    return at;
  }

  #deepen(): void {
    this.#depth += 1;
    if (this.#depth > this.#options.depthMax) {
      throw invalid(`the body is nested deeper than ${this.#options.depthMax}`);
    }
  }

  #checkRoomFor(read: Uint8Array): void {
    const { bytesMax } = this.#options;
    if (this.#held.length + read.length <= bytesMax) return;
    const text = `the message is larger than ${bytesMax} bytes of JSON`;
    throw new GrpcStatus(statusCodes.resourceExhausted, text);
  }

  #joined(read: Uint8Array): Uint8Array {
    if (this.#held.length === 0) return read;
    this.#held.push(read);
    return this.#held.take();
  }
}

/** Where something else than white space stands, or the part's end. */
function firstVisible(part: Uint8Array, begin: number): number {
  let at = begin;
  while (at < part.length && isSpace(part[at] as number)) at += 1;
  return at;
}

const isSpace = (byte: number): boolean =>
  byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

function noObject(byte: number): GrpcStatus {
  const found = byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `byte ${byte}`;
  return invalid(`the body is not JSON: a message begins with {, not ${found}`);
}

const invalid = (message: string): GrpcStatus =>
  new GrpcStatus(statusCodes.invalidArgument, message);
