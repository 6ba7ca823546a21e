// Goal: links over TLS do what all links do; whoever can not show a certificate that will do is
// told why, and this member is, too; what is silent or strange is bounded as without TLS. Method:
// the contract of links, then real sockets on loopback with certificates made here.
import { connect, createServer, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { HoldfastError } from '@holdfast/base/errors';
import { SystemClock } from '@holdfast/base/system-clock';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parseAddress } from './address.ts';
import {
  type CertificateWithKey,
  issueClient,
  issueMember,
  makeAuthority,
} from './certificate-maker.ts';
import type { CertificateVerdict } from './certificate-verdict.ts';
import { linkContract } from './link.contract.ts';
import type { Link, LinkEnd, LinkNetwork } from './link.ts';
import { idOf, TestMember } from './peer-mesh.fixture.ts';
import { TcpNetwork } from './tcp-link.ts';
import { type TlsMaterial, TlsNetwork } from './tls-link.ts';

const day = 24 * 60 * 60 * 1000;
const never = new AbortController().signal;
const validFor = (fromDays: number, toDays: number) => ({
  notBefore: new Date(Date.now() + fromDays * day),
  notAfter: new Date(Date.now() + toDays * day),
});
const now = validFor(-1, 30);

let authority: CertificateWithKey;
let stranger: CertificateWithKey;
let member: TlsMaterial;

const trusting = (pair: CertificateWithKey): TlsMaterial => ({ ...pair, ca: authority.cert });
const issued = async (name: string, validity = now): Promise<TlsMaterial> =>
  trusting(await issueMember(authority, { name, hosts: ['127.0.0.1'], ...validity }));

beforeAll(async () => {
  authority = await makeAuthority({ name: 'Test CA', ...now });
  stranger = await makeAuthority({ name: 'Strange CA', ...now });
  member = await issued('member-1');
});

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A network of sockets that secures what it dials, as dialPeer does. */
function secured(network: TlsNetwork): LinkNetwork {
  return {
    dial: async (address, signal) => network.secure(await network.dial(address, signal), signal),
    listen: (address, onLink) => network.listen(address, onLink),
    endOfTurn: (action) => network.endOfTurn(action),
    afterEvent: (action) => network.afterEvent(action),
  };
}

linkContract('TLS', () => {
  const network = secured(new TlsNetwork(() => member));
  return { dialler: network, listener: network, listenAddress: '127.0.0.1:0' };
});

