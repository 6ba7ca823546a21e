// Hand-made requests: one template, copied with another key each, so that a request costs the
// generator little more than the copy.
import { KeySequence, keyDigits } from './key-sequence.ts';
import { isRead, type LoadKind } from './load-plan.ts';
import type { WirePlan } from './wire.ts';

export class RequestWriter {
  readonly #template: Buffer;
  readonly #digitsAt: number;
  readonly #keys: KeySequence;

  constructor(plan: WirePlan, host: string, firstKey: number) {
    const placeholder = '#'.repeat(keyDigits);
    const body = isRead(plan.kind) ? '' : 'v'.repeat(plan.valueBytes);
    const text = requestText(plan.kind, `bench-${placeholder}`, host, body);
    this.#template = Buffer.from(text, 'latin1');
    this.#digitsAt = text.indexOf(placeholder);
    this.#keys = new KeySequence(plan.keys, firstKey);
  }

  /** `count` requests as one piece of bytes: one system call for all that go out together. */
  take(count: number): Buffer {
    const size = this.#template.length;
    const bytes = Buffer.allocUnsafe(size * count);
    for (let at = 0; at < bytes.length; at += size) {
      this.#template.copy(bytes, at);
      this.#keys.write(bytes, at + this.#digitsAt);
    }
    return bytes;
  }
}

function requestText(kind: LoadKind, key: string, host: string, body: string): string {
  if (!isRead(kind)) {
    return (
      `PUT /v1/kv/${key} HTTP/1.1\r\nHost: ${host}\r\n` +
      `Content-Type: application/octet-stream\r\nContent-Length: ${body.length}\r\n\r\n${body}`
    );
  }
  const level = kind === 'get-stale' ? 'stale' : 'linearizable';
  return `GET /v1/kv/${key}?consistency=${level} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
}
