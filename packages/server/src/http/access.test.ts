// Goal: while access control is on no door is a way around it: over HTTP and in frames, too, who
// asks is proven, what it asks for is judged, and what changes a member or shows all of it is
// root's. Method: the door on loopback over an engine in memory with two users.
import { SystemClock } from '@holdfast/base/system-clock';
import { AccessService } from '@holdfast/engine/access-service';
import { encode } from '@holdfast/proto/encode';
import { PutRequest } from '@holdfast/proto/etcd';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { changePassword, disableAccess, enableAccess } from '../access/access.fixture.ts';
import { isListed, needOf } from '../access/route-needs.ts';
import { ContentChecker } from '../content-checker.ts';
import {
  creditOf,
  FrameClient,
  get,
  lineOf,
  put,
  requestOf,
  watchOf,
} from '../frames/frame-client.fixture.ts';
import { frameMessage, GrpcClient } from '../grpc/grpc-client.fixture.ts';
import { configRoutes } from './config-routes.ts';
import { eventually, listen, readsOf, type TestDoor, testDoor } from './test-door.fixture.ts';

let door: TestDoor;
let port: number;
const clients: FrameClient[] = [];

beforeEach(async () => {
  const clock = new SystemClock();
  const contents = new ContentChecker({ clock });
  door = testDoor({
    clock,
    routes: [
      configRoutes({ historyMax: 10, contents }),
      (app) => app.get('/v1/backup', () => ({ all: 'of it' })),
      (app) => app.post('/v1/new-things', () => ({ done: true })),
      (app) => app.get('/v1/diagnosis', () => ({ well: true })),
    ],
  });
  port = await listen(door.app);
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.link.destroy();
  await door.app.close();
});

type Who = 'root' | 'alice' | { readonly authorization: string } | undefined;

const headersOf = (who: Who): Record<string, string> => {
  if (who === undefined) return {};
  if (typeof who !== 'string') return who;
  return { authorization: `Basic ${Buffer.from(`${who}:${who}`).toString('base64')}` };
};

const call = (method: string, path: string, who: Who, body?: string | object) =>
  fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers: {
      ...headersOf(who),
      ...(typeof body === 'object' && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });

async function statusOf(answer: Promise<Response>): Promise<number> {
  const { status, body } = await answer;
  await body?.cancel();
  return status;
}

const everybody = (method: string, path: string, body?: string | object) =>
  Promise.all(
    ([undefined, 'alice', 'root'] as const).map((who) => statusOf(call(method, path, who, body))),
  );

