// Goal: names are refused that could be mistaken for a path, and keys lie so that ranges are exact.
import { compareBytes, toText } from '@holdfast/base/bytes';
import { HoldfastError } from '@holdfast/base/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KeyRange } from '../requests.ts';
import {
  type ConfigKey,
  configFilter,
  configKey,
  configNameBytesMax,
  filterRange,
  foreignReferences,
  headRange,
  matchesFilter,
  oneVersion,
  ownReferences,
  parseConfigKey,
  referenceRange,
  versionRange,
} from './config-key.ts';

const word = fc.stringMatching(/^[a-c0~é-]{1,3}$/);
const keys = fc.tuple(word, word, word).map(([a, b, c]) => configKey(a, b, c));
const hash = 'ab'.repeat(32);

/** Whether a half-open range, in etcd's notation, holds a key. */
function holds(range: KeyRange, key: Uint8Array): boolean {
  const end = range.rangeEnd;
  if (!end) return compareBytes(range.key, key) === 0;
  return compareBytes(range.key, key) <= 0 && compareBytes(key, end) < 0;
}

describe('configKey', () => {
  it.each([
    ['', 'g', 'n'],
    ['ns', '', 'n'],
    ['ns', 'g', ''],
    ['..', 'g', 'n'],
    ['ns', '.', 'n'],
    ['a/b', 'g', 'n'],
    ['ns', 'g', '..'],
    ['ns', 'g', 'a/../b'],
    ['ns', 'g', './a'],
    ['ns', 'g', '/a'],
    ['ns', 'g', 'a/'],
    ['ns', 'g', 'a//b'],
    ['ns', 'g', 'a\u0000b'],
    ['ns', 'g', 'a\nb'],
    ['ns', 'g', 'a\u007fb'],
    ['ns', 'g', 'a\u0085b'],
    ['n\ud800s', 'g', 'n'],
    ['ns', 'g', 'é'.repeat(configNameBytesMax / 2 + 1)],
    ['x'.repeat(257), 'g', 'n'],
  ])('refuses %j / %j / %j', (namespace, group, name) => {
    expect(() => configKey(namespace, group, name)).toThrow(HoldfastError);
    expect(() => configFilter({ namespace, group, name })).toThrow(HoldfastError);
  });

  it('reads back from its key as it is, a byte order mark and all', () => {
    const key = configKey('\ufeffns', '\ufeffg', '\ufeffn');
    expect(parseConfigKey(headRange(key).key)).toEqual({ key, version: undefined });
  });

  it('takes paths, dots, spaces and any script', () => {
    for (const name of ['a/b/c.json', '...', '.env', 'a b', '配置.yaml', 'a%2Fb', '~', '*']) {
      expect(configKey('ns', 'g', name).name).toBe(name);
    }
  });
});

describe('keys', () => {
  it('come back from their bytes', () => {
    fc.assert(
      fc.property(keys, fc.nat(), (key, version) => {
        expect(parseConfigKey(headRange(key).key)).toEqual({ key, version: undefined });
        expect(parseConfigKey(oneVersion(key, version).key)).toEqual({ key, version });
      }),
    );
  });

  it('refuses bytes that are not of the schema', () => {
    for (const bytes of [[], [0x63], [0x63, 0, 0x61], [0x76, 0, 0x61, 0, 0x62, 0, 0x63]]) {
      expect(() => parseConfigKey(new Uint8Array(bytes))).toThrow(/schema/);
    }
  });

  it('lie in the range of every filter that matches them', () => {
    const filters = fc.record(
      { namespace: word, group: word, name: word, prefix: word },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(keys, filters, (key, filter) => {
        if (!matchesFilter(filter, key)) return;
        expect(holds(filterRange('c', filter), headRange(key).key)).toBe(true);
        expect(holds(filterRange('v', filter), oneVersion(key, 7).key)).toBe(true);
      }),
    );
  });

  it('lie in the range of a leading filter only if it matches them', () => {
    const leading = fc.tuple(word, word, word, fc.nat({ max: 3 })).map(([a, b, c, count]) => ({
      ...(count > 0 ? { namespace: a } : {}),
      ...(count > 1 ? { group: b } : {}),
      ...(count > 2 ? { prefix: c } : {}),
    }));
    fc.assert(
      fc.property(keys, leading, (key, filter) => {
        const inside = holds(filterRange('v', filter), oneVersion(key, 1).key);
        expect(inside).toBe(matchesFilter(filter, key));
      }),
    );
  });

  it('order versions by number, and none of another configuration between them', () => {
    const other = configKey('a', 'b', 'cc');
    const key = configKey('a', 'b', 'c');
    const range = versionRange(key, 5, 300);
    const inside = [5, 255, 256, 299].map((version) => oneVersion(key, version).key);
    const outside = [4, 300, 65536].map((version) => oneVersion(key, version).key);
    expect(inside.every((one) => holds(range, one))).toBe(true);
    expect([...outside, oneVersion(other, 10).key].some((one) => holds(range, one))).toBe(false);
  });

  it('split the references to a content into own and foreign ones, without a gap', () => {
    const versions = { lo: 3, hi: 6 };
    fc.assert(
      fc.property(keys, keys, fc.nat({ max: 10 }), (key: ConfigKey, other, version) => {
        const reference = referenceRange(hash, other, version).key;
        const isOwn = toText(headRange(key).key) === toText(headRange(other).key);
        const own = isOwn && version >= versions.lo && version < versions.hi;
        const [before, after] = foreignReferences(hash, key, versions);
        expect(holds(ownReferences(hash, key, versions), reference)).toBe(own);
        expect(holds(before, reference) || holds(after, reference)).toBe(!own);
        const elsewhere = referenceRange('cd'.repeat(32), other, version).key;
        expect(holds(before, elsewhere) || holds(after, elsewhere)).toBe(false);
      }),
    );
  });
});