/** The listening side with what it has seen of each link. */
async function listening(material: () => TlsMaterial) {
  const links: Link[] = [];
  const ends: LinkEnd[] = [];
  const heard: string[] = [];
  let wake = (): void => undefined;
  const listener = await new TlsNetwork(material).listen('127.0.0.1:0', (link) => {
    links.push(link);
    link.open({
      onBytes: (bytes) => {
        heard.push(Buffer.from(bytes).toString());
        wake();
      },
      onEnd: (end) => {
        ends.push(end);
        wake();
      },
    });
  });
  closers.push(async () => {
    for (const link of links) link.destroy();
    await listener.close();
  });
  /** Until `isThere`; what arrives wakes it. */
  const until = async (isThere: () => boolean): Promise<void> => {
    while (!isThere()) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  return { address: listener.address, links, ends, heard, until };
}

async function dialled(address: string, material: TlsMaterial): Promise<Link> {
  const network = secured(new TlsNetwork(() => material));
  const link = await network.dial(address, never);
  closers.push(() => link.destroy());
  return link;
}

/** What the listening side thinks of who shows this. */
async function verdictOn(material: TlsMaterial): Promise<CertificateVerdict | undefined> {
  const { address, links, until, heard } = await listening(() => member);
  const link = await dialled(address, material);
  link.open({ onBytes: () => undefined, onEnd: () => undefined });
  link.send([Buffer.from('x')]);
  await until(() => heard.length > 0);
  return links[0]?.verdict;
}

describe('the certificate of whoever dials', () => {
  it('is known by its names', async () => {
    expect(await verdictOn(await issued('n2'))).toEqual({
      type: 'certified',
      names: ['n2'],
      commonName: 'n2',
    });
  });

  it.each([
    ['has expired', () => issued('n2', validFor(-3, -2)), /"CN=n2".*has expired on /],
    ['is not valid yet', () => issued('n2', validFor(2, 3)), /"CN=n2".*not valid before .*clock/],
    [
      'is of another authority',
      async () => trusting(await issueMember(stranger, { name: 'n2', hosts: [], ...now })),
      /"CN=n2" \(issued by "CN=Strange CA"\).*not trusted here/,
    ],
    [
      'is that of a client',
      async () => trusting(await issueClient(authority, { name: 'ann', ...now })),
      /"CN=ann".*is a client's, and no member's/,
    ],
  ])('is refused when it %s', async (_, make, words) => {
    expect(await verdictOn(await make())).toEqual({
      type: 'refused',
      reason: expect.stringMatching(words),
    });
  });

  it('is missed when none is shown, by who speaks TLS and by who does not', async () => {
    const { address, links, heard, until } = await listening(() => member);
    const socket = tlsConnect({ ...parseAddress(address), rejectUnauthorized: false });
    closers.push(() => socket.destroy());
    socket.on('error', () => undefined).write('tls');
    await until(() => heard.includes('tls'));
    expect(links[0]?.verdict).toEqual({ type: 'refused', reason: 'no certificate was shown' });
    const clear = connect(parseAddress(address));
    closers.push(() => clear.destroy());
    clear.write('clear');
    await until(() => heard.includes('clear'));
    expect(links[1]?.verdict).toMatchObject({
      reason: expect.stringMatching(/TLS was not spoken/),
    });
  });
});

describe('the certificate of whom one dials', () => {
  it.each([
    ['expired', () => issued('n2', validFor(-3, -2)), /is not trusted.*has expired/],
    [
      'of another authority',
      async () => trusting(await issueMember(stranger, { name: 'n2', hosts: [], ...now })),
      /not trusted here/,
    ],
    [
      "a client's",
      async () => trusting(await issueClient(authority, { name: 'ann', ...now })),
      /"CN=ann".*a client's/,
    ],
  ])('is refused when it is %s', async (_, make, words) => {
    const material = await make();
    const { address } = await listening(() => material);
    await expect(dialled(address, member)).rejects.toMatchObject({
      code: 'unauthenticated',
      message: expect.stringMatching(words),
    });
  });

  it('is missed when nobody speaks TLS there', async () => {
    const server = createServer((socket) =>
      socket.on('error', () => undefined).write('HFP1\0\0\0\0'),
    );
    closers.push(() => server.close());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    await expect(dialled(`127.0.0.1:${port}`, member)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/the other side speaks no TLS on this port/),
    });
  });

  it('is not waited for longer than the signal says', async () => {
    const sockets: Socket[] = [];
    const silent = createServer((socket) => void sockets.push(socket.on('error', () => undefined)));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as { port: number };
    const network = new TlsNetwork(() => member);
    const link = await network.dial(`127.0.0.1:${port}`, never);
    const over = new Error('over');
    const controller = new AbortController();
    const securing = network.secure(link, controller.signal);
    controller.abort(over);
    await expect(securing).rejects.toBe(over);
    // The connection is gone with it.
    if (sockets.length === 0) await new Promise((resolve) => silent.once('connection', resolve));
    const [other] = sockets;
    if (!other?.destroyed) await new Promise((resolve) => other?.resume().once('close', resolve));
    await new Promise((resolve) => silent.close(resolve));
  });
});

describe('new certificates', () => {
  it('hold from the next connection on, for both sides, and old connections live on', async () => {
    let current = member;
    const { address, links, heard, until } = await listening(() => current);
    const ends: LinkEnd[] = [];
    const mover = new TlsNetwork(() => current);
    const dial = async (): Promise<Link> => {
      const link = await secured(mover).dial(address, never);
      closers.push(() => link.destroy());
      link.open({ onBytes: () => undefined, onEnd: (end) => ends.push(end) });
      return link;
    };
    const old = await dial();
    const root = await makeAuthority({ name: 'Next CA', ...now });
    const next = await issueMember(root, { name: 'member-2', hosts: [], ...now });
    current = { ...next, ca: root.cert };
    const young = await dial();
    young.send([Buffer.from('young')]);
    old.send([Buffer.from('old')]);
    await until(() => heard.length === 2);
    expect(links.map((link) => link.verdict)).toMatchObject([
      { names: ['member-1'] },
      { names: ['member-2'] },
    ]);
    expect(ends).toEqual([]);
    await expect(dialled(address, member)).rejects.toMatchObject({ code: 'unauthenticated' });
  });
});