describe('over HTTP', () => {
  it('who asks is asked for, known by its password, and shown in the history', async () => {
    expect(await statusOf(call('PUT', '/v1/kv/z', undefined, '1'))).toBe(200);
    expect(await statusOf(call('PUT', '/v1/kv/z', { authorization: 'Basic x' }, '1'))).toBe(200);
    await enableAccess(door.engine);
    const refused = await call('GET', '/v1/kv/z', undefined);
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([
      ...[401, 'Basic realm="holdfast"'],
    ]);
    expect(await refused.json()).toMatchObject({ code: 'unauthenticated', reason: 'nobody-asks' });
    const wrong = { authorization: `Basic ${Buffer.from('root:x').toString('base64')}` };
    const answers = [wrong, { authorization: 'Bearer x.y' }, { authorization: 'Digest x' }];
    for (const who of answers) expect(await statusOf(call('GET', '/v1/kv/z', who))).toBe(401);
    expect(await (await call('GET', '/v1/kv/z', 'root')).text()).toBe('1');
    const published = await call('PUT', '/v1/configs/n/g/a.txt', 'root', 'x');
    expect([published.status, await published.json()]).toMatchObject([200, { actor: 'user:root' }]);
  });

  it('keys, lists, transactions and leases are judged as they are for everybody', async () => {
    await enableAccess(door.engine);
    expect(await everybody('PUT', '/v1/kv/a1', 'x')).toEqual([401, 200, 200]);
    expect(await everybody('PUT', '/v1/kv/z', 'x')).toEqual([401, 403, 200]);
    expect(await everybody('GET', '/v1/kv/a1')).toEqual([401, 200, 200]);
    expect(await everybody('DELETE', '/v1/kv/z')).toEqual([401, 403, 200]);
    expect(await everybody('GET', '/v1/kv?prefix=a')).toEqual([401, 200, 200]);
    expect(await everybody('GET', '/v1/kv?prefix=')).toEqual([401, 403, 200]);
    const txn = { success: [{ put: { key: 'z', value: '4' } }] };
    expect(await everybody('POST', '/v1/txn', txn)).toEqual([401, 403, 200]);
    expect(await everybody('POST', '/v1/leases', { ttlMs: 5000 })).toEqual([401, 200, 200]);
    expect(await everybody('GET', '/v1/leases')).toEqual([401, 200, 200]);
    expect(await everybody('POST', '/v1/sessions', { ttlMs: 5000 })).toEqual([401, 200, 200]);
    expect(await everybody('POST', '/v1/compact', { revision: 3 })).toEqual([401, 403, 200]);
    expect(await everybody('GET', '/v1/quotas')).toEqual([401, 200, 200]);
    expect(await everybody('PUT', '/v1/quotas/kv', { bytesMax: 9000000 })).toEqual([401, 403, 200]);
  });

  it('configurations are read by users, and changed by root', async () => {
    await enableAccess(door.engine);
    const url = '/v1/configs/n/g/a.txt';
    expect(await statusOf(call('PUT', url, 'root', 'x'))).toBe(200);
    expect(await everybody('GET', url)).toEqual([401, 200, 200]);
    expect(await everybody('GET', '/v1/configs?namespace=n')).toEqual([401, 200, 200]);
    expect(await everybody('GET', `${url}/history`)).toEqual([401, 200, 200]);
    expect(await everybody('PUT', url, 'y')).toEqual([401, 403, 200]);
    expect(await everybody('POST', `${url}/rollback`, { version: 1 })).toEqual([401, 403, 200]);
    expect(await everybody('DELETE', url)).toEqual([401, 403, 200]);
    const watch = '/v1/watch?namespace=n';
    expect(await everybody('GET', watch)).toEqual([401, 200, 200]);
  });

  it('what is not about keys is root, or open, and root where nobody has said', async () => {
    await enableAccess(door.engine);
    expect(await everybody('GET', '/v1/backup')).toEqual([401, 403, 200]);
    expect(await everybody('POST', '/v1/new-things', {})).toEqual([401, 403, 200]);
    expect(await everybody('GET', '/v1/diagnosis')).toEqual([401, 200, 200]);
    for (const path of ['/livez', '/readyz', '/health', '/metrics', '/v1/cluster', '/']) {
      expect([path, await everybody('GET', path)]).toEqual([path, [200, 200, 200]]);
    }
    // A probe goes on when the password that it was given has been changed.
    for (const path of ['/livez', '/metrics?x=1', '/v1/cluster']) {
      const ended = { authorization: 'Bearer x.y' };
      expect([path, await statusOf(call('GET', path, ended))]).toEqual([path, 200]);
    }
    await disableAccess(door.engine);
    expect(await everybody('POST', '/v1/new-things', {})).toEqual([200, 200, 200]);
  });

  it('what there is not is not there for everybody, whoever they say they are', async () => {
    await enableAccess(door.engine);
    const wrong = { authorization: 'Bearer x.y' };
    for (const path of ['/nothing', '/v1/nothing?x=1', '/v1/members/of/it', '/v1/kv/a/b']) {
      const status = path === '/v1/kv/a/b' ? 400 : 404;
      expect([path, await everybody('GET', path)]).toEqual([path, [status, status, status]]);
      expect([path, await statusOf(call('GET', path, wrong))]).toEqual([path, status]);
    }
    for (const who of [undefined, 'alice', 'root', wrong] as const) {
      const answer = await call('PUT', '/v1/diagnosis', who);
      expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
      await answer.body?.cancel();
    }
    expect(await statusOf(call('GET', '/v1/diagnosis', wrong))).toBe(401);
  });

  it('a watch ends with its permission', async () => {
    await enableAccess(door.engine);
    expect(await everybody('GET', '/v1/kv-watch?key=z')).toEqual([401, 403, 200]);
    const watch = await call('GET', '/v1/kv-watch?prefix=a', 'alice');
    let seen = '';
    const reading = (async () => {
      const decoder = new TextDecoder();
      for await (const part of watch.body ?? []) seen += decoder.decode(part as Uint8Array);
    })();
    await statusOf(call('PUT', '/v1/kv/a1', 'root', 'first'));
    await eventually(() => expect(seen).toContain('"a1"'));
    const own = { actor: 'test', subject: 'own' } as const;
    const role = { kind: 'delete-role', name: 'writers' } as const;
    await new AccessService(door.engine).change(role, own);
    await statusOf(call('PUT', '/v1/kv/a2', 'root', 'second'));
    await reading;
    expect(seen).toContain('permission-denied');
    expect(seen).not.toContain('"a2"');
  });

  it('while the member starts nobody changes it, and everybody sees how far it is', async () => {
    door.slot.restart();
    expect(await everybody('POST', '/v1/new-things', {})).toEqual([503, 503, 503]);
    expect(await everybody('GET', '/v1/diagnosis')).toEqual([200, 200, 200]);
  });
});

