// HTTP/1.1, pipelined: answers come in the order of their requests.
import { RequestWriter } from './request-writer.ts';
import { ResponseParser } from './response-parser.ts';
import type { Wire, WireOptions } from './wire.ts';

export class HttpWire implements Wire {
  readonly opening = Buffer.alloc(0);
  readonly #writer: RequestWriter;
  readonly #parser: ResponseParser;
  #answered = 0;

  constructor({ plan, endpoint, firstKey, onAnswer }: WireOptions) {
    this.#writer = new RequestWriter(plan, endpoint, firstKey);
    this.#parser = new ResponseParser((status) => {
      onAnswer(this.#answered, status);
      this.#answered += 1;
    });
  }

  take(count: number): Buffer {
    return this.#writer.take(count);
  }

  push(part: Buffer): void {
    this.#parser.push(part);
  }
}
