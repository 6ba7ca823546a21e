// Goal: a password's record that nobody can work with turns away who needs it, and nobody else: the
// member goes on, and its log says what happened. Method: the door on loopback over an engine in
// memory, one record of which asks for a cost that there is not.
import { SystemClock } from '@holdfast/base/system-clock';
import { passwordRange } from '@holdfast/domain/access-key';
import { encodePassword } from '@holdfast/domain/access-record';
import { putRequest } from '@holdfast/domain/requests';
import { encode } from '@holdfast/proto/encode';
import { AuthenticateRequest } from '@holdfast/proto/etcd';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { FrameClient } from '../frames/frame-client.fixture.ts';
import { frameMessage, GrpcClient } from '../grpc/grpc-client.fixture.ts';
import { listen, type TestDoor, testDoor } from '../http/test-door.fixture.ts';
import { changePassword, enableAccess } from './access.fixture.ts';

let door: TestDoor;
let port: number;

beforeEach(async () => {
  door = testDoor({ clock: new SystemClock() });
  port = await listen(door.app);
  await enableAccess(door.engine);
  await damage('alice');
});

afterEach(async () => {
  await door.app.close();
});

/** scrypt takes powers of two alone. */
async function damage(name: string): Promise<void> {
  const nothing = new Uint8Array(32);
  const record = { algorithm: 'scrypt', cost: 3, blockSize: 1, parallelization: 1 } as const;
  const bytes = encodePassword({ ...record, salt: nothing, hash: nothing });
  await door.engine.put(putRequest(passwordRange(name), bytes), { actor: 'test', subject: 'own' });
  // The rules are read again when they are changed.
  await changePassword(door.engine, 'root', 'root');
}

const basicOf = (name: string): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(`${name}:${name}`).toString('base64')}`,
});

const shown = () => door.faults.map((fault) => String((fault as { code?: string }).code));
const wrong = 'ERR_CRYPTO_INVALID_SCRYPT_PARAMS';

it('turns away a client that speaks frames', async () => {
  const client = await FrameClient.connect(port);
  const hello = await client.greet('tester', undefined, { user: 'alice', password: 'alice' });
  expect(hello.refusal).toMatchObject({ code: 'internal' });
  await client.ended();
  expect(shown()).toEqual([wrong]);
  const other = await FrameClient.connect(port);
  const welcome = await other.greet('tester', undefined, { user: 'root', password: 'root' });
  expect(welcome.refusal).toBeUndefined();
  other.link.destroy();
});

it('refuses a request over HTTP', async () => {
  const ask = (name: string) =>
    fetch(`http://127.0.0.1:${port}/v1/kv/a`, { headers: basicOf(name) });
  const refused = await ask('alice');
  expect([refused.status, await refused.json()]).toMatchObject([500, { code: 'internal' }]);
  expect(shown()).toEqual([wrong]);
  expect((await ask('root')).status).toBe(404);
});

it('refuses a login and a call over gRPC', async () => {
  const client = await GrpcClient.connect(port);
  const login = (name: string) =>
    client.say(
      '/etcdserverpb.Auth/Authenticate',
      frameMessage(encode(AuthenticateRequest, { name, password: name })),
    );
  const list = () =>
    client.say('/etcdserverpb.Auth/UserList', frameMessage(new Uint8Array(0)), basicOf('alice'));
  try {
    expect(await login('alice')).toMatchObject({ status: 13 });
    expect(shown()).toEqual([wrong]);
    expect(await list()).toMatchObject({ status: 13 });
    expect(shown()).toEqual([wrong, wrong]);
    expect(await login('root')).toMatchObject({ status: 0 });
  } finally {
    client.close();
  }
});

it('refuses a login and a call through the gateway', async () => {
  const ask = (path: string, body: object, headers: Record<string, string> = {}) =>
    fetch(`http://127.0.0.1:${port}/v3/${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers,
    });
  const login = (name: string) => ask('auth/authenticate', { name, password: name });
  expect((await login('alice')).status).toBe(500);
  expect(shown()).toEqual([wrong]);
  expect((await ask('auth/user/list', {}, basicOf('alice'))).status).toBe(500);
  expect(shown()).toEqual([wrong, wrong]);
  expect((await login('root')).status).toBe(200);
});
