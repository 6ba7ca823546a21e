// Goal: 64-bit fields survive the wire at the edges where 32-bit, signed and floating-point code
// breaks. Method: one round trip an edge, for numbers (counters) and bigints (identities), and raw
// bytes where the generated type cannot hold what the wire can.
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { describe, expect, it } from 'vitest';
import { Command, CommandResult, Compare, type PutRequest } from './generated/holdfast/internal.ts';
import { Entry, Handshake, LogId, SnapshotProgress } from './generated/holdfast/peer.ts';

const counterEdges = [0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1];
const identityEdges = [0n, 1n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];

describe('unsigned counters', () => {
  it.each(counterEdges)('keep %d', (value) => {
    const id = { index: value, term: value };
    expect(LogId.decode(LogId.encode(id).finish())).toEqual(id);
    const progress = { received: value };
    expect(SnapshotProgress.decode(SnapshotProgress.encode(progress).finish())).toEqual(progress);
  });

  it('refuse what a number cannot hold exactly', () => {
    const tooLarge = new BinaryWriter()
      .uint32(8)
      .uint64(2n ** 53n)
      .finish();
    expect(() => LogId.decode(tooLarge)).toThrow(/MAX_SAFE_INTEGER/);
    expect(() => LogId.encode({ index: -1, term: 0 })).toThrow(/too large/);
  });
});

describe('identities', () => {
  it.each(identityEdges)('keep %d', (value) => {
    const handshake: Handshake = {
      protocolVersion: 1,
      clusterId: value,
      from: value,
      to: value,
      storeId: value,
      bootEpoch: 1,
      purpose: 1,
      name: 'n1',
      bootId: value,
      features: 1,
      address: '10.0.0.1:4654',
    };
    expect(Handshake.decode(Handshake.encode(handshake).finish())).toEqual(handshake);
  });
});

describe('signed fields', () => {
  it.each([...counterEdges, -1, -(2 ** 31), -(2 ** 53) + 1])('keep revision %d', (revision) => {
    const result: CommandResult = {
      revision,
      response: { $case: 'failure', value: { code: 'compacted', message: 'gone', revision } },
    };
    expect(CommandResult.decode(CommandResult.encode(result).finish())).toEqual(result);
  });

  it.each([-(2n ** 63n), -1n, 0n, 2n ** 63n - 1n])('keep lease %d', (lease) => {
    const compare: Compare = {
      keyspace: 1,
      key: new Uint8Array([0]),
      rangeEnd: new Uint8Array(),
      result: 3,
      target: { $case: 'lease', value: lease },
    };
    expect(Compare.decode(Compare.encode(compare).finish())).toEqual(compare);
  });
});

describe('commands', () => {
  it('keep empty and binary values apart from absent ones', () => {
    const put: PutRequest = {
      keyspace: 2,
      key: new Uint8Array([0, 0xff]),
      value: new Uint8Array(300).fill(0xfe),
      lease: 0n,
      prevKv: true,
      ignoreValue: false,
      ignoreLease: false,
    };
    const command: Command = { request: { $case: 'put', value: put } };
    expect(Command.decode(Command.encode(command).finish())).toEqual(command);
    expect(Command.decode(new Uint8Array()).request).toBeUndefined();
  });

  it('are not decoded from bytes that end in the middle', () => {
    const entry = { index: 1, term: 1, kind: 1, payload: new Uint8Array(64) };
    const bytes = Entry.encode(entry).finish();
    expect(() => Entry.decode(bytes.subarray(0, bytes.length - 1))).toThrow();
  });
});
