// Goal: only a member's word is taken for an acknowledgement, a value or a refusal, and the call
// goes on to the next endpoint after anybody else's. Method: the whole client over HTTP, somebody
// who answers everything with a page of its own, and a member beside it; and older members, whose
// answers carry no sign.
import { describe, expect, it } from 'vitest';

import { HoldfastClient } from './holdfast-client.ts';
import { type HttpAnswer, type HttpPort, readAll, TransportFailure } from './http-port.ts';
import { MembersHttp } from './members-http.ts';
import { answer, type Behaviour, ScriptedHttp } from './scripted-http.fixture.ts';

const html = '<html><body>welcome</body></html>';

const page =
  (status: number, text = html, headers: Record<string, string> = {}): Behaviour =>
  async () => ({ ...answer(status, text), headers });

const value: Behaviour = async ({ method }) => ({
  ...answer(
    200,
    method === 'GET' ? 'one' : '{"revision":7,"deleted":1,"version":2,"changed":true}',
  ),
  headers: {
    etag: '"7"',
    'x-holdfast-revision': '7',
    'x-holdfast-version': '1',
    'x-holdfast-create-revision': '7',
  },
});

function make(behaviours: Readonly<Record<string, Behaviour>>) {
  const http = new ScriptedHttp(behaviours);
  const endpoints = Object.keys(behaviours);
  return { http, client: new HoldfastClient({ endpoints, timeoutMs: 3_000 }, { http }) };
}

const id = { namespace: 'app', group: 'g', name: 'x' };
const bytes = new TextEncoder().encode('1');

const calls: readonly [string, (client: HoldfastClient) => Promise<unknown>, boolean][] = [
  ['kv put', (client) => client.kv.put('a', bytes), false],
  ['kv delete', (client) => client.kv.delete('a'), false],
  ['config publish', (client) => client.configs.publish(id, bytes), false],
  ['config delete', (client) => client.configs.delete(id), false],
  ['kv get', (client) => client.kv.get('a'), true],
  ['kv list', (client) => client.kv.list(), true],
  ['config get', (client) => client.configs.get(id), true],
  ['status', (client) => client.cluster.view(), true],
  ['readiness', (client) => client.cluster.isReady(), true],
  ['backup', (client) => client.backups.open(), true],
  ['kv watch', (client) => client.kv.watch({ prefix: '' }).next(), true],
];

describe('an answer of somebody who is no member', () => {
  it.each(calls)('is no answer to %s, whatever its status', async (_name, call, isRead) => {
    for (const status of [200, 404]) {
      const { client } = make({ 'x:1': page(status) });
      await expect(call(client)).rejects.toMatchObject({
        code: 'unavailable',
        outcome: isRead || status === 404 ? 'not-applied' : 'unknown',
        message: expect.stringMatching(
          `x:1: answered, but it is no member of Holdfast: status ${status}, .*welcome`,
        ),
      });
      await client.close();
    }
  });

  it.each([200, 302, 404, 503])('of status %i sends each call on to a member', async (status) => {
    const { client, http } = make({ 'x:1': page(status), 'm:1': value });
    for (let at = 0; at < 6; at += 1) {
      expect(await client.kv.put('a', bytes)).toEqual({ revision: 7 });
      expect((await client.kv.get('a'))?.revision).toBe(7);
      expect((await client.configs.publish(id, bytes)).revision).toBe(7);
      expect((await client.configs.get(id))?.version).toBe(1);
    }
    expect(http.count('PUT x:1')).toBe(0);
    expect(http.count('PUT m:1')).toBe(12);
    await client.close();
  });

  it('tells nothing that a terminal would obey, and not all of it', async () => {
    const { client } = make({ 'x:1': page(404, `\u001b[2Jlong\n${'x'.repeat(5_000)}`) });
    const error = await client.kv.get('a').catch((reason: Error) => reason);
    expect((error as Error).message).toMatch(/^[ -~]{1,250}$/);
    await client.close();
  });
});

describe('a success of a member', () => {
  it('without its revision is never told as revision 0', async () => {
    const { client } = make({ 'm:1': page(200, '{}', { 'x-holdfast': '1' }) });
    for (const [name, call, isRead] of calls.slice(0, 3)) {
      await expect(call(client), name).rejects.toMatchObject({
        code: 'internal',
        outcome: isRead ? 'not-applied' : 'unknown',
      });
    }
    await expect(client.kv.get('a')).rejects.toMatchObject({ outcome: 'not-applied' });
    await expect(client.configs.get(id)).rejects.toMatchObject({ outcome: 'not-applied' });
    await client.close();
  });

  it('of a write that was applied before tells its revision, though no ETag', async () => {
    const text = '{"revision":4,"appliedBefore":true,"succeeded":true}';
    const { client } = make({ 'm:1': page(200, text, { 'x-holdfast-revision': '4' }) });
    expect(await client.kv.put('a', bytes)).toEqual({ revision: 4 });
    await client.close();
  });

  it('that is no JSON does not make a read one of unknown outcome', async () => {
    const { client } = make({ 'm:1': page(200, html, { 'x-holdfast': '1' }) });
    await expect(client.cluster.view()).rejects.toMatchObject({
      code: 'internal',
      outcome: 'not-applied',
    });
    await client.close();
  });
});

describe('a member from before the sign', () => {
  const signal = new AbortController().signal;
  const asked = {
    endpoint: 'o:1',
    method: 'GET',
    path: '/',
    headers: {},
    body: undefined,
  } as const;
  const answered = (behaviour: Behaviour): Promise<HttpAnswer> => {
    const inner: HttpPort = { request: behaviour, close: async () => undefined };
    return new MembersHttp(inner).request({ ...asked, signal });
  };

  it.each([
    [200, '{"revision":1,"ageMs":0,"items":[],"next":null}'],
    [200, '{"revision":4,"appliedBefore":true,"succeeded":true}'],
    [200, '{"clusterId":"7f4891f309386733"}'],
    [200, '{"stage":"serving","ready":true}'],
    [200, '{"by":"n1","well":true}'],
    [200, '{"member":"n1","memberId":"7204d6dbe1590c62"}'],
    [200, '{"leader":"7204d6dbe1590c62","name":"n2"}'],
    [200, 'pong\n'],
    [200, 'ok\nfull\n'],
    [404, '{"revision":1,"type":"urn:holdfast:error:not-found","code":"not-found"}'],
    [503, '{"phase":"log","code":"unavailable","outcome":"not-applied"}'],
  ])('is known by what it says: %i %s', async (status, text) => {
    const taken = await answered(page(status, text));
    expect(new TextDecoder().decode(await readAll(taken))).toBe(text);
  });

  it('is whole, however it comes in pieces', async () => {
    const text = `{"revision":1,"ageMs":0,"items":["${'x'.repeat(500)}"]}`;
    const taken = await answered(async () => ({
      ...answer(200, ''),
      headers: {},
      body: (async function* () {
        for (let at = 0; at < text.length; at += 7) {
          yield new TextEncoder().encode(text.slice(at, at + 7));
        }
      })(),
    }));
    expect(new TextDecoder().decode(await readAll(taken))).toBe(text);
  });

  it.each([
    [200, '{"ok":true}'],
    [200, ''],
    [404, '{"error":"no such route"}'],
    [404, '{"code":"ROUTE"}'],
  ])('is nobody who says: %i %s', async (status, text) => {
    await expect(answered(page(status, text))).rejects.toBeInstanceOf(TransportFailure);
  });
});
