// Goal: whatever interleaves, a configuration is what its last change made it, its history is
// whole, and a content is there exactly as long as a kept version needs it. Method: the service on
// the engine in memory; the stored keys are read past the service and compared with what must be
// there.
import { equalBytes, toText, utf8 } from '@holdfast/base/bytes';
import { HoldfastError } from '@holdfast/base/errors';
import { revision } from '@holdfast/base/ids';
import { ManualClock } from '@holdfast/base/manual-clock';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { sha256 } from '@holdfast/base/sha256';
import { type ConfigKey, configKey, configKeyspace } from '@holdfast/domain/config-key';
import { rangeRequest } from '@holdfast/domain/requests';
import type { RangeRequest, RangeResponse } from '@holdfast/proto/internal';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConfigService, type ConfigServiceOptions } from './config-service.ts';
import type { ConfigWatchItem } from './config-watch.ts';
import type { Answer, ReadOptions } from './engine.ts';
import { MemoryEngine } from './memory-engine.ts';

const who = { actor: 'unverified:test' };
const key = configKey('shop', 'web', 'limits.json');

function world(options: Partial<ConfigServiceOptions> = {}) {
  const clock = new ManualClock();
  const engine = new MemoryEngine({ clock });
  const service = new ConfigService({ engine, clock, ...options });
  const publish = (at: ConfigKey, text: string, more = {}) =>
    service.publish({ key: at, content: utf8(text), ...more }, who);
  return { clock, engine, service, publish };
}

/** Every key of the keyspace, by the letter it begins with. */
async function storedKeys(engine: MemoryEngine): Promise<Record<string, Uint8Array[]>> {
  const range = { keyspace: configKeyspace, key: utf8('a'), rangeEnd: utf8('z') };
  const { body } = await engine.range(rangeRequest(range), who);
  const byKind: Record<string, Uint8Array[]> = { b: [], c: [], r: [], t: [], v: [] };
  for (const kv of body.kvs) byKind[toText(kv.key.subarray(0, 1))]?.push(kv.key);
  return byKind;
}

/** The contents that are stored are those that kept versions name; each is named by its hash. */
async function requireNoOrphans(engine: MemoryEngine, service: ConfigService): Promise<void> {
  const stored = await storedKeys(engine);
  const needed = new Map<string, number>();
  const configurations = new Set(
    [...(stored.c ?? []), ...(stored.t ?? [])].map((one) => toText(one.subarray(2))),
  );
  for (const path of configurations) {
    const [namespace = '', group = '', name = ''] = path.split('\0');
    const { body } = await service.history(configKey(namespace, group, name), { limit: 1000 }, who);
    for (const { contentHash } of body.versions) {
      if (contentHash) needed.set(contentHash, (needed.get(contentHash) ?? 0) + 1);
    }
  }
  const contents = (stored.b ?? []).map((one) => Buffer.from(one.subarray(2)).toString('hex'));
  expect(contents.sort()).toEqual([...needed.keys()].sort());
  expect(stored.r).toHaveLength([...needed.values()].reduce((sum, count) => sum + count, 0));
}

