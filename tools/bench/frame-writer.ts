// Hand-made frames, as request-writer.ts makes requests of HTTP: one template a request, copied
// with another id and key each, so that a request costs the generator little more than the copy.
import { helloOf, noOptions } from '@holdfast/client/frame-connection';
import { putRequest, rangeRequest } from '@holdfast/domain/requests';
import { Hello, ReadLevel, type Request, Requests } from '@holdfast/proto/client';
import {
  clientDialect,
  encodeFrame,
  encodePreface,
  frameHeaderBytes,
  frameKinds,
  writeFrameHeader,
} from '@holdfast/transport/frame';

import { KeySequence, keyDigits } from './key-sequence.ts';
import { isRead } from './load-plan.ts';
import type { WirePlan } from './wire.ts';

/** Ids from here to the next have as many bytes as each other: four, of seven bits each. */
export const [idFirst, idPast] = [1 << 21, 1 << 28];

export class FrameWriter {
  readonly #template: Buffer;
  readonly #idAt: number;
  readonly #digitsAt: number;
  readonly #keys: KeySequence;

  constructor(plan: Omit<WirePlan, 'by'>, firstKey: number) {
    const placeholder = '#'.repeat(keyDigits);
    const request = requestOf(plan, Buffer.from(`bench-${placeholder}`));
    this.#template = Buffer.from(Requests.encode({ requests: [request] }).finish());
    // Tag and length of the request, then the tag of its first field.
    this.#idAt = this.#template.indexOf(Buffer.from([8, 0x80, 0x80, 0x80, 0x01])) + 1;
    this.#digitsAt = this.#template.indexOf(placeholder);
    this.#keys = new KeySequence(plan.keys, firstKey);
  }

  /** What a connection begins with. */
  static greeting(actor: string): Buffer {
    const payload = Hello.encode(helloOf({ actor })).finish();
    const hello = encodeFrame({ kind: frameKinds.clientHello, flags: 0, group: 0, payload });
    return Buffer.concat([encodePreface(clientDialect), hello]);
  }

  /** A frame of `count` requests with ids from `firstId` on, all of four bytes. */
  take(count: number, firstId: number): Buffer {
    const size = this.#template.length;
    const bytes = Buffer.allocUnsafe(frameHeaderBytes + size * count);
    for (let at = frameHeaderBytes, id = firstId; at < bytes.length; at += size, id += 1) {
      this.#template.copy(bytes, at);
      writeId(bytes, at + this.#idAt, id);
      this.#keys.write(bytes, at + this.#digitsAt);
    }
    const payload = bytes.subarray(frameHeaderBytes);
    writeFrameHeader(bytes, 0, { kind: frameKinds.clientRequests, flags: 0, group: 0, payload });
    return bytes;
  }
}

function requestOf({ kind, valueBytes }: Omit<WirePlan, 'by'>, key: Uint8Array): Request {
  const common = { ...noOptions, id: idFirst };
  if (!isRead(kind)) {
    const value = putRequest({ keyspace: 0, key }, new Uint8Array(valueBytes).fill(118));
    return { ...common, request: { $case: 'put', value } };
  }
  const level = kind === 'get-stale' ? ReadLevel.STALE : ReadLevel.LINEARIZABLE;
  const value = rangeRequest({ keyspace: 0, key, rangeEnd: new Uint8Array(0) });
  return { ...common, level, request: { $case: 'range', value } };
}

function writeId(bytes: Buffer, at: number, id: number): void {
  bytes[at] = (id & 0x7f) | 0x80;
  bytes[at + 1] = ((id >> 7) & 0x7f) | 0x80;
  bytes[at + 2] = ((id >> 14) & 0x7f) | 0x80;
  bytes[at + 3] = id >> 21;
}