async function greeted(who: Parameters<FrameClient['greet']>[2]) {
  const client = await FrameClient.connect(port);
  clients.push(client);
  return { client, hello: await client.greet('tester', undefined, who) };
}

describe('in frames', () => {
  const codeOf = async (client: FrameClient, id: number): Promise<string> => {
    const { response } = await client.answerTo(id);
    return response?.$case === 'failure' ? response.value.code : (response?.$case ?? '');
  };

  it('who asks says it in the hello, and is judged with each request', async () => {
    await enableAccess(door.engine);
    const { client, hello } = await greeted({ user: 'alice', password: 'alice' });
    expect(hello.refusal).toBeUndefined();
    client.send(requestOf(1, put('a1', 'x')), requestOf(2, put('z', 'x')), requestOf(3, get('z')));
    expect([await codeOf(client, 1), await codeOf(client, 2), await codeOf(client, 3)]).toEqual([
      ...['put', 'permission-denied', 'permission-denied'],
    ]);
    const other = await greeted({});
    other.client.send(requestOf(1, get('a1')));
    expect(await codeOf(other.client, 1)).toBe('unauthenticated');
    other.client.send(requestOf(2, get('a1')));
    expect(await codeOf(other.client, 2)).toBe('unauthenticated');
  });

  it('nobody may send more than a small frame, and whoever is proven what others may', async () => {
    await enableAccess(door.engine);
    const { client, hello } = await greeted({});
    expect(hello.frameBytesMax).toBe(64 * 1024);
    client.send(requestOf(1, put('a1', new Uint8Array(60_000))));
    expect(await codeOf(client, 1)).toBe('unauthenticated');
    client.send(requestOf(2, put('a1', new Uint8Array(70_000))));
    await client.ended();
    const alice = await greeted({ user: 'alice', password: 'alice' });
    expect(alice.hello.frameBytesMax).toBe(2.5 * 1024 * 1024);
    alice.client.send(requestOf(1, put('a1', new Uint8Array(1_000_000))));
    expect(await codeOf(alice.client, 1)).toBe('put');
  });

  it('whoever was nobody before it was turned on may send no more either, until it is off', async () => {
    const [standing, small] = [await greeted({}), await greeted({})];
    expect(standing.hello.frameBytesMax).toBe(2.5 * 1024 * 1024);
    await enableAccess(door.engine);
    small.client.send(requestOf(1, put('a1', new Uint8Array(70_000))));
    await small.client.ended();
    await disableAccess(door.engine);
    standing.client.send(requestOf(1, put('a1', new Uint8Array(70_000))));
    expect(await codeOf(standing.client, 1)).toBe('put');
  });

  it('is turned away with a password that is none, and asked anew when it was changed', async () => {
    await enableAccess(door.engine);
    const refused = await greeted({ user: 'alice', password: 'x' });
    expect(refused.hello.refusal).toMatchObject({ code: 'unauthenticated' });
    await refused.client.ended();
    const { client } = await greeted({ user: 'alice', password: 'alice' });
    client.send(requestOf(1, put('a1', 'x')));
    expect(await codeOf(client, 1)).toBe('put');
    await changePassword(door.engine, 'alice', 'new');
    client.send(requestOf(2, put('a1', 'x')));
    expect(await codeOf(client, 2)).toBe('unauthenticated');
    await client.ended();
  });

  it('is asked anew when access control is turned on', async () => {
    const { client } = await greeted({ user: 'alice', password: 'alice' });
    const nobody = await greeted({});
    await enableAccess(door.engine);
    client.send(requestOf(1, put('a1', 'x')));
    expect(await codeOf(client, 1)).toBe('unauthenticated');
    await client.ended();
    nobody.client.send(requestOf(1, put('a1', 'x')));
    expect(await codeOf(nobody.client, 1)).toBe('unauthenticated');
  });
});

