// Goal: the header of every command in the log keeps each field, and its bytes never move, because
// logs on disk hold them for years. Method: random round trips, and one fixed picture of the bytes.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  actorBytesMax,
  commandsIn,
  decodeEntryEnvelope,
  type EntryEnvelope,
  encodeEntryEnvelope,
  encodeEntryGroup,
  entriesOfGroup,
  entryProposedAtMs,
  hasSession,
  isEntryEnvelope,
  isEntryGroup,
  stampEntryEnvelope,
} from './entry-envelope.ts';

const unsigned64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const envelopes: fc.Arbitrary<EntryEnvelope> = fc.record({
  proposedAtMs: fc.oneof(fc.nat(), fc.constantFrom(2 ** 31, 2 ** 32, 2 ** 53 - 1, 0.5)),
  sessionId: unsigned64,
  sequence: unsigned64,
  pendingSpan: fc.integer({ min: 0, max: 65_535 }),
  traceId: unsigned64,
  authRevision: unsigned64,
  actor: fc.string({ unit: 'grapheme', maxLength: 20 }),
  body: fc.uint8Array({ maxLength: 300 }),
});

const plain: EntryEnvelope = {
  proposedAtMs: 0,
  sessionId: 0n,
  sequence: 0n,
  pendingSpan: 0,
  traceId: 0n,
  authRevision: 0n,
  actor: 'a',
  body: new Uint8Array([7]),
};

describe('entry envelope', () => {
  it('is written for one actor and for another in turn', () => {
    for (const actor of ['alice', 'bob', '', 'alice', 'x'.repeat(300), 'bob']) {
      const envelope = { ...plain, actor };
      const shown = decodeEntryEnvelope(encodeEntryEnvelope(envelope));
      expect(shown).toEqual({ ...envelope, actor: actor.slice(0, actorBytesMax) });
    }
  });

  it('tells a write in a session from one outside', () => {
    fc.assert(
      fc.property(unsigned64, (sessionId) => {
        expect(hasSession(encodeEntryEnvelope({ ...plain, sessionId }))).toBe(sessionId !== 0n);
      }),
    );
  });

  it('tells its own bytes from others, however short', () => {
    const bytes = encodeEntryEnvelope(plain);
    expect(isEntryEnvelope(bytes)).toBe(true);
    for (let length = 0; length < 45; length += 1) {
      expect(isEntryEnvelope(bytes.subarray(0, length))).toBe(false);
    }
    expect(isEntryEnvelope(new Uint8Array(60).fill(9))).toBe(false);
  });

  it('keeps every field', () => {
    fc.assert(
      fc.property(envelopes, (envelope) => {
        expect(decodeEntryEnvelope(encodeEntryEnvelope(envelope))).toEqual(envelope);
      }),
    );
  });

  it('has the bytes of docs/formats.md', () => {
    const bytes = encodeEntryEnvelope({ ...plain, sessionId: 2n, sequence: 3n, traceId: 4n });
    expect(Buffer.from(bytes).toString('hex')).toBe(
      '01010000' + // format, actor length, reserved
        '0000000000000000' + // proposedAtMs
        '0200000000000000' +
        '0300000000000000' +
        '0400000000000000' +
        '0000000000000000' + // auth revision
        '6107',
    );
  });

  it('is read at an offset of a larger buffer', () => {
    const bytes = encodeEntryEnvelope(plain);
    const padded = new Uint8Array(bytes.length + 5);
    padded.set(bytes, 5);
    expect(decodeEntryEnvelope(padded.subarray(5))).toEqual(plain);
  });

  it('is stamped in place', () => {
    const bytes = encodeEntryEnvelope(plain);
    stampEntryEnvelope(bytes, 1_700_000_000_123);
    expect(entryProposedAtMs(bytes)).toBe(1_700_000_000_123);
    expect(decodeEntryEnvelope(bytes)).toEqual({ ...plain, proposedAtMs: 1_700_000_000_123 });
  });

  it('cuts an actor that does not fit', () => {
    const envelope = { ...plain, actor: 'x'.repeat(actorBytesMax + 50) };
    const decoded = decodeEntryEnvelope(encodeEntryEnvelope(envelope));
    expect(decoded.actor).toBe('x'.repeat(actorBytesMax));
    expect(decoded.body).toEqual(plain.body);
  });

  it('refuses a newer format instead of guessing', () => {
    const bytes = encodeEntryEnvelope(plain);
    bytes[0] = 2;
    expect(() => decodeEntryEnvelope(bytes)).toThrow(/format 2 is unknown/);
  });
});

describe('a group of envelopes', () => {
  it('keeps each of them, in their order', () => {
    fc.assert(
      fc.property(fc.array(envelopes, { minLength: 1, maxLength: 9 }), fc.nat(), (all, timeMs) => {
        const group = encodeEntryGroup(all.map(encodeEntryEnvelope));
        stampEntryEnvelope(group, timeMs);
        expect(entriesOfGroup(group).map(decodeEntryEnvelope)).toEqual(all);
        expect([commandsIn(group), entryProposedAtMs(group)]).toEqual([all.length, timeMs]);
        expect([isEntryGroup(group), isEntryEnvelope(group)]).toEqual([true, false]);
      }),
    );
  });

  it('is told from one envelope', () => {
    const one = encodeEntryEnvelope({ ...plain, sessionId: 0xffffn });
    expect([isEntryGroup(one), commandsIn(one), commandsIn(new Uint8Array(0))]).toEqual([
      false,
      1,
      1,
    ]);
  });

  it('has the bytes of docs/formats.md', () => {
    const group = encodeEntryGroup([Uint8Array.of(1, 2), Uint8Array.of(3)]);
    expect(Buffer.from(group).toString('hex')).toBe(
      '02000200' + // format, zero, commands
        '0000000000000000' + // proposedAtMs
        '020000000102' +
        '0100000003',
    );
  });

  it('that is cut, or has more behind it, is none', () => {
    const group = encodeEntryGroup([encodeEntryEnvelope(plain), encodeEntryEnvelope(plain)]);
    for (let length = 0; length < group.length; length += 1) {
      expect(() => entriesOfGroup(group.subarray(0, length))).toThrow(RangeError);
    }
    expect(() => entriesOfGroup(Buffer.concat([group, Uint8Array.of(0)]))).toThrow(RangeError);
    expect(() => entriesOfGroup(encodeEntryGroup([Uint8Array.of(1)]))).toThrow(RangeError);
  });
});
