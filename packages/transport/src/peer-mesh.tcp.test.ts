// Goal: the faults of peer-mesh.test.ts as real sockets show them, order and batching under load,
// and bounded memory. Method: loopback, ports of the system's choice, promises for what is to come;
// times are settings, and no test waits for one that it did not set.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

import { utf8 } from '@holdfast/base/bytes';
import { SystemClock } from '@holdfast/base/system-clock';
import { afterEach, describe, expect, it } from 'vitest';
import { parseAddress } from './address.ts';
import { encodeFrame, encodePreface, frameKinds } from './frame.ts';
import { encodeHandshake } from './handshake.ts';
import type { LinkNetwork } from './link.ts';
import { ObservedNetwork } from './observed-network.fixture.ts';
import { beginOf, identityOf, idOf, TestMember } from './peer-mesh.fixture.ts';
import type { PeerMeshOptions } from './peer-mesh.ts';
import { TcpNetwork } from './tcp-link.ts';
import { defaultTransportSettings } from './transport-settings.ts';

const clock = new SystemClock();
const members: TestMember[] = [];
const sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(members.splice(0).map((member) => member.mesh.close()));
});

type Options = Partial<PeerMeshOptions> & { readonly network?: LinkNetwork };

async function start(id: number, options: Options = {}): Promise<TestMember> {
  const world = { network: new TcpNetwork(), clock };
  const member = new TestMember(id, world, { listenAddress: '127.0.0.1:0', peers: [], ...options });
  members.push(member);
  await member.start();
  return member;
}

const addressOf = (member: TestMember): string => member.mesh.address ?? 'not started';

/** Members 1 and 2, connected both ways. */
async function pair(options: readonly [Options, Options] = [{}, {}]) {
  const [first, second] = [await start(1, options[0]), await start(2, options[1])];
  first.mesh.setPeers([{ memberId: idOf(2), address: addressOf(second) }]);
  second.mesh.setPeers([{ memberId: idOf(1), address: addressOf(first) }]);
  await first.connectedTo(2);
  await second.connectedTo(1);
  return { first, second };
}

/** A socket of nobody in particular; what it reads, and its end. */
function raw(member: TestMember): { socket: Socket; closed: Promise<void>; read: Buffer[] } {
  const socket = connect({ ...parseAddress(addressOf(member)) });
  sockets.push(socket);
  const read: Buffer[] = [];
  socket.on('data', (bytes) => read.push(bytes));
  socket.on('error', () => undefined);
  return { socket, read, closed: new Promise((resolve) => socket.on('close', () => resolve())) };
}

describe('the ends of a connection', () => {
  it('a stopped process is refused, a restarted one is dialled again', async () => {
    const { first, second } = await pair();
    const address = addressOf(second);
    await second.mesh.close();
    await first.until(() => first.events.includes('refused 2'));
    expect(first.statusOf(2).health.state).toMatchObject({ name: 'dead', failures: 3 });
    expect(first.mesh.isConnected(idOf(2))).toBe(false);
    const peers = [{ memberId: idOf(1), address: addressOf(first) }];
    const reborn = await start(2, { listenAddress: address, peers, identity: identityOf(2, 2) });
    await first.until(() => first.events.includes('connected 2 2'));
    first.send(2, 'welcome', 'log');
    await reborn.until(() => reborn.frames.length === 1);
    expect(first.statusOf(2).health.state.name).toBe('healthy');
  });

  it('a frozen process is dead after its pings, and never "refused"', async () => {
    const silence = { silenceMs: 100, pingWaitMs: 50, failuresMax: 3, ownLagMs: 10_000 };
    const network = new ObservedNetwork(new TcpNetwork());
    const { first } = await pair([{ settings: { silence } }, { network }]);
    first.events.length = 0;
    network.freeze();
    await first.until(() => first.statusOf(2).health.state.name === 'dead');
    expect(first.events).toContain('unreachable 2');
    expect(first.events).not.toContain('refused 2');
    expect(first.statusOf(2).reachable).toBe(false);
  });

  it('a lost connection is only dialled again', async () => {
    const { first, second } = await pair();
    first.events.length = 0;
    // A second process that shows the same boot takes over the connections of the first.
    const twin = await start(1, { peers: [{ memberId: idOf(2), address: addressOf(second) }] });
    await twin.connectedTo(2);
    await first.until(() => first.events.some((event) => event.startsWith('connected')));
    expect(first.events).not.toContain('refused 2');
    expect(first.statusOf(2).health.state.name).toBe('healthy');
  });
});

