// Goal: what a replica says through its port arrives at the other replica as it was said, on
// sockets as in memory; and nobody speaks for somebody else. Method: the same cases on both
// networks, with promises for what is to come.
import { utf8 } from '@holdfast/base/bytes';
import type { Clock } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';
import {
  clusterId,
  index,
  type MemberId,
  memberId,
  requestId,
  storeId,
  term,
} from '@holdfast/base/ids';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { SystemClock } from '@holdfast/base/system-clock';
import { newConfiguration } from '@holdfast/raft/configuration';
import type { Message } from '@holdfast/raft/message';
import type {
  ForwardRequest,
  ForwardResponse,
  PeerEvent,
  PeerHandler,
  StoredSnapshot,
} from '@holdfast/replica/ports';
import type { LinkNetwork } from '@holdfast/transport/link';
import { MemoryNetwork } from '@holdfast/transport/memory-link';
import { TcpNetwork } from '@holdfast/transport/tcp-link';
import { afterEach, describe, expect, it } from 'vitest';
import { groupBySize } from './group-by-size.ts';
import { TcpPeerTransport } from './peer-transport.ts';

const [a, b] = [memberId(1n), memberId(2n)];
const header = { from: a, to: b, term: term(3) };
const heartbeat: Message = {
  ...header,
  type: 'heartbeat',
  commit: index(7),
  round: 9,
  freshStampMs: 1.5,
  freshCommit: index(6),
};
const append: Message = {
  ...header,
  type: 'append-entries',
  previous: { index: index(1), term: term(1) },
  entries: [{ index: index(2), term: term(3), kind: 'command', payload: utf8('payload') }],
  commit: index(1),
  isNotice: false,
};
const snapshot: StoredSnapshot = {
  last: { index: index(5), term: term(2) },
  configuration: newConfiguration({ voters: [a, b] }),
  bytes: 6,
  stateHash: 0xfedcba9876543210n,
  checksum: 0xfedcba98,
};

type Recorded = {
  readonly messages: Message[];
  readonly forwards: (readonly ForwardRequest[])[];
  readonly forwarded: (readonly ForwardResponse[])[];
  readonly events: PeerEvent[];
};

class Recorder implements PeerHandler {
  readonly heard: Recorded = { messages: [], forwards: [], forwarded: [], events: [] };
  onSnapshot: PeerHandler['onSnapshot'] = () => Promise.resolve();
  #waiting: { test: () => boolean; resolve: () => void }[] = [];

  until(test: (heard: Recorded) => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ test: () => test(this.heard), resolve });
      this.#check();
    });
  }

  onMessage(message: Message): void {
    this.heard.messages.push(message);
    this.#check();
  }

  onForward(_from: MemberId, requests: readonly ForwardRequest[]): void {
    this.heard.forwards.push(requests);
    this.#check();
  }

  onForwarded(_from: MemberId, responses: readonly ForwardResponse[]): void {
    this.heard.forwarded.push(responses);
    this.#check();
  }

  onPeerEvent(event: PeerEvent): void {
    this.heard.events.push(event);
    this.#check();
  }

  #check(): void {
    for (const one of this.#waiting) if (one.test()) one.resolve();
    this.#waiting = this.#waiting.filter(({ test }) => !test());
  }
}

type World = { readonly clock: Clock; network(id: number): LinkNetwork; host(id: number): string };

const worlds: readonly (readonly [string, () => World])[] = [
  [
    'sockets',
    () => {
      const network = new TcpNetwork();
      return { clock: new SystemClock(), network: () => network, host: () => '127.0.0.1' };
    },
  ],
  [
    'memory',
    () => {
      const clock = new SystemClock();
      const network = new MemoryNetwork(clock, { pieceBytesMax: 100 });
      return { clock, network: (id) => network.host(`h${id}`), host: (id) => `h${id}` };
    },
  ],
];

