// ZooKeeper's protocol, pipelined: a session answers in the order in which it was asked.
import { isRead } from './load-plan.ts';
import type { OnAnswer, Wire, WireOptions } from './wire.ts';
import { answerHeadBytes, connectRequest, lengthBytes, statBytes } from './zookeeper-messages.ts';
import { ZookeeperWriter } from './zookeeper-writer.ts';

/** Statuses that are told beside those of HTTP: an error of ZooKeeper, which are below zero. */
const errorsFrom = 700;
const nodeExists = -110;
const [good, notFound] = [200, 404];

/** Of an answer that is no answer, as the tale of a watch. */
const longestAnswer = 1 << 24;

export class ZookeeperWire implements Wire {
  readonly opening = connectRequest();
  readonly #writer: ZookeeperWriter;
  readonly #onAnswer: OnAnswer;
  readonly #answerBytesMin: number;
  /** An error that means no harm: what is created may be there from an earlier attempt. */
  readonly #harmless: number | undefined;
  #rest: Buffer | undefined;
  #isConnected = false;
  /** Messages that were answered, which are the ids of the answers. */
  #answered = 0;
  /** Of the messages of the request that is being answered. */
  #status = good;

  constructor({ plan, firstKey, onAnswer }: WireOptions) {
    this.#writer = new ZookeeperWriter(plan, firstKey);
    this.#onAnswer = onAnswer;
    this.#harmless = plan.kind === 'create' ? nodeExists : undefined;
    const data = lengthBytes + plan.valueBytes + statBytes;
    this.#answerBytesMin = answerHeadBytes + (isRead(plan.kind) ? data : 0);
  }

  take(count: number): Buffer {
    return this.#writer.take(count);
  }

  push(part: Buffer): void {
    const bytes = this.#rest === undefined ? part : Buffer.concat([this.#rest, part]);
    let at = 0;
    while (bytes.length - at >= lengthBytes) {
      const end = at + lengthBytes + bytes.readInt32BE(at);
      if (end - at > longestAnswer) throw new Error(`an answer of ${end - at} bytes`);
      if (end > bytes.length) break;
      if (this.#isConnected) this.#heed(bytes, at + lengthBytes, end);
      else this.#connected(bytes.readInt32BE(at + 2 * lengthBytes));
      at = end;
    }
    this.#rest = at < bytes.length ? bytes.subarray(at) : undefined;
  }

  #connected(timeoutMs: number): void {
    if (timeoutMs <= 0) throw new Error('ZooKeeper gives no session');
    this.#isConnected = true;
  }

  #heed(bytes: Buffer, lo: number, hi: number): void {
    const xid = bytes.readInt32BE(lo);
    if (xid !== this.#answered) throw new Error(`answer ${xid} where ${this.#answered} was due`);
    this.#answered += 1;
    const error = bytes.readInt32BE(lo + answerHeadBytes - 4);
    if (error !== 0 && error !== this.#harmless) this.#status = errorsFrom - error;
    if (this.#answered % this.#writer.messages !== 0) return;
    if (this.#status === good && hi - lo < this.#answerBytesMin) this.#status = notFound;
    const status = this.#status;
    this.#status = good;
    this.#onAnswer(this.#answered / this.#writer.messages - 1, status);
  }
}
