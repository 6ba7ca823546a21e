// Goal: JSON objects are found in a body however the network cuts it, and what is none, too large
// or too deep ends it at once. Method: generated objects, noise and cuts, and bodies that are made
// to hurt.
import { toText } from '@holdfast/base/bytes';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { JsonSplitter } from './json-splitter.ts';

const options = { bytesMax: 10_000, depthMax: 50 };

/** What was found, and the refusal, if any. */
function splitAll(parts: readonly Uint8Array[], more: Partial<typeof options> = {}) {
  const splitter = new JsonSplitter({ ...options, ...more });
  const found: string[] = [];
  let refusal = '';
  try {
    for (const part of parts) splitter.push(part, (json) => found.push(toText(json)));
  } catch (error) {
    refusal = (error as Error).message;
  }
  return { found, refusal, isWithin: splitter.isWithin };
}

const bytes = (text: string): Buffer => Buffer.from(text);

/** The same bytes, in pieces that end at some of `cuts`. */
function cutAt(whole: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts.map((cut) => cut % (whole.length + 1)))].sort((a, b) => a - b);
  return [0, ...places].map((from, at) => whole.subarray(from, places[at] ?? whole.length));
}

const noiseCharacters = ['{', '}', '[', ']', '"', '\\', ' ', 'a', ',', ':'];
const space = fc.stringMatching(/^[ \t\r\n]{0,3}$/);
const object = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 }), { maxKeys: 4 });
const written = fc
  .tuple(object, fc.constantFrom(0, 2))
  .map(([one, indent]) => JSON.stringify(one, undefined, indent));

describe('a splitter of JSON', () => {
  it('finds every object, whatever stands between and wherever the pieces end', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(written, space), { maxLength: 6 }),
        fc.array(fc.nat(), { maxLength: 30 }),
        (objects, cuts) => {
          const body = bytes(objects.map(([json, after]) => json + after).join(''));
          const { found, refusal, isWithin } = splitAll(cutAt(body, cuts));
          expect({ refusal, isWithin }).toEqual({ refusal: '', isWithin: false });
          expect(found).toEqual(objects.map(([json]) => json));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('finds the same in any bytes, in one piece or in many', () => {
    const noise = fc.oneof(
      fc
        .array(fc.constantFrom(...noiseCharacters), { maxLength: 40 })
        .map((all) => bytes(all.join(''))),
      fc.uint8Array({ maxLength: 20 }).map((all) => Buffer.from(all)),
    );
    fc.assert(
      fc.property(noise, fc.array(fc.nat(), { maxLength: 20 }), (body, cuts) => {
        expect(splitAll(cutAt(body, cuts))).toEqual(splitAll([body]));
      }),
      { numRuns: 300 },
    );
  });

  it('is not confused by text that looks like its end', () => {
    const texts = ['}', '{', '"', '\\', '\\"', '}\\\\"', '\\\\\\"}', '\u2028{', '😀"}'];
    const json = JSON.stringify(Object.fromEntries(texts.map((text) => [text, text])));
    const each = [...bytes(json + json)].map((byte) => Uint8Array.of(byte));
    expect(splitAll(each).found).toEqual([json, json]);
  });

  it('says that an object is not whole', () => {
    for (const text of ['{', '{"a', '{"a"', '{"a\\', '{"a":[{}', '{}{']) {
      expect(splitAll([bytes(text)])).toMatchObject({ refusal: '', isWithin: true });
    }
    expect(splitAll([bytes(' \n')])).toEqual({ found: [], refusal: '', isWithin: false });
  });

  it('refuses what begins with no brace, after it has given what stood before it', () => {
    for (const text of ['x', '[]', '1', '"a"', 'null', ',', '}', '\u0000', 'é', '\ufeff']) {
      const { found, refusal } = splitAll([bytes(`{"a":1} ${text}`)]);
      expect(found).toEqual(['{"a":1}']);
      expect(refusal).toContain('a message begins with {');
    }
  });

  it('holds no more than it may, in one piece or in many', () => {
    const json = JSON.stringify({ text: 'x'.repeat(200) });
    for (const parts of [[bytes(json)], [...bytes(json)].map((byte) => Uint8Array.of(byte))]) {
      const { found } = splitAll(parts, { bytesMax: json.length });
      expect(found).toEqual([json]);
      const { refusal } = splitAll(parts, { bytesMax: json.length - 1 });
      expect(refusal).toBe(`the message is larger than ${json.length - 1} bytes of JSON`);
    }
    const endless = Array.from({ length: 100 }, () => bytes(`{"${'x'.repeat(200)}`));
    expect(splitAll(endless).refusal).toContain('larger than 10000 bytes');
  });

  it('goes no deeper than it may', () => {
    const nested = (depth: number) =>
      bytes(`${'{"a":['.repeat(depth / 2)}${']}'.repeat(depth / 2)}`);
    expect(splitAll([nested(50)])).toMatchObject({ refusal: '', isWithin: false });
    expect(splitAll([nested(52)]).refusal).toBe('the body is nested deeper than 50');
    expect(splitAll([bytes('{'.repeat(1e6))]).refusal).toContain('deeper');
  });

  it('takes a time that grows as the body does', () => {
    const hostile = [
      `{"${'\\"'.repeat(200_000)}"}`,
      `{${'"a":"b",'.repeat(50_000)}"c":1}`,
      `{"${'\\'.repeat(400_000)}"}`,
      '{}'.repeat(100_000),
    ];
    const beganMs = performance.now();
    for (const text of hostile) splitAll([bytes(text)], { bytesMax: 1e7 });
    // A hundredfold of what it takes; what looks for each quote from the beginning takes minutes.
    expect(performance.now() - beganMs).toBeLessThan(5000);
  });
});
