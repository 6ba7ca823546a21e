// Goal: the memory twin of the peer transport is what connections are, as far as a replica can
// tell: in order, best effort, refused where nobody listens, a stream that breaks with its link.
// The cases follow peer-transport.test.ts, on a clock that the test moves.
import { utf8 } from '@holdfast/base/bytes';
import { HoldfastError } from '@holdfast/base/errors';
import { index, memberId, requestId, term } from '@holdfast/base/ids';
import { ManualClock } from '@holdfast/base/manual-clock';
import { newConfiguration } from '@holdfast/raft/configuration';
import type { Message } from '@holdfast/raft/message';
import { MemoryPeers } from '@holdfast/replica/memory-peers';
import type { ForwardResponse, PeerHandler, StoredSnapshot } from '@holdfast/replica/ports';
import { describe, expect, it } from 'vitest';

const [a, b] = [memberId(1n), memberId(2n)];
const heartbeat = (round: number): Message => ({
  type: 'heartbeat',
  from: a,
  to: b,
  term: term(3),
  commit: index(7),
  round,
  freshStampMs: 1.5,
  freshCommit: index(6),
});
const snapshot: StoredSnapshot = {
  last: { index: index(5), term: term(2) },
  configuration: newConfiguration({ voters: [a, b] }),
  bytes: 6,
  stateHash: 9n,
  checksum: 7,
};
const never = new AbortController().signal;

async function newPair() {
  const clock = new ManualClock();
  const peers = new MemoryPeers({ clock, latencyMs: 1 });
  const heard: unknown[] = [];
  const handlerOf = (who: string, onSnapshot: PeerHandler['onSnapshot']): PeerHandler => ({
    onMessage: (message) => heard.push([who, message]),
    onForward: (from, requests) => heard.push([who, from, requests]),
    onForwarded: (from, responses) => heard.push([who, from, responses]),
    onPeerEvent: (event) => heard.push([who, event]),
    onSnapshot,
  });
  const accept = { onSnapshot: (() => Promise.resolve()) as PeerHandler['onSnapshot'] };
  const [near, far] = [peers.transport(a, 10), peers.transport(b, 20)];
  await near.start(handlerOf('a', () => Promise.resolve()));
  await far.start(handlerOf('b', (...args) => accept.onSnapshot(...args)));
  await clock.advanceAsync(1);
  return { clock, peers, near, far, heard, accept };
}

describe('MemoryPeers', () => {
  it('says who is there, and who is not any more', async () => {
    const { clock, near, far, heard } = await newPair();
    expect(heard).toContainEqual(['a', { type: 'connected', peer: b, bootEpoch: 20 }]);
    expect([near.isConnected(b), near.isConnected(memberId(9n))]).toEqual([true, false]);
    await far.close();
    await clock.advanceAsync(1);
    expect(heard).toContainEqual(['a', { type: 'unreachable', peer: b, refused: true }]);
    expect(near.isConnected(b)).toBe(false);
  });

  it('carries messages in order, and none through a cut', async () => {
    const { clock, peers, near, heard } = await newPair();
    heard.length = 0;
    near.send(heartbeat(1));
    near.send(heartbeat(2));
    await clock.advanceAsync(1);
    expect(heard).toEqual([
      ['b', heartbeat(1)],
      ['b', heartbeat(2)],
    ]);
    near.send(heartbeat(3));
    peers.cut(a, b);
    await clock.advanceAsync(5);
    expect(heard).toHaveLength(2);
    peers.heal(a, b);
    await clock.advanceAsync(1);
    expect(heard).toContainEqual(['b', { type: 'connected', peer: a, bootEpoch: 10 }]);
  });

  it('carries forwards as bytes of their own, and their answers', async () => {
    const { clock, near, far, heard } = await newPair();
    heard.length = 0;
    const request = { requestId: requestId(1n), term: term(3), body: utf8('body') };
    expect(near.forward(b, [request])).toBe(true);
    expect(near.forward(memberId(9n), [request])).toBe(false);
    request.body[0] = 0;
    const result = { ok: true, index: index(8), body: utf8('x') } as const;
    const responses: ForwardResponse[] = [{ requestId: requestId(1n), result }];
    far.forwarded(a, responses);
    await clock.advanceAsync(1);
    expect(heard).toEqual([
      ['b', a, [{ ...request, body: utf8('body') }]],
      ['a', b, responses],
    ]);
  });

  it('streams a snapshot, hands an error back, and breaks with the link', async () => {
    const { clock, peers, near, accept } = await newPair();
    async function* chunksFrom(): AsyncGenerator<Uint8Array> {
      yield utf8('abc');
      yield utf8('def');
    }
    const received: string[] = [];
    accept.onSnapshot = async (incoming) => {
      for await (const chunk of incoming.chunksFrom(0))
        received.push(Buffer.from(chunk).toString());
    };
    const whole = near.sendSnapshot({ to: b, snapshot, chunksFrom, signal: never });
    await clock.advanceAsync(10);
    await whole;
    expect(received).toEqual(['abc', 'def']);
    const broken = near.sendSnapshot({ to: b, snapshot, chunksFrom, signal: never });
    const breaks = expect(broken).rejects.toMatchObject({ code: 'unavailable' });
    peers.cut(a, b);
    await clock.advanceAsync(10);
    await breaks;
    peers.heal(a, b);
    accept.onSnapshot = () => Promise.reject(new HoldfastError('corrupt', 'its hash is wrong'));
    const refused = near.sendSnapshot({ to: b, snapshot, chunksFrom, signal: never });
    await expect(refused).rejects.toMatchObject({ code: 'corrupt' });
  });
});
