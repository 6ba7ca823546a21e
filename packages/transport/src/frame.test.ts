// Goal: frames survive any cutting of the stream, and no bytes of a stranger do harm. Method:
// random frames in random pieces; each kind of garbage with its own clear error.
import { isHoldfastError } from '@holdfast/base/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  encodeFrame,
  encodePreface,
  type Frame,
  FrameParser,
  frameHeaderBytes,
  payloadBytesMax,
  prefaceBytes,
} from './frame.ts';

const frames = fc.array(
  fc.record({
    kind: fc.nat(255),
    flags: fc.nat(255),
    group: fc.nat(65535),
    payload: fc.uint8Array({ maxLength: 100 }),
  }),
);

function streamOf(list: readonly Frame[]): Buffer {
  return Buffer.concat([encodePreface(), ...list.map(encodeFrame)]);
}

function parse(chunks: readonly Uint8Array[], bytesMax = payloadBytesMax): Frame[] {
  const parser = new FrameParser({ payloadBytesMax: bytesMax });
  const parsed: Frame[] = [];
  for (const chunk of chunks) parser.push(chunk, (frame) => parsed.push(frame));
  return parsed;
}

function codeOf(chunks: readonly Uint8Array[], bytesMax?: number): string {
  try {
    parse(chunks, bytesMax);
    return 'none';
  } catch (error) {
    return isHoldfastError(error) ? error.code : `not an operating error: ${String(error)}`;
  }
}

const plain: Frame = { kind: 16, flags: 0, group: 0, payload: new Uint8Array([1, 2, 3]) };

describe('frame parser', () => {
  it('gives the same frames however the stream is cut', () => {
    fc.assert(
      fc.property(frames, fc.array(fc.integer({ min: 1, max: 50 })), (list, cuts) => {
        const stream = streamOf(list);
        const chunks: Uint8Array[] = [];
        let at = 0;
        for (const cut of [...cuts, stream.length]) {
          chunks.push(stream.subarray(at, at + cut));
          at += cut;
        }
        expect(parse(chunks).map((f) => ({ ...f, payload: [...f.payload] }))).toEqual(
          list.map((f) => ({ ...f, payload: [...f.payload] })),
        );
      }),
    );
  });

  it('has the bytes of docs/formats.md', () => {
    expect(Buffer.from(encodePreface()).toString('hex')).toBe('4846503101000000');
    expect(Buffer.from(encodeFrame({ ...plain, flags: 2, group: 3 })).toString('hex')).toBe(
      `0300000010020300${checksumHex()}010203`,
    );
  });

  it('does not copy a payload that came in one piece, and copies another once', () => {
    const chunk = streamOf([plain]);
    const [whole] = parse([chunk]);
    expect(whole?.payload.buffer).toBe(chunk.buffer);
    const cut = chunk.length - 1;
    const [gathered] = parse([chunk.subarray(0, cut), chunk.subarray(cut)]);
    expect(gathered?.payload.buffer.byteLength).toBe(3);
  });

  it('tells a stray client at once', () => {
    expect(codeOf([Buffer.from('GET / HTTP/1.1\r\n')])).toBe('failed-precondition');
    expect(codeOf([Buffer.from('PRI * HTTP/2.0\r\n')])).toBe('failed-precondition');
  });

  it('tells another version', () => {
    const preface = encodePreface();
    preface[4] = 9;
    expect(codeOf([preface])).toBe('version-mismatch');
  });

  it('refuses a frame over the limit by its header alone', () => {
    const header = encodeFrame({ ...plain, payload: new Uint8Array(101) });
    const announced = [encodePreface(), header.subarray(0, frameHeaderBytes)];
    expect(codeOf(announced, 100)).toBe('too-large');
    expect(codeOf(announced, 101)).toBe('none');
  });

  it('notices every flipped bit', () => {
    const stream = streamOf([plain]);
    for (let at = prefaceBytes; at < stream.length; at += 1) {
      for (let bit = 0; bit < 8; bit += 1) {
        const broken = Buffer.from(stream);
        broken[at] = (broken[at] as number) ^ (1 << bit);
        const delivered = codeOf([broken]) === 'none' && parse([broken]).length > 0;
        expect(delivered, `byte ${at} bit ${bit}`).toBe(false);
      }
    }
  });

  it('survives garbage with an operating error, and takes nothing more', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), (garbage) => {
        const code = codeOf([encodePreface(), garbage], 1000);
        expect(['none', 'corrupt', 'too-large']).toContain(code);
      }),
    );
    const parser = new FrameParser({ payloadBytesMax: 100 });
    expect(() => parser.push(Buffer.from('garbage!'), () => undefined)).toThrow();
    expect(() => parser.push(Buffer.from('more'), () => undefined)).toThrow(/must hold/);
  });
});

/** The checksum as an independent bit-by-bit CRC-32 makes it. */
function checksumHex(): string {
  let crc = 0xffffffff;
  for (const byte of [3, 0, 0, 0, 0x10, 2, 3, 0, 1, 2, 3]) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE((crc ^ 0xffffffff) >>> 0);
  return bytes.toString('hex');
}