describe('strangers', () => {
  it('garbage, oversized frames and broken checksums end the connection alone', async () => {
    const { first, second } = await pair();
    const oversized = encodeFrame({ kind: 1, flags: 0, group: 0, payload: new Uint8Array(5000) });
    const broken = encodeFrame({ kind: 1, flags: 0, group: 0, payload: utf8('x') });
    broken[broken.length - 1] = 0;
    const tooEarly = encodeFrame({ kind: 16, flags: 0, group: 0, payload: utf8('x') });
    for (const [bytes, reason] of [
      [[utf8('GET / HTTP/1.1\r\nHost: x\r\n\r\n')], /port of Holdfast members/],
      [[encodePreface(), oversized], /announces 5000 bytes, the limit is 4096/],
      [[encodePreface(), broken], /checksum/],
      [[encodePreface(), tooEarly], /first frame has kind 16/],
    ] as const) {
      const { socket, closed } = raw(second);
      const before = second.strangers.length;
      for (const one of bytes) socket.write(one);
      await closed;
      await second.until(() => second.strangers.length > before);
      expect(second.strangers.at(-1)).toMatch(reason);
    }
    first.send(2, 'undisturbed');
    await second.until(() => second.frames.length === 1);
  });

  it('a refused handshake is answered with code and sentence', async () => {
    const second = await start(2);
    const { socket, closed, read } = raw(second);
    const payload = encodeHandshake(identityOf(1), idOf(3), 'control');
    const frame = { kind: frameKinds.handshake, flags: 0, group: 0, payload };
    socket.write(Buffer.concat([encodePreface(), encodeFrame(frame)]));
    await closed;
    const answer = Buffer.concat(read).toString('latin1');
    expect(answer).toContain('failed-precondition');
    expect(answer).toContain('0000000000000002 lives at this address');
  });

  it('1,000 silent connections do not keep a peer out', { timeout: 30_000 }, async () => {
    const second = await start(2, { settings: { handshakeTimeoutMs: 60_000 } });
    const idle = Array.from({ length: 1000 }, () => raw(second));
    await second.until(
      () => second.strangers.length === 1000 - defaultTransportSettings.strangersMax,
    );
    const first = await start(1, { peers: [{ memberId: idOf(2), address: addressOf(second) }] });
    await first.connectedTo(2);
    first.send(2, 'through the crowd');
    await second.until(() => second.frames.length === 1);
    expect(idle.length).toBe(1000);
  });

  it('a half-sent handshake is ended by its deadline', async () => {
    const second = await start(2, { settings: { handshakeTimeoutMs: 50 } });
    const { socket, closed } = raw(second);
    socket.write(encodePreface());
    await closed;
    expect(second.strangers).toEqual(['no handshake in time']);
  });
});

describe('an address at which no member listens for others', () => {
  it.each(['HTTP/1.1 400 Bad Request\r\n\r\n', 'SSH-2.0-OpenSSH_9.2\r\n'])(
    'is told by whoever dials it: %j',
    async (greeting) => {
      const server = createServer((socket) => void socket.on('error', () => 0).end(greeting));
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const peers = [{ memberId: idOf(2), address: `127.0.0.1:${port}` }];
      const first = await start(1, { peers });
      await first.until(() => first.reasons.length > 0);
      server.close();
      expect(first.reasons[0]).toContain(
        `no handshake with 127.0.0.1:${port}: this is no port of Holdfast members among themselves`,
      );
    },
  );
});

describe('load', () => {
  it('keeps the order of 20,000 messages, and writes once a turn', async () => {
    const network = new ObservedNetwork(new TcpNetwork());
    const { first, second } = await pair([{ network }, {}]);
    first.send(2, 'start', 'log');
    await second.until(() => second.frames.length === 1);
    const before = network.sends;
    for (let burst = 0; burst < 20; burst += 1) {
      for (let n = 0; n < 1000; n += 1) first.send(2, `${burst * 1000 + n}`, 'log');
      await new Promise<void>((resolve) => network.endOfTurn(resolve));
    }
    await second.until(() => second.frames.length === 20_001);
    expect(network.sends - before).toBe(20);
    expect(second.frames.slice(1)).toEqual(Array.from({ length: 20_000 }, (_, n) => `1:${n}`));
    expect(first.statusOf(2).sent.dropped).toBe(0);
  });

  it('drops the newest when the queue is full, and says so once', async () => {
    const network = new ObservedNetwork(new TcpNetwork());
    const options = { network, settings: { logQueueBytesMax: 100_000 } };
    const { first, second } = await pair([options, {}]);
    first.send(2, 'start', 'log');
    await second.until(() => second.frames.length === 1);
    first.events.length = 0;
    const text = 'x'.repeat(10_000);
    for (let n = 0; n < 100; n += 1) first.send(2, `${n} ${text}`, 'log');
    expect(first.mesh.sendLogNow(idOf(2), frameKinds.message, [utf8('more')])).toBe(true);
    expect(first.mesh.sendLogNow(idOf(2), frameKinds.message, [utf8(text), utf8(text)])).toBe(
      false,
    );
    await second.until(() => second.frames.at(-1) === '1:more');
    const numbers = second.frames.slice(1, -1).map((frame) => Number.parseInt(frame.slice(2), 10));
    expect(numbers).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(first.statusOf(2).sent.dropped).toBe(91);
    expect(first.events).toEqual(['unreachable 2']);
  });

  it('streams 50 MB to a slow reader no faster than it reads', async () => {
    const { first, second } = await pair();
    const [blockBytes, blocks] = [200_000, 250];
    let [produced, consumed, widest] = [0, 0, 0];
    async function* image(): AsyncGenerator<Uint8Array> {
      for (let n = 0; n < blocks; n += 1) {
        produced += blockBytes;
        widest = Math.max(widest, produced - consumed);
        yield new Uint8Array(blockBytes).fill(n);
      }
    }
    const network = new TcpNetwork();
    second.acceptSnapshot = async (_from, _begin, chunksFrom) => {
      for await (const chunk of chunksFrom(0)) {
        for (let turn = 0; turn < 3; turn += 1) {
          await new Promise<void>((resolve) => network.endOfTurn(resolve));
        }
        const block = Math.floor(consumed / blockBytes);
        expect(chunk[0]).toBe(block % 256);
        consumed += chunk.length;
      }
    };
    const sending = first.mesh.sendSnapshot(
      { peer: idOf(2), begin: beginOf(blocks * blockBytes) },
      image,
      new AbortController().signal,
    );
    first.send(2, 'not delayed');
    await second.until(() => second.frames.length === 1);
    expect(consumed).toBeLessThan(blocks * blockBytes);
    await sending;
    expect(consumed).toBe(50_000_000);
    const { snapshotWindowBytes } = defaultTransportSettings;
    expect(widest).toBeLessThanOrEqual(snapshotWindowBytes + 2 * blockBytes);
  });
});