describe.each(worlds)('peer transport on %s', (_name, newWorld) => {
  const running: TcpPeerTransport[] = [];

  afterEach(async () => {
    await Promise.all(running.splice(0).map((transport) => transport.close()));
  });

  function newTransport(world: World, id: number): TcpPeerTransport {
    const transport = new TcpPeerTransport({
      network: world.network(id),
      clock: world.clock,
      random: new SeededRandom(id),
      identity: {
        clusterId: clusterId(1n),
        memberId: memberId(BigInt(id)),
        storeId: storeId(BigInt(id)),
        bootEpoch: id * 10,
      },
      name: `n${id}`,
      listenAddress: `${world.host(id)}:0`,
      peers: [],
    });
    running.push(transport);
    return transport;
  }

  async function newPair() {
    const world = newWorld();
    const [near, far] = [newTransport(world, 1), newTransport(world, 2)];
    const [nearSide, farSide] = [new Recorder(), new Recorder()];
    await near.start(nearSide);
    await far.start(farSide);
    near.setPeers([{ memberId: b, address: far.address ?? '' }]);
    far.setPeers([{ memberId: a, address: near.address ?? '' }]);
    await nearSide.until(({ events }) => events.some(({ type }) => type === 'connected'));
    await farSide.until(({ events }) => events.some(({ type }) => type === 'connected'));
    return { near, far, nearSide, farSide };
  }

  it('says who is there', async () => {
    const { near, nearSide, far } = await newPair();
    expect(nearSide.heard.events).toContainEqual({ type: 'connected', peer: b, bootEpoch: 20 });
    expect([near.isConnected(b), near.isConnected(memberId(9n))]).toEqual([true, false]);
    await far.close();
    await nearSide.until(({ events }) => events.some((e) => 'refused' in e && e.refused));
    expect(near.isConnected(b)).toBe(false);
  });

  it('carries messages', async () => {
    const { near, farSide } = await newPair();
    near.send(heartbeat);
    near.send(append);
    await farSide.until(({ messages }) => messages.length === 2);
    expect(farSide.heard.messages).toContainEqual(heartbeat);
    expect(farSide.heard.messages).toContainEqual(append);
  });

  it('carries forwards and their answers', async () => {
    const { near, far, nearSide, farSide } = await newPair();
    const request = {
      ...{ requestId: requestId(2n ** 64n - 1n), term: term(3), body: utf8('body') },
      isQuestion: false,
    };
    near.send(append);
    await farSide.until(({ messages }) => messages.length === 1);
    expect(near.forward(b, [request])).toBe(true);
    await farSide.until(({ forwards }) => forwards.length === 1);
    expect(farSide.heard.forwards).toEqual([[request]]);
    const responses: ForwardResponse[] = [
      { requestId: requestId(1n), result: { ok: true, index: index(8), body: utf8('result') } },
      {
        requestId: requestId(2n),
        result: { ok: false, code: 'no-leader', outcome: 'not-applied', message: 'none' },
      },
    ];
    far.forwarded(a, responses);
    await nearSide.until(({ forwarded }) => forwarded.length === 1);
    expect(nearSide.heard.forwarded).toEqual([responses]);
  });

  it('tells of an answer that no frame has room for that it was too large, and goes on', async () => {
    const { far, nearSide } = await newPair();
    const answer = (id: bigint, bytes: number): ForwardResponse => ({
      requestId: requestId(id),
      result: { ok: true, index: index(7), body: new Uint8Array(bytes) },
    });
    far.forwarded(a, [answer(1n, 21 * 1024 * 1024), answer(2n, 3)]);
    await nearSide.until(({ forwarded }) => forwarded.flat().length === 2);
    const [large, small] = nearSide.heard.forwarded.flat();
    expect(large?.result).toMatchObject({ ok: false, code: 'too-large', outcome: 'applied' });
    expect(small?.result.ok).toBe(true);
  });

  it('does not forward to whom it has no connection', async () => {
    const { near } = await newPair();
    const request = { requestId: requestId(1n), term: term(3), body: utf8('body') };
    expect(near.forward(memberId(9n), [request])).toBe(false);
  });

  it('cuts many forwards into frames of bounded size', async () => {
    const { near, farSide } = await newPair();
    near.send(append);
    await farSide.until(({ messages }) => messages.length === 1);
    const body = new Uint8Array(700_000);
    const requests = [1n, 2n, 3n].map((id) => ({ requestId: requestId(id), term: term(3), body }));
    expect(near.forward(b, requests)).toBe(true);
    await farSide.until(({ forwards }) => forwards.flat().length === 3);
    expect(farSide.heard.forwards.map(({ length }) => length)).toEqual([1, 1, 1]);
    expect(farSide.heard.forwards.flat().map(({ requestId: id }) => id)).toEqual([1n, 2n, 3n]);
  });

  it('streams a snapshot with what describes it', async () => {
    const { near, farSide } = await newPair();
    const received: unknown[] = [];
    farSide.onSnapshot = async ({ from, snapshot: announced, chunksFrom: bytesFrom }) => {
      received.push(from, announced);
      for await (const chunk of bytesFrom(0)) received.push(Buffer.from(chunk).toString());
    };
    async function* chunksFrom(): AsyncGenerator<Uint8Array> {
      yield utf8('abc');
      yield utf8('def');
    }
    await near.sendSnapshot({ to: b, snapshot, chunksFrom, signal: never });
    expect(received).toEqual([a, snapshot, 'abc', 'def']);
  });

  it('hands the error of a receiver back', async () => {
    const { near, farSide } = await newPair();
    farSide.onSnapshot = () => Promise.reject(new HoldfastError('corrupt', 'its hash is wrong'));
    async function* chunksFrom(): AsyncGenerator<Uint8Array> {
      yield utf8('abc');
    }
    const sending = near.sendSnapshot({ to: b, snapshot, chunksFrom, signal: never });
    await expect(sending).rejects.toMatchObject({ code: 'corrupt' });
  });

  it('ends the connection of one who speaks for another, and goes on', async () => {
    const { near, nearSide, farSide } = await newPair();
    const before = nearSide.heard.events.length;
    near.send({ ...heartbeat, from: memberId(7n) });
    await nearSide.until(({ events }) => events.length >= before + 2);
    expect(farSide.heard.messages).toEqual([]);
    near.send(heartbeat);
    await farSide.until(({ messages }) => messages.length === 1);
  });
});

const never = new AbortController().signal;

describe('groups by size', () => {
  it('are bounded, in order, and never empty', () => {
    const group = (sizes: number[]) => groupBySize(sizes, 10, (size) => size);
    expect(group([])).toEqual([]);
    expect(group([4, 6, 1])).toEqual([[4, 6], [1]]);
    expect(group([50, 1, 50])).toEqual([[50], [1], [50]]);
    expect(group([0, 0])).toEqual([[0, 0]]);
  });
});