describe('publish and get', () => {
  it('answers the content byte for byte, with who, when and why', async () => {
    const { service, clock } = world();
    const content = new Uint8Array([0xef, 0xbb, 0xbf, ...utf8('{"a": 1}\r\n')]);
    const { header, body } = await service.publish({ key, content, comment: 'first' }, who);
    expect(body.changed).toBe(true);
    const read = await service.get(key, who);
    expect(equalBytes(read.body.content, content)).toBe(true);
    expect(read.body.item).toEqual({
      ...key,
      kind: 'publish',
      version: 1,
      format: 'json',
      contentHash: sha256(content),
      contentBytes: content.length,
      publishedAtMs: clock.wallMs(),
      actor: who.actor,
      comment: 'first',
      restoredVersion: undefined,
      revision: header.revision,
    });
  });

  it('takes the same content again for no change, unless it is told otherwise', async () => {
    const { service, publish } = world();
    const first = await publish(key, '{}');
    const again = await publish(key, '{}', { comment: 'again' });
    expect(again.body).toEqual({ item: first.body.item, changed: false });
    expect((await publish(key, '{}', { format: 'text' })).body.item.version).toBe(2);
    expect((await publish(key, '{}', { format: 'text', force: true })).body.item.version).toBe(3);
    expect((await service.history(key, {}, who)).body.versions).toHaveLength(3);
  });

  it('keeps the format that a configuration without a telling name has', async () => {
    const { publish } = world();
    const plain = configKey('shop', 'web', 'limits');
    await publish(plain, 'a: 1', { format: 'yaml' });
    await expect(publish(plain, 'a: [')).rejects.toMatchObject({
      code: 'invalid-argument',
      details: { format: 'yaml', line: 1 },
    });
  });

  it('refuses what does not parse or is too large, and leaves what was there', async () => {
    const { service, publish } = world();
    await publish(key, '{}');
    await expect(publish(key, '{,}')).rejects.toMatchObject({
      code: 'invalid-argument',
      outcome: 'not-applied',
      details: { line: 1, column: 2 },
    });
    const large = new Uint8Array(service.contentBytesMax + 1);
    const request = { key, content: large, format: 'text' as const };
    await expect(service.publish(request, who)).rejects.toMatchObject({ code: 'too-large' });
    await expect(publish(key, '{"b":1}', { comment: 'x'.repeat(1025) })).rejects.toMatchObject({
      code: 'invalid-argument',
    });
    expect(toText((await service.get(key, who)).body.content)).toBe('{}');
  });

  it('checks names whatever the door has checked', async () => {
    const { service, publish } = world();
    const bad = { namespace: '..', group: 'g', name: 'n' };
    await expect(publish(bad, '{}')).rejects.toMatchObject({ code: 'invalid-argument' });
    expect(() => service.get(bad, who)).toThrow(HoldfastError);
  });
});

describe('many at once', () => {
  it('publishes of one configuration cost one transaction each', async () => {
    const { engine, publish } = world();
    const before = engine.status().appliedIndex;
    await Promise.all(Array.from({ length: 200 }, (_, at) => publish(key, `{"n": ${at}}`)));
    expect(engine.status().appliedIndex - before).toBe(200);
  });
});

