// Goal: a token's end is the end of what it gives, on a connection that was greeted before it, too.
// Method: the door on loopback over an engine in memory with two users, on a clock that the test
// moves.
import { utf8 } from '@holdfast/base/bytes';
import { ManualClock } from '@holdfast/base/manual-clock';
import { putRequest } from '@holdfast/domain/requests';
import { MemoryEngine } from '@holdfast/engine/memory-engine';
import { afterEach, expect, it } from 'vitest';

import { disableAccess, enableAccess, testAccess } from '../access/access.fixture.ts';
import { EngineSlot } from '../engine-slot.ts';
import { buildHttpApp } from '../http/http-server.ts';
import { kvKeyspace } from '../http/kv-view.ts';
import { eventually, listen } from '../http/test-door.fixture.ts';
import { FrameClient, get, put, requestOf, watchOf } from './frame-client.fixture.ts';

/** Less than a request may wait. */
const tokenLifeMs = 10_000;
const ends: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** A client that came with a token of alice's, who may do all from a to b. */
async function greetedByToken() {
  const clock = new ManualClock();
  const [engine, slot] = [new MemoryEngine({ clock }), new EngineSlot()];
  slot.fill(engine);
  await enableAccess(engine);
  const access = testAccess(slot, clock, tokenLifeMs);
  const onFault = (error: unknown): void => expect.fail(String(error));
  const app = buildHttpApp({ slot, clock, access, version: '0.1.0', onFault });
  const port = await listen(app);
  const client = await FrameClient.connect(port);
  ends.push(async () => {
    client.link.destroy();
    await app.close();
  });
  const token = await access.login('alice', 'alice');
  const { refusal } = await client.greet('tester', undefined, { token });
  expect(refusal).toBeUndefined();
  const codeOf = async (id: number): Promise<string> => {
    const { response } = await client.answerTo(id);
    return response?.$case === 'failure' ? response.value.code : (response?.$case ?? '');
  };
  /** By the cluster itself; answers its revision. */
  const write = async (): Promise<number> => {
    const key = { keyspace: kvKeyspace, key: utf8('a1') };
    const own = { actor: 'test', subject: 'own' } as const;
    return (await engine.put(putRequest(key, utf8('x')), own)).header.revision;
  };
  return { clock, engine, client, codeOf, write };
}

it('a request is refused past the end, with all beside it, and the client is asked anew', async () => {
  const { clock, client, codeOf } = await greetedByToken();
  clock.advance(tokenLifeMs - 1);
  client.send(requestOf(1, put('a1', 'x')));
  expect(await codeOf(1)).toBe('put');
  clock.advance(1);
  client.send(requestOf(2, put('a1', 'y')), requestOf(3, get('a1')));
  expect([await codeOf(2), await codeOf(3)]).toEqual(['unauthenticated', 'unauthenticated']);
  expect((await client.ended()).type).toBe('ended');
});

it('what is under way at the end is answered before the client is asked anew', async () => {
  const { clock, client, codeOf, write } = await greetedByToken();
  const revision = await write();
  client.send(requestOf(1, get('a1'), { minRevision: revision + 1 }));
  client.send(requestOf(2, get('a1')));
  expect(await codeOf(2)).toBe('range');
  clock.advance(tokenLifeMs);
  client.send(requestOf(3, get('a1')));
  expect(await codeOf(3)).toBe('unauthenticated');
  await write();
  expect(await codeOf(1)).toBe('range');
  expect((await client.ended()).type).toBe('ended');
});

it('a watch is not opened past the end; one that stands goes on until something is asked', async () => {
  const { clock, client, write } = await greetedByToken();
  client.order(watchOf(1, 'a1'));
  await client.toldSoMuch(1, 1);
  clock.advance(tokenLifeMs);
  await write();
  await eventually(() => expect(client.told(1).join()).toMatch(/a1=x/));
  client.order(watchOf(2, 'a1'));
  expect(await client.toldSoMuch(2, 1)).toEqual(['failure unauthenticated']);
  expect((await client.ended()).type).toBe('ended');
});

it('means nothing once access control is off', async () => {
  const { clock, engine, client, codeOf } = await greetedByToken();
  clock.advance(tokenLifeMs);
  await disableAccess(engine);
  client.send(requestOf(1, put('z', 'x')));
  expect(await codeOf(1)).toBe('put');
});
