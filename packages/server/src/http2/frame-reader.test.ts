// Goal: frames are read as they were sent, however reads cut them, and nothing more is kept than
// what is not whole. Method: streams of frames, cut at random.
import { isDeepStrictEqual } from 'node:util';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { describe, expect, it } from 'vitest';

import { frameFlags, frameOf, frameTypes } from './frame.ts';
import { FrameReader } from './frame-reader.ts';

const frameAt = (random: SeededRandom, at: number): Uint8Array => {
  const length = random.integer(0, 4) === 0 ? random.integer(0, 16_385) : random.integer(0, 40);
  const head = { type: 0x10 + random.integer(0, 3), flags: 0, stream: at };
  return frameOf(head, Buffer.alloc(length, at));
};

function shown(reader: FrameReader): unknown {
  const { type, flags, stream, bytes, lo, hi, wholeBytes } = reader;
  return { type, flags, stream, wholeBytes, payload: Buffer.from(bytes.subarray(lo, hi)) };
}

function read(parts: readonly Buffer[]): unknown[] {
  const reader = new FrameReader();
  const frames: unknown[] = [];
  for (const part of parts) {
    reader.push(part);
    while (reader.next()) frames.push(shown(reader));
  }
  return frames;
}

function cut(random: SeededRandom, bytes: Buffer, partMax: number): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const to = at + random.integer(1, partMax);
    parts.push(bytes.subarray(at, to));
    at = to;
  }
  return parts;
}

describe('frames', () => {
  it.each(Array.from({ length: 20 }, (_, seed) => seed))(
    'are the same however they are cut (seed %i)',
    (seed) => {
      const random = new SeededRandom(seed);
      const bytes = Buffer.concat(Array.from({ length: 60 }, (_, at) => frameAt(random, at)));
      const whole = read([bytes]);
      expect(whole).toHaveLength(60);
      for (const partMax of [2, 12, 100, 5000, 40_000]) {
        const same = isDeepStrictEqual(read(cut(random, bytes, partMax)), whole);
        expect(same).toBe(true);
      }
    },
  );

  it('are read where they lie', () => {
    const reader = new FrameReader();
    const bytes = Buffer.from(frameOf({ type: 0, flags: 0, stream: 1 }, Buffer.from('abc')));
    reader.push(bytes);
    expect([reader.next(), reader.bytes === bytes, reader.lo, reader.hi]).toEqual([
      true,
      true,
      9,
      12,
    ]);
  });

  it('are told without padding and priority, which still count', () => {
    const { padded, priority } = frameFlags;
    const head = { type: frameTypes.headers, flags: padded | priority, stream: 1 };
    const bytes = Buffer.from(frameOf(head, Buffer.from('\x02....+abc..')));
    expect(read([bytes])).toMatchObject([{ payload: Buffer.from('abc'), wholeBytes: 11 }]);
  });

  it.each([
    ['longer than may be', 6, frameOf({ type: 0, flags: 0, stream: 1 }, Buffer.alloc(16_385))],
    ['with more padding than bytes', 1, frameOf({ type: 0, flags: 8, stream: 1 }, Buffer.of(2, 0))],
    ['padded, without a length', 6, frameOf({ type: 0, flags: 8, stream: 1 })],
    ['too short for a priority', 6, frameOf({ type: 1, flags: 0x20, stream: 1 }, Buffer.alloc(4))],
  ])('%s are not read', (_what, code, bytes) => {
    const whole = Buffer.from(bytes);
    for (const parts of [[whole], [whole.subarray(0, 2), whole.subarray(2)]]) {
      expect(() => read(parts)).toThrow(expect.objectContaining({ code }));
    }
  });
});