describe('compare-and-set', () => {
  it.each([
    [{ absent: true }, false],
    [{ present: true }, true],
    [{ version: 1 }, true],
    [{ version: 2 }, false],
    [{ version: 0 }, false],
    [{ revision: 2 }, true],
    [{ revision: 3 }, false],
  ])('%j on version 1 at revision 2 holds: %s', async (condition, holds) => {
    const { publish } = world();
    await publish(key, '{}');
    const change = publish(key, '{"a":1}', { condition });
    if (holds) expect((await change).body.item.version).toBe(2);
    else {
      await expect(change).rejects.toMatchObject({
        code: 'failed-precondition',
        details: { version: 1, revision: 2 },
      });
    }
  });

  it('lets exactly one of many win who hold the same version', async () => {
    const { service, publish } = world();
    await publish(key, '0');
    const rivals = Array.from({ length: 20 }, (_, at) =>
      publish(key, String(at + 1), { condition: { version: 1 } }),
    );
    const results = await Promise.allSettled(rivals);
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect((await service.head(key, who)).body.version).toBe(2);
  });

  it('lets exactly one of many create', async () => {
    const { publish } = world();
    const rivals = Array.from({ length: 20 }, (_, at) =>
      publish(key, String(at), { condition: { absent: true } }),
    );
    const results = await Promise.allSettled(rivals);
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('judges a condition before it calls a change none', async () => {
    const { publish } = world();
    await publish(key, '{}');
    await expect(publish(key, '{}', { condition: { absent: true } })).rejects.toMatchObject({
      code: 'failed-precondition',
    });
  });
});

describe('delete, history and rollback', () => {
  it('keeps the history of a deleted configuration, and brings it back', async () => {
    const { service, publish } = world();
    await publish(key, '{"a":1}', { comment: 'one' });
    await publish(key, '{"a":2}', { comment: 'two' });
    const gone = await service.delete({ key, comment: 'no more' }, who);
    expect(gone.body).toMatchObject({ kind: 'delete', version: 3, comment: 'no more' });
    await expect(service.get(key, who)).rejects.toMatchObject({
      code: 'not-found',
      details: { deletedVersion: 3 },
    });
    await expect(service.delete({ key }, who)).rejects.toMatchObject({ code: 'not-found' });
    const back = await service.rollback({ key, version: 1, comment: 'oops' }, who);
    expect(back.body.item).toMatchObject({ kind: 'rollback', version: 4, restoredVersion: 1 });
    expect(toText((await service.get(key, who)).body.content)).toBe('{"a":1}');
    const { versions } = (await service.history(key, {}, who)).body;
    expect(versions.map(({ version, kind }) => [version, kind])).toEqual([
      [4, 'rollback'],
      [3, 'delete'],
      [2, 'publish'],
      [1, 'publish'],
    ]);
    const old = await service.getVersion(key, 2, who);
    expect(toText(old.body.content)).toBe('{"a":2}');
    await expect(service.getVersion(key, 3, who)).rejects.toMatchObject({ code: 'not-found' });
    await expect(service.rollback({ key, version: 3 }, who)).rejects.toMatchObject({
      code: 'invalid-argument',
    });
    await expect(service.rollback({ key, version: 9 }, who)).rejects.toMatchObject({
      code: 'not-found',
    });
  });

  it('takes a rollback to what is there for no change', async () => {
    const { service, publish } = world();
    await publish(key, '{}');
    const { body } = await service.rollback({ key, version: 1 }, who);
    expect(body).toMatchObject({ changed: false, item: { version: 1 } });
  });

  it('goes on counting after a delete: a version names one content for ever', async () => {
    const { service, publish } = world();
    await publish(key, '1');
    await service.delete({ key }, who);
    expect((await publish(key, '2', { condition: { absent: true } })).body.item.version).toBe(3);
  });

  it('pages through history, newest first', async () => {
    const { service, publish } = world();
    for (let at = 1; at <= 7; at += 1) await publish(key, String(at));
    const pages: number[][] = [];
    let before: number | undefined;
    do {
      const { body } = await service.history(key, { limit: 3, before }, who);
      pages.push(body.versions.map(({ version }) => version));
      before = body.before;
    } while (before !== undefined);
    expect(pages).toEqual([[7, 6, 5], [4, 3, 2], [1]]);
  });

  it('keeps as many versions as it is told, and no content that none of them needs', async () => {
    const { engine, service, publish } = world({ historyMax: 3 });
    for (let at = 1; at <= 10; at += 1) await publish(key, `{"n":${at % 4}}`);
    const { versions } = (await service.history(key, {}, who)).body;
    expect(versions.map(({ version }) => version)).toEqual([10, 9, 8]);
    await expect(service.getVersion(key, 7, who)).rejects.toMatchObject({ code: 'not-found' });
    await requireNoOrphans(engine, service);
  });

  it('prunes step by step when fewer versions are to be kept than before', async () => {
    const { clock, engine, service, publish } = world();
    for (let at = 0; at < 90; at += 1) await publish(key, String(at));
    const modest = new ConfigService({ engine, clock, historyMax: 5 });
    for (let at = 0; at < 3; at += 1) {
      await modest.publish({ key, content: utf8(`"${at}"`) }, who);
      await requireNoOrphans(engine, service);
    }
    expect((await service.history(key, {}, who)).body.versions).toHaveLength(5);
  });
});

describe('contents', () => {
  it('are stored once however many need them, and go with the last', async () => {
    const { engine, service, publish } = world({ historyMax: 1 });
    const other = configKey('shop', 'api', 'limits.json');
    await publish(key, '{"same":1}');
    await publish(other, '{"same":1}');
    const [content] = (await storedKeys(engine)).b ?? [];
    const range = { keyspace: configKeyspace, key: content as Uint8Array };
    const { body } = await engine.range(rangeRequest(range), who);
    expect(body.kvs).toMatchObject([{ version: 1 }]); // Written once, not over and over.
    expect((await storedKeys(engine)).b).toHaveLength(1);
    await publish(key, '{"new":1}');
    expect(toText((await service.get(other, who)).body.content)).toBe('{"same":1}');
    await publish(other, '{"new":1}');
    expect((await storedKeys(engine)).b).toHaveLength(1);
    await requireNoOrphans(engine, service);
  });

  it('survive every interleaving of publishers that share and prune them', async () => {
    const change = fc.record({
      config: fc.nat({ max: 2 }),
      content: fc.nat({ max: 3 }),
      action: fc.constantFrom('publish', 'publish', 'publish', 'delete', 'rollback'),
      version: fc.nat({ max: 8 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(change, { maxLength: 5 }), { maxLength: 8 }),
        async (rounds) => {
          const { engine, service, publish } = world({ historyMax: 2 });
          const run = async (one: (typeof rounds)[number][number]) => {
            const at = configKey('n', 'g', `c${one.config}`);
            if (one.action === 'publish') return await publish(at, String(one.content));
            if (one.action === 'delete') return await service.delete({ key: at }, who);
            return await service.rollback({ key: at, version: one.version }, who);
          };
          for (const round of rounds) await Promise.allSettled(round.map(run));
          await requireNoOrphans(engine, service);
          const { body } = await service.list({}, {}, who);
          for (const item of body.items) {
            const { content } = (await service.get(item, who)).body;
            expect(sha256(content)).toBe(item.contentHash);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('all arrive from many publishers of one configuration, one version each', async () => {
    const { service, publish } = world();
    const texts = Array.from({ length: 30 }, (_, at) => String(at));
    await Promise.all(texts.map((text) => publish(key, text)));
    const { versions } = (await service.history(key, {}, who)).body;
    expect(versions.map(({ version }) => version)).toEqual(texts.map((_, at) => 30 - at));
    expect(new Set(versions.map(({ contentHash }) => contentHash)).size).toBe(30);
  });
});

describe('list', () => {
  async function shelf() {
    const made = world();
    for (const namespace of ['a', 'b']) {
      for (const group of ['x', 'y']) {
        for (const name of ['one.json', 'one/two.json', 'three']) {
          await made.publish(configKey(namespace, group, name), '1');
        }
      }
    }
    return made;
  }

  it.each([
    [{}, 12],
    [{ namespace: 'a' }, 6],
    [{ namespace: 'a', group: 'y' }, 3],
    [{ namespace: 'a', group: 'y', prefix: 'one' }, 2],
    [{ group: 'x' }, 6],
    [{ name: 'three' }, 4],
    [{ prefix: 'one/' }, 4],
    [{ namespace: 'a', group: 'y', name: 'three' }, 1],
    [{ namespace: 'c' }, 0],
  ])('finds by %j %i', async (filter, count) => {
    const { service } = await shelf();
    const { body } = await service.list(filter, {}, who);
    expect(body.items).toHaveLength(count);
    expect(body.cursor).toBeUndefined();
  });

  it.each([{}, { group: 'x' }, { namespace: 'a' }])(
    'gives in pages what it gives at once, whatever is written meanwhile: %j',
    async (filter) => {
      const { service, publish } = await shelf();
      const whole = (await service.list(filter, {}, who)).body.items;
      const paged: unknown[] = [];
      let cursor: string | undefined;
      do {
        const { body } = await service.list(filter, { limit: 2, cursor }, who);
        paged.push(...body.items);
        cursor = body.cursor;
        await publish(configKey('a', 'x', `zz${paged.length}`), '1');
        await service.delete({ key: whole.at(-1) as ConfigKey }, who).catch(() => undefined);
      } while (cursor !== undefined);
      expect(paged).toEqual(whole);
    },
  );

  it('refuses a cursor that it did not give, and one whose revision is gone', async () => {
    const { engine, service } = await shelf();
    for (const cursor of ['', 'x', '5~a~b', '5~a~b~..', '5~a~b~%', '0~a~b~c']) {
      await expect(service.list({}, { cursor }, who)).rejects.toMatchObject({
        code: 'invalid-argument',
      });
    }
    const { body } = await service.list({}, { limit: 2 }, who);
    await service.publish({ key, content: utf8('1') }, who);
    await engine.compact({ revision: engine.status().revision }, who);
    await expect(service.list({}, { cursor: body.cursor }, who)).rejects.toMatchObject({
      code: 'compacted',
    });
  });
});

describe('watch', () => {
  it('tells every change in order, from a revision on, and no pruning', async () => {
    const { service, publish } = world({ historyMax: 2 });
    const random = new SeededRandom(7);
    const expected: string[] = [];
    for (let at = 0; at < 40; at += 1) {
      const name = `c${random.integer(0, 3)}`;
      const at2 = configKey('n', 'g', name);
      await publish(at2, String(at));
      expected.push(`${name} publish ${at}`);
      if (random.integer(0, 4) === 0) {
        await service.delete({ key: at2 }, who);
        expected.push(`${name} delete`);
      }
    }
    const request = { filter: { namespace: 'n' }, startRevision: revision(2) };
    const watch = await service.watch(request, who);
    const seen: string[] = [];
    for await (const item of watch) {
      if (item.type !== 'events') continue;
      for (const { type, key: at, change } of item.events) {
        const number = type === 'delete' ? '' : ` ${hashes.get(change.contentHash ?? '')}`;
        seen.push(`${at.name} ${type}${number}`);
      }
      if (seen.length === expected.length) watch.close();
    }
    expect(seen).toEqual(expected);
  });

  const hashes = new Map(Array.from({ length: 40 }, (_, at) => [sha256(utf8(String(at))), at]));

  it('brings contents along when asked, and only what matches', async () => {
    const { service, publish } = world();
    const filter = { namespace: 'shop', group: 'web', prefix: 'lim' };
    const watch = await service.watch({ filter, content: true }, who);
    await publish(configKey('shop', 'web', 'other'), '1');
    await publish(key, '{"a":1}');
    await service.delete({ key }, who);
    const items: ConfigWatchItem[] = [];
    for await (const item of watch) {
      items.push(item);
      if (items.length === 2) watch.close();
    }
    const [published, deleted] = items.flatMap((item) =>
      item.type === 'events' ? item.events : [],
    );
    expect(toText(published?.content ?? new Uint8Array())).toBe('{"a":1}');
    expect(deleted).toMatchObject({ type: 'delete', content: undefined, change: { version: 2 } });
  });

  it('tells how far it is when only others change', async () => {
    const { service, publish } = world();
    const watch = await service.watch({ filter: { name: 'mine' } }, who);
    for (let at = 0; at < 256; at += 1) await publish(configKey('n', 'g', `other${at}`), '1');
    const first = await watch[Symbol.asyncIterator]().next();
    expect(first.value).toEqual({ type: 'progress', revision: 257 });
    watch.close();
  });

  it('refuses to begin where history is gone, and says so in the middle', async () => {
    const { engine, service, publish } = world();
    const slow = await service.watch({ filter: {} }, who);
    for (const text of ['1', '2', '3']) await publish(key, text);
    await engine.compact({ revision: 4 }, who);
    const late = service.watch({ filter: {}, startRevision: revision(2) }, who);
    await expect(late).rejects.toMatchObject({
      code: 'compacted',
      details: { compactRevision: 4 },
    });
    const next = slow[Symbol.asyncIterator]().next();
    await expect(next).rejects.toMatchObject({ code: 'compacted' });
  });
});

/** A member that applies nothing any more: its own state stays at the beginning. */
class LaggingEngine extends MemoryEngine {
  ownRevision = revision(1);

  override async range(
    request: RangeRequest,
    options: ReadOptions,
  ): Promise<Answer<RangeResponse>> {
    const own = options.consistency?.level === 'stale' && (options.minRevision ?? 0) <= 2;
    if (!own) return await super.range(request, options);
    const { header, body } = await super.range({ ...request, revision: this.ownRevision }, options);
    return { header: { ...header, revision: this.ownRevision }, body };
  }
}

describe('a member that lags behind', () => {
  it('publishes, judges and refuses by the present state all the same', async () => {
    const clock = new ManualClock();
    const engine = new LaggingEngine();
    const service = new ConfigService({ engine, clock });
    const publish = (text: string, condition = {}) =>
      service.publish({ key, content: utf8(text), condition }, who);
    const versions: number[] = [];
    for (const text of ['1', '2', '3']) versions.push((await publish(text)).body.item.version);
    expect(versions).toEqual([1, 2, 3]);
    engine.ownRevision = revision(2); // There, version 1 is the newest.
    expect((await publish('1')).body).toMatchObject({ changed: true, item: { version: 4 } });
    engine.ownRevision = revision(1);
    expect((await publish('1')).body).toMatchObject({ changed: false, item: { version: 4 } });
    expect((await publish('4', { version: 4 })).body.item.version).toBe(5);
    await expect(publish('5', { absent: true })).rejects.toMatchObject({
      code: 'failed-precondition',
      details: { version: 5 },
    });
    expect((await service.delete({ key }, who)).body.version).toBe(6);
    expect((await service.rollback({ key, version: 2 }, who)).body.item.version).toBe(7);
  });
});

describe('freshness', () => {
  it('reads stale without a quorum, and refuses to publish', async () => {
    const { engine, service, publish } = world();
    await publish(key, '{}');
    engine.refusal = new HoldfastError('no-quorum', 'voters n2 and n3 are missing');
    engine.ageMs = 1234;
    await expect(publish(key, '{"a":1}')).rejects.toMatchObject({ code: 'no-quorum' });
    await expect(service.get(key, who)).rejects.toMatchObject({ code: 'no-quorum' });
    const stale = await service.get(key, { ...who, consistency: { level: 'stale' } });
    expect(stale.header.ageMs).toBe(1234);
    const bounded = { ...who, consistency: { level: 'bounded', maxAgeMs: 1000 } as const };
    await expect(service.get(key, bounded)).rejects.toMatchObject({ code: 'stale-unknown' });
  });

  it('waits for a revision that the reader has seen elsewhere', async () => {
    const { service, publish } = world();
    const read = service.get(key, { ...who, minRevision: revision(2) });
    await publish(key, '{}');
    expect((await read).body.item.version).toBe(1);
  });
});

describe('a change in a session', () => {
  async function inSession() {
    const { engine, service, publish } = world();
    const { body } = await engine.sessionRegister({ ttlMs: 60_000 }, who);
    const at = (sequence: bigint) => ({
      ...who,
      session: { id: body.id, sequence, lowestPending: 1n },
    });
    const publishAt = (sequence: bigint, text: string, more = {}) =>
      service.publish({ key, content: utf8(text), ...more }, at(sequence));
    return { engine, service, publish, publishAt, at };
  }

  it('that is repeated answers as it did, version number included, and changes nothing', async () => {
    const { engine, service, publish, publishAt } = await inSession();
    const first = await publishAt(1n, '{"n": 1}', { comment: 'mine' });
    await publish(key, '{"n": 2}');
    const { revision: at } = engine.status();
    const again = await publishAt(1n, '{"n": 1}', { comment: 'mine' });
    expect(again.body).toEqual(first.body);
    expect(again.header.revision).toBe(first.header.revision);
    expect(engine.status().revision).toBe(at);
    expect((await service.get(key, who)).body.item.version).toBe(2);
  });

  it('finds its kept answer before its conditions are judged again', async () => {
    const { service, publishAt, at } = await inSession();
    const once = { condition: { absent: true } };
    const first = await publishAt(1n, '{}', once);
    expect((await publishAt(1n, '{}', once)).body).toEqual(first.body);
    const deleted = await service.delete({ key }, at(2n));
    expect((await service.delete({ key }, at(2n))).body).toEqual(deleted.body);
    const back = await service.rollback({ key, version: 1 }, at(3n));
    expect((await service.rollback({ key, version: 1 }, at(3n))).body).toEqual(back.body);
    expect(back.body.item.version).toBe(3);
  });

  it('that was refused once is refused for ever: the refusal stands in the log', async () => {
    const { engine, publish, publishAt } = await inSession();
    const onlyTwo = { condition: { version: 2 } };
    await publish(key, '{}');
    await expect(publishAt(1n, '{"a": 1}', onlyTwo)).rejects.toMatchObject({
      code: 'failed-precondition',
    });
    await publish(key, '{"b": 1}');
    const { revision: at } = engine.status();
    await expect(publishAt(1n, '{"a": 1}', onlyTwo)).rejects.toMatchObject({ code: 'conflict' });
    expect(engine.status().revision).toBe(at);
    expect((await publishAt(2n, '{"a": 1}', onlyTwo)).body.item.version).toBe(3);
  });

  it('that was no change is none again', async () => {
    const { publish, publishAt } = await inSession();
    await publish(key, '{}');
    expect((await publishAt(1n, '{}')).body.changed).toBe(false);
    expect((await publishAt(1n, '{}')).body.changed).toBe(false);
  });

  it('with a sequence that was used for something else is refused', async () => {
    const { service, publishAt, at } = await inSession();
    await publishAt(1n, '{}');
    await service.delete({ key }, at(2n));
    await expect(publishAt(2n, '{}')).rejects.toMatchObject({ code: 'conflict' });
    const other = configKey('shop', 'web', 'other.json');
    const write = service.publish({ key: other, content: utf8('{}') }, at(1n));
    await expect(write).rejects.toMatchObject({ code: 'conflict' });
  });

  it('of an unknown session is refused', async () => {
    const { service } = world();
    const session = { id: 99n, sequence: 1n, lowestPending: 1n };
    const write = service.publish({ key, content: utf8('{}') }, { ...who, session });
    await expect(write).rejects.toMatchObject({ code: 'session-expired' });
  });
});