describe('watches in frames', () => {
  const linesOf = (client: FrameClient, id: number): string[] =>
    client.reports.filter((report) => report.id === id).map(lineOf);

  it('are opened for who may read there, and end with the permission', async () => {
    await enableAccess(door.engine);
    const { client } = await greeted({ user: 'alice', password: 'alice' });
    client.order(watchOf(1, 'a1'), watchOf(2, 'z'), watchOf(3, 'a2', { minRevision: 1 }));
    await eventually(() => expect(linesOf(client, 2)).toEqual(['failure permission-denied']));
    await eventually(() => expect(linesOf(client, 3)).toHaveLength(1));
    client.send(requestOf(1, put('a1', 'first')));
    await eventually(() => expect(linesOf(client, 1)).toHaveLength(2));
    expect(linesOf(client, 1)[1]).toMatch(/a1=first$/);
    const own = { actor: 'test', subject: 'own' } as const;
    await new AccessService(door.engine).change({ kind: 'delete-role', name: 'writers' }, own);
    await statusOf(call('PUT', '/v1/kv/a1', 'root', 'second'));
    await eventually(() => expect(linesOf(client, 1)[2]).toBe('failure permission-denied'));
    expect(linesOf(client, 1).join()).not.toContain('second');
  });

  it('of nobody are refused, and of one whose password was changed end with its connection', async () => {
    await enableAccess(door.engine);
    const other = await greeted({});
    other.client.order(watchOf(1, 'a1'));
    await eventually(() => expect(linesOf(other.client, 1)).toEqual(['failure unauthenticated']));
    const { client } = await greeted({ user: 'alice', password: 'alice' });
    client.order(watchOf(1, 'a1'));
    await eventually(() => expect(linesOf(client, 1)).toHaveLength(1));
    await changePassword(door.engine, 'alice', 'new');
    await statusOf(call('PUT', '/v1/kv/a1', 'root', 'second'));
    await client.ended();
    expect(linesOf(client, 1)[1]).toBe('failure unauthenticated');
  });

  it('are not begun where an order before them has ended the connection', async () => {
    await enableAccess(door.engine);
    const { client } = await greeted({ user: 'alice', password: 'alice' });
    client.order(watchOf(1, 'a1', { credit: 0 }));
    await eventually(() => expect(linesOf(client, 1)).toHaveLength(1));
    await changePassword(door.engine, 'alice', 'new');
    const reads = readsOf(door.engine);
    client.order(creditOf(1, 1000), watchOf(2, 'a1', { minRevision: 1_000_000 }));
    await client.ended();
    expect(linesOf(client, 1)[1]).toBe('failure unauthenticated');
    expect(reads).toEqual([]);
  });
});

describe('over gRPC', () => {
  it('nothing of a call is lost while it is found out who makes it', async () => {
    await enableAccess(door.engine);
    const client = await GrpcClient.connect(port);
    try {
      const of = { key: Buffer.from('a1'), value: Buffer.from('v'), lease: 0n };
      const put = { ...of, prevKv: false, ignoreValue: false, ignoreLease: false };
      const message = frameMessage(encode(PutRequest, put));
      // A password is looked at meanwhile, and then remembered.
      const said = (['alice', 'alice', 'root'] as const).map((who) =>
        client.say('/etcdserverpb.KV/Put', message, headersOf(who)),
      );
      expect((await Promise.all(said)).map(({ status }) => status)).toEqual([0, 0, 0]);
      const wrong = { authorization: `Basic ${Buffer.from('alice:x').toString('base64')}` };
      const refused = await client.say('/etcdserverpb.KV/Put', message, wrong);
      expect(refused).toMatchObject({
        status: 3,
        message: 'etcdserver: authentication failed, invalid user ID or password',
      });
    } finally {
      client.close();
    }
  });
});

describe('the table of routes', () => {
  it('gives root what nobody has listed', () => {
    expect(needOf('POST', '/v1/anything')).toBe('root');
    expect(needOf('GET', '/v1/anything')).toBe('root');
    expect(needOf('PATCH', '/v1/settings')).toBe('root');
    expect(needOf('GET', '/v1/settings')).toBe('user');
    expect(needOf('POST', '/v1/leases/:id/keep-alive')).toBe('engine');
    expect([isListed('/v1/anything'), isListed('/v1/leases/:id')]).toEqual([false, true]);
  });
});
