// Goal: records come back as they were written, and nothing else is taken for one.
import { utf8 } from '@holdfast/base/bytes';
import type { KeyValue } from '@holdfast/proto/internal';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { configKey, headRange, oneVersion } from './config-key.ts';
import { type ConfigVersion, decodeState, decodeVersion, encodeVersion } from './config-record.ts';
import { configFormats } from './format.ts';

const key = configKey('ns', 'g', 'n');
const hash = 'ab'.repeat(32);

const kvOf = (at: Uint8Array, value: Uint8Array): KeyValue => ({
  key: at,
  value,
  createRevision: 3,
  modRevision: 9,
  version: 2,
  lease: 0n,
});

const versions: fc.Arbitrary<ConfigVersion> = fc.record({
  kind: fc.constantFrom('publish' as const, 'rollback' as const, 'delete' as const),
  version: fc.nat(),
  format: fc.constantFrom(...configFormats),
  contentHash: fc.constantFrom(undefined, hash),
  contentBytes: fc.nat(),
  publishedAtMs: fc.nat(),
  actor: fc.string({ unit: 'grapheme' }),
  comment: fc.string({ unit: 'grapheme' }),
  restoredVersion: fc.option(fc.nat(), { nil: undefined }),
});

describe('records', () => {
  it('come back as they were', () => {
    fc.assert(
      fc.property(versions, fc.nat(), (record, firstVersion) => {
        const plain = kvOf(oneVersion(key, record.version).key, encodeVersion(record));
        expect(decodeVersion(plain)).toEqual({ ...record, revision: 9 });
        const head = kvOf(headRange(key).key, encodeVersion(record, firstVersion));
        const latest = { ...record, revision: 9 };
        const live = record.kind !== 'delete';
        expect(decodeState(head)).toEqual({ key, live, latest, firstVersion });
      }),
    );
  });

  it.each([
    ['', 'corrupt'],
    ['null', 'corrupt'],
    ['{"recordFormat":2}', 'version-mismatch'],
    ['{"recordFormat":1,"kind":"other"}', 'corrupt'],
    ['{"recordFormat":1,"kind":"publish","format":"text","version":-1}', 'corrupt'],
  ])('refuses %j as %s', (value, code) => {
    const kv = kvOf(headRange(key).key, utf8(value));
    expect(() => decodeVersion(kv)).toThrow(expect.objectContaining({ code }));
  });
});
