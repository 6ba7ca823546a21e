// Server-sent events (WHATWG HTML 9.2.6) out of a stream of bytes. It owns the unfinished line and
// the unfinished event, both bounded; it knows nothing of what an event means. Other than in a
// browser, an event without an id of its own has none: ours mark the end of a transaction.
import { HoldfastError } from '@holdfast/base/errors';

export type ServerSentEvent = {
  readonly type: string;
  readonly data: string;
  readonly id: string | undefined;
};

const newline = 0x0a;

export class SseParser {
  readonly #bytesMax: number;
  readonly #decoder = new TextDecoder();
  #rest = new Uint8Array(0);
  #type = '';
  #data: string[] = [];
  #dataBytes = 0;
  #id: string | undefined;

  /** `bytesMax` bounds one event: a server that never ends its line must not fill the memory. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** The events that `part` completes. */
  push(part: Uint8Array): ServerSentEvent[] {
    const events: ServerSentEvent[] = [];
    const bytes = this.#rest.length === 0 ? part : Buffer.concat([this.#rest, part]);
    let from = 0;
    for (let end = bytes.indexOf(newline, from); end >= 0; end = bytes.indexOf(newline, from)) {
      const event = this.#line(this.#decoder.decode(bytes.subarray(from, end)));
      if (event !== undefined) events.push(event);
      from = end + 1;
    }
    this.#rest = bytes.slice(from);
    this.#checkSize(this.#rest.length);
    return events;
  }

  #line(raw: string): ServerSentEvent | undefined {
    const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    if (line === '') return this.#finish();
    const colon = line.indexOf(':');
    if (colon === 0) return undefined; // A comment: the server says that it lives.
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.#type = value;
    else if (field === 'id') this.#id = value;
    else if (field === 'data') this.#addData(value);
    return undefined;
  }

  #addData(value: string): void {
    this.#data.push(value);
    this.#dataBytes += value.length;
    this.#checkSize(this.#dataBytes);
  }

  #finish(): ServerSentEvent | undefined {
    const hasEvent = this.#data.length > 0 || this.#type !== '';
    const event = { type: this.#type || 'message', data: this.#data.join('\n'), id: this.#id };
    this.#type = '';
    this.#id = undefined;
    this.#data = [];
    this.#dataBytes = 0;
    return hasEvent ? event : undefined;
  }

  #checkSize(bytes: number): void {
    if (bytes <= this.#bytesMax) return;
    throw new HoldfastError('internal', `an event is larger than ${this.#bytesMax} bytes`);
  }
}
