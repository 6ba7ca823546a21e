// Goal: who floods a member with passwords keeps itself waiting, and not those who come from
// elsewhere, through whatever door. Method: the door on loopback over an engine in memory; its
// judge, asked as from several addresses, and one that notes from where it is asked.
import { SystemClock } from '@holdfast/base/system-clock';
import { encode } from '@holdfast/proto/encode';
import { AuthenticateRequest, AuthUserAddRequest } from '@holdfast/proto/etcd';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { EngineSlot } from '../engine-slot.ts';
import { FrameClient } from '../frames/frame-client.fixture.ts';
import { frameMessage, GrpcClient } from '../grpc/grpc-client.fixture.ts';
import { listen, type TestDoor, testDoor } from '../http/test-door.fixture.ts';
import { cheapPasswords, enableAccess } from './access.fixture.ts';
import { Access, type Asker } from './access.ts';
import { Passwords } from './passwords.ts';

class NotingAccess extends Access {
  readonly seen: string[] = [];

  override byPassword(name: string, password: string, asker: Asker = {}) {
    this.seen.push(`${name} from ${asker.from}`);
    return super.byPassword(name, password, asker);
  }
}

class NotingPasswords extends Passwords {
  readonly seen: string[] = [];

  override keep(password: string, from?: string) {
    this.seen.push(`${password} from ${from}`);
    return cheapPasswords().keep(password);
  }
}

let door: TestDoor;
let access: NotingAccess;
let passwords: NotingPasswords;
let port: number;

beforeEach(async () => {
  const [clock, slot] = [new SystemClock(), new EngineSlot()];
  passwords = new NotingPasswords({ cost: 2, blockSize: 1, parallelization: 1 });
  access = new NotingAccess({ slot, clock, passwords });
  door = testDoor({ clock, access });
  slot.fill(door.engine);
  port = await listen(door.app);
  await enableAccess(door.engine);
});

afterEach(async () => {
  await door.app.close();
});

const basicOf = (name: string): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(`${name}:${name}`).toString('base64')}`,
});

it('lets those in who come from elsewhere', async () => {
  const flood = Array.from({ length: 600 }, (_, at) =>
    access.byPassword('alice', `wrong ${at}`, { from: '10.0.0.1' }).catch((error) => error.code),
  );
  const alice = access.byPassword('alice', 'alice', { from: '10.0.0.2' });
  expect(await alice).toMatchObject({ name: 'alice' });
  const codes = await Promise.all(flood);
  expect(codes.filter((code) => code === 'resource-exhausted')).toHaveLength(600 - 257);
  expect(codes.filter((code) => code === 'unauthenticated')).toHaveLength(257);
});

it('is known by its address over HTTP and in frames', async () => {
  const answer = await fetch(`http://127.0.0.1:${port}/v1/kv/a`, { headers: basicOf('alice') });
  expect(answer.status).toBe(404);
  const client = await FrameClient.connect(port);
  await client.greet('tester', undefined, { user: 'root', password: 'root' });
  client.link.destroy();
  expect(access.seen).toEqual(['alice from 127.0.0.1', 'root from 127.0.0.1']);
});

it('is known by its address over gRPC and through the gateway', async () => {
  const client = await GrpcClient.connect(port);
  const login = frameMessage(encode(AuthenticateRequest, { name: 'alice', password: 'alice' }));
  const user = { name: 'bob', password: 'new', options: undefined, hashedPassword: '' };
  const add = frameMessage(encode(AuthUserAddRequest, user));
  try {
    await client.say('/etcdserverpb.Auth/Authenticate', login);
    const added = await client.say('/etcdserverpb.Auth/UserAdd', add, basicOf('root'));
    expect(added.status).toBe(0);
  } finally {
    client.close();
  }
  const body = JSON.stringify({ name: 'alice', password: 'alice' });
  await fetch(`http://127.0.0.1:${port}/v3/auth/authenticate`, { method: 'POST', body });
  const [alice, root] = ['alice from 127.0.0.1', 'root from 127.0.0.1'];
  expect(access.seen).toEqual([alice, root, alice]);
  expect(passwords.seen).toEqual(['new from 127.0.0.1']);
});