describe('members under TLS', () => {
  const clock = new SystemClock();
  const start = async (id: number, network: LinkNetwork, first?: TestMember) => {
    const address = first?.mesh.address ?? 'not started';
    const peers = first ? [{ memberId: idOf(1), address }] : [];
    const one = new TestMember(id, { network, clock }, { listenAddress: '127.0.0.1:0', peers });
    closers.push(() => one.mesh.close());
    await one.start();
    return one;
  };
  const whyNot = async (one: TestMember): Promise<string | undefined> => {
    await one.until(() => one.reasons.length > 0);
    return one.reasons[0];
  };

  it('are taken by the name in their certificate, and told why they are not', async () => {
    const certified = await Promise.all(['n1', 'n2'].map((name) => issued(name)));
    const [own, other] = certified as [TlsMaterial, TlsMaterial];
    const first = await start(1, new TlsNetwork(() => own));
    const second = await start(2, new TlsNetwork(() => other), first);
    await second.connectedTo(1);
    second.send(1, 'hello');
    await first.until(() => first.frames.includes('2:hello'));
    // Another member's certificate does not make it that member.
    const third = await start(3, new TlsNetwork(() => other), first);
    expect(await whyNot(third)).toMatch(
      /refused by the peer: .*not that of member n3: it names n2/,
    );
    const client = trusting(await issueClient(authority, { name: 'n4', ...now }));
    const fourth = await start(4, new TlsNetwork(() => client), first);
    expect(await whyNot(fourth)).toMatch(/refused by the peer: .*is a client's, and no member's/);
    const clear = await start(5, new TcpNetwork(), first);
    expect(await whyNot(clear)).toMatch(/refused by the peer: TLS was not spoken/);
    // Each may have tried again meanwhile.
    await first.until(() => first.strangers.some((one) => one.startsWith('TLS was not')));
    const told = first.strangers.join('\n');
    expect(told).toMatch(/names n2/);
    expect(told).toMatch(/a client's/);
    expect(told).toMatch(/TLS was not spoken/);
  });

  it('judge those that they dial by the names in their certificates, too', async () => {
    const own = await issued('n1');
    const other = await issued('n2');
    const first = await start(1, new TlsNetwork(() => own));
    const seen: (readonly string[] | undefined)[] = [];
    const address = first.mesh.address ?? 'not started';
    const second = new TestMember(
      2,
      { network: new TlsNetwork(() => other), clock },
      {
        listenAddress: '127.0.0.1:0',
        peers: [{ memberId: idOf(1), address }],
        verifyPeer: ({ certifiedNames }) => {
          seen.push(certifiedNames);
          return new HoldfastError('permission-denied', 'not this one');
        },
      },
    );
    closers.push(() => second.mesh.close());
    await second.start();
    expect(await whyNot(second)).toBe('not this one');
    expect(seen[0]).toEqual(['n1']);
  });

  it('tell whoever speaks TLS to a member without', async () => {
    const first = await start(1, new TcpNetwork());
    const second = await start(2, new TlsNetwork(() => member), first);
    expect(await whyNot(second)).toMatch(/no TLS with .*speaks no TLS on this port/);
    await first.until(() => first.strangers.length > 0);
    expect(first.strangers[0]).toMatch(/speaks TLS, and this member was started without/);
  });

  it('say nothing of who dials and leaves without a word, and let go who stays silent', async () => {
    const own = await issued('n1');
    const options = {
      listenAddress: '127.0.0.1:0',
      peers: [],
      settings: { handshakeTimeoutMs: 30, strangersMax: 2 },
    };
    const first = new TestMember(1, { network: new TlsNetwork(() => own), clock }, options);
    closers.push(() => first.mesh.close());
    await first.start();
    const address = parseAddress(first.mesh.address ?? '');
    const closed = (socket: Socket): Promise<void> =>
      new Promise((resolve) => {
        socket.on('error', () => undefined).resume();
        socket.once('close', () => resolve());
      });
    const mute = connect(address, () => mute.destroy());
    await closed(mute);
    const silent = connect(address);
    await closed(silent);
    // It has begun to speak TLS, and stops in the middle of it.
    const half = connect(address, () => half.write(Buffer.from([0x16, 3, 1, 2, 0, 1, 0])));
    await closed(half);
    const broken = connect(address, () => broken.write(Buffer.alloc(200, 0x16)));
    await closed(broken);
    await first.until(() => first.strangers.length >= 3);
    expect(first.strangers).toEqual([
      'no handshake in time',
      'no handshake in time',
      expect.stringMatching(/TLS/),
    ]);
    const crowd = [1, 2, 3].map(() => connect(address));
    await Promise.race(crowd.map(closed));
    expect(first.strangers[3]).toBe('too many connections without a handshake');
    for (const one of crowd) {
      if (!one.destroyed) await closed(one);
    }
  });
});
