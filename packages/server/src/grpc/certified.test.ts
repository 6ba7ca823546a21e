// Goal: gRPC is served under TLS as in clear text, to those whose certificate will do where one is
// asked for; the others are told why not, and whoever would rather speak HTTP/1.1 does. Method: the
// door on loopback with certificates made here.
import { once } from 'node:events';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { SystemClock } from '@holdfast/base/system-clock';
import { PutRequest, PutResponse } from '@holdfast/proto/etcd';
import {
  type CertificateWithKey,
  issueClient,
  issueMember,
  makeAuthority,
} from '@holdfast/transport/certificate-maker';
import type { TlsMaterial } from '@holdfast/transport/tls-link';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';

import type { HttpLimits } from '../http/http-context.ts';
import {
  eventually,
  listen,
  openConnections,
  type TestDoor,
  testDoor,
} from '../http/test-door.fixture.ts';
import { GrpcClient } from './grpc-client.fixture.ts';
import { putMessage, putPath, rangeMessage, rangePath } from './hostile-door.fixture.ts';

const validity = { notBefore: new Date(Date.now() - 1000), notAfter: new Date(Date.now() + 1e8) };

let authority: CertificateWithKey;
let strange: CertificateWithKey;
let material: TlsMaterial;
let ann: CertificateWithKey;

beforeAll(async () => {
  authority = await makeAuthority({ name: 'Test CA', ...validity });
  strange = await makeAuthority({ name: 'Strange CA', ...validity });
  const member = await issueMember(authority, { name: 'n1', hosts: ['127.0.0.1'], ...validity });
  material = { ...member, ca: authority.cert };
  ann = await issueClient(authority, { name: 'ann', ...validity });
});

let door: TestDoor;
let port: number;
let turnedAway: string[];
const clients: { close(): void }[] = [];

async function open(asks: boolean, limits: Partial<HttpLimits> = {}): Promise<void> {
  turnedAway = [];
  const tls = { material: () => material, onChange: () => undefined, asks };
  const onTurnedAway = (_from: string, reason: string): void => void turnedAway.push(reason);
  door = testDoor({ clock: new SystemClock(), tls, onTurnedAway, limits });
  port = await listen(door.app);
}

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await door.app.close();
  expect(door.faults).toEqual([]);
});

async function socketOf(options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', ca: authority.cert, ...options });
  socket.on('error', () => undefined); // Its end is what counts.
  await once(socket, 'secureConnect');
  clients.push({ close: () => socket.destroy() });
  return socket;
}

const h2 = { ALPNProtocols: ['h2'] };

async function connected(options: ConnectionOptions = {}): Promise<GrpcClient> {
  return await GrpcClient.connect(port, await socketOf({ ...h2, ...options }));
}

const put = (client: GrpcClient, key: string) =>
  client.unary(putPath, [PutRequest, PutResponse], {
    ...PutRequest.decode(new Uint8Array(0)),
    key: Buffer.from(key),
  });

describe('gRPC under TLS', () => {
  it('is served to whoever has a certificate that will do, by its name', async () => {
    await open(true);
    const actors: string[] = [];
    const engine = door.engine.put.bind(door.engine);
    door.engine.put = (request, options) => {
      actors.push(options.actor);
      return engine(request, options);
    };
    const client = await connected(ann);
    await put(client, 'a');
    const named = await client.say(putPath, putMessage('b'), { 'holdfast-actor': 'bob' });
    expect([named.status, actors]).toEqual([0, ['certificate:ann', 'certificate:ann']]);
  });

  it('tells whoever has none, or one of a stranger, why it is refused', async () => {
    await open(true);
    const eve = await issueClient(strange, { name: 'eve', ...validity });
    for (const [shown, words] of [
      [{}, /no certificate was shown/],
      [eve, /"CN=eve" .*authority that is not trusted here/],
    ] as const) {
      const client = await connected(shown);
      for (let times = 0; times < 2; times += 1) {
        const { status, message } = await client.say(putPath, putMessage('a'));
        expect([status, message]).toEqual([16, expect.stringMatching(words)]);
      }
      client.close();
      await eventually(() => expect(turnedAway.splice(0)).toEqual([expect.stringMatching(words)]));
    }
    expect(door.engine.status().keys).toBe(0);
  });

  it('is served to all where nobody is asked, with what they know of protocols or nothing', async () => {
    await open(false);
    for (const options of [h2, { ALPNProtocols: [] }]) {
      const client = await GrpcClient.connect(port, await socketOf(options));
      await put(client, 'a');
    }
  });

  it('leaves HTTP/1.1 to those who speak both, as a browser or curl does', async () => {
    await open(false);
    const both = await socketOf({ ALPNProtocols: ['h2', 'http/1.1'] });
    expect(both.alpnProtocol).toBe('http/1.1');
    both.write('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(String((await once(both, 'data'))[0])).toMatch(/^HTTP\/1.1 200/);
    expect((await socketOf(h2)).alpnProtocol).toBe('h2');
    const other = connect({ port, host: '127.0.0.1', ca: authority.cert, ALPNProtocols: ['spdy'] });
    await expect(once(other, 'secureConnect')).rejects.toThrow(/alert/);
  });
});

describe('a hostile client under TLS', () => {
  it('that is gone, with calls open, leaves nothing behind', async () => {
    await open(false);
    const socket = await socketOf(h2);
    const client = await GrpcClient.connect(port, socket);
    client.begin(putPath).write(Buffer.of(0));
    await put(client, 'a');
    socket.end();
    await eventually(async () => expect(await openConnections(door)).toBe(0));
  });

  it('that never reads is given up, and others get what they ask for', async () => {
    await open(false, { unreadMs: 2000 });
    const writer = await connected();
    const value = new Uint8Array(900_000).fill(97);
    for (let at = 0; at < 4; at += 1) {
      expect((await writer.say(putPath, putMessage(`v${at}`, value))).status).toBe(0);
    }
    const deaf = await connected();
    for (let at = 0; at < 10; at += 1) deaf.begin(rangePath).end(rangeMessage('v', 'w'));
    await once(deaf.session, 'close');
    expect(turnedAway).toEqual(['it does not read its answers']);
    const { status, messages } = await writer.say(rangePath, rangeMessage('v', 'w'));
    expect([status, messages[0]?.length ?? 0]).toEqual([0, expect.any(Number)]);
  });
});
