// Goal: the generator for ZooKeeper asks what a client would, and counts only what went well, each
// request once. Method: its bytes by the protocol's layout, and answers by hand in pieces.
import { describe, expect, it } from 'vitest';

import type { LoadKind } from './load-plan.ts';
import { ZookeeperWire } from './zookeeper-wire.ts';

const opened = message(Buffer.from([0, 0, 0, 0, 0, 0, 0x75, 0x30, ...Array(25).fill(0)]));

function message(body: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length);
  return Buffer.concat([length, body]);
}

function answer(xid: number, error: number, body: Uint8Array = new Uint8Array(0)): Buffer {
  const head = Buffer.alloc(16);
  head.writeInt32BE(xid);
  head.writeInt32BE(error, 12);
  return message(Buffer.concat([head, body]));
}

/** Of a node whose data has so many bytes. */
const nodeBody = (bytes: number): Buffer =>
  Buffer.concat([message(Buffer.alloc(bytes)), Buffer.alloc(68)]);

function wireOf(kind: LoadKind) {
  const answers: string[] = [];
  const wire = new ZookeeperWire({
    plan: { kind, by: 'zookeeper', keys: 1000, valueBytes: 256 },
    ...{ endpoint: 'h:1', firstKey: 998, ringSize: 1 },
    reply: () => undefined,
    onAnswer: (number, status) => answers.push(`${number}: ${status}`),
  });
  return { wire, answers };
}

/** Operation, id and path of each message. */
function asked(bytes: Buffer): readonly string[] {
  const found: string[] = [];
  for (let at = 0; at < bytes.length; at += 4 + bytes.readInt32BE(at)) {
    const path = bytes.toString('latin1', at + 16, at + 16 + bytes.readInt32BE(at + 12));
    found.push(`${bytes.readInt32BE(at + 8)} #${bytes.readInt32BE(at + 4)} ${path}`);
  }
  return found;
}

describe('requests to ZooKeeper', () => {
  it('have ids and keys in turn; a linearizable read is a sync and a read of one key', () => {
    const { wire } = wireOf('put');
    expect(asked(wire.take(2))).toEqual(['5 #0 /bench-00000998', '5 #1 /bench-00000999']);
    expect(asked(wire.take(1))).toEqual(['5 #2 /bench-00000000']);
    expect(asked(wireOf('create').wire.take(1))).toEqual(['1 #0 /bench-00000998']);
    expect(asked(wireOf('get-stale').wire.take(1))).toEqual(['4 #0 /bench-00000998']);
    expect(asked(wireOf('get-linearizable').wire.take(2))).toEqual([
      '9 #0 /bench-00000998',
      '4 #1 /bench-00000998',
      '9 #2 /bench-00000999',
      '4 #3 /bench-00000999',
    ]);
  });

  it('carry a value of the length that is asked for, and any version', () => {
    const body = wireOf('put')
      .wire.take(1)
      .subarray(16 + '/bench-00000998'.length);
    expect(body.readInt32BE(0)).toBe(256);
    expect(body.subarray(4, 260).every((byte) => byte === 118)).toBe(true);
    expect(body.readInt32BE(260)).toBe(-1);
    expect(body.length).toBe(264);
  });
});

describe('answers of ZooKeeper', () => {
  it('are counted once each, however they are cut', () => {
    const stream = Buffer.concat([opened, answer(0, 0), answer(1, -101), answer(2, 0)]);
    for (let cut = 0; cut <= stream.length; cut += 1) {
      const { wire, answers } = wireOf('put');
      wire.push(stream.subarray(0, cut));
      wire.push(stream.subarray(cut));
      expect(answers).toEqual(['0: 200', '1: 801', '2: 200']);
    }
  });

  it('to a read are good with a value alone, and a sync that failed is not forgotten', () => {
    const stale = wireOf('get-stale');
    const parts = [opened, answer(0, 0, nodeBody(256)), answer(1, 0, nodeBody(255))];
    stale.wire.push(Buffer.concat(parts));
    expect(stale.answers).toEqual(['0: 200', '1: 404']);
    const { wire, answers } = wireOf('get-linearizable');
    wire.push(Buffer.concat([opened, answer(0, 0), answer(1, 0, nodeBody(256))]));
    wire.push(Buffer.concat([answer(2, -4), answer(3, 0, nodeBody(256))]));
    expect(answers).toEqual(['0: 200', '1: 704']);
  });

  it('are good where a node that is created is there already', () => {
    for (const [kind, status] of [
      ['create', 200],
      ['put', 810],
    ] as const) {
      const { wire, answers } = wireOf(kind);
      wire.push(Buffer.concat([opened, answer(0, -110)]));
      expect(answers).toEqual([`0: ${status}`]);
    }
  });

  it('that nobody asked for, and sessions that are refused, end the connection', () => {
    const { wire } = wireOf('put');
    wire.push(opened);
    expect(() => wire.push(answer(7, 0))).toThrow('answer 7 where 0 was due');
    expect(() => wireOf('put').wire.push(message(Buffer.alloc(37)))).toThrow('no session');
    expect(() => wire.push(Buffer.from([0x7f, 0, 0, 0]))).toThrow('bytes');
  });
});
