// Goal: calls that require a leader are refused where none is known, streams end after a while, and
// others never notice. Method: two methods that do nothing, over an engine that knows a leader or
// not.
import { HoldfastError } from '@holdfast/base/errors';
import { ManualClock } from '@holdfast/base/manual-clock';
import type { Engine } from '@holdfast/engine/engine';
import { MemoryEngine } from '@holdfast/engine/memory-engine';
import { LeaseKeepAliveRequest, LeaseKeepAliveResponse } from '@holdfast/proto/etcd';
import { beforeEach, describe, expect, it } from 'vitest';

import type { GrpcMethod, StreamMethod, UnaryMethod } from '../grpc/method.ts';
import { TestStream } from '../grpc/test-stream.fixture.ts';
import { etcdStatusOf } from './etcd-status.ts';
import { requiringLeader } from './require-leader.ts';

const wish = { hasleader: 'true' };
const answer = new Uint8Array(5);

let clock: ManualClock;
let engine: MemoryEngine;
let unary: UnaryMethod;
let stream: StreamMethod;
let opened: number;

beforeEach(() => {
  clock = new ManualClock();
  engine = new MemoryEngine({ clock });
  serve(() => engine);
});

function serve(engineOf: () => Engine): void {
  opened = 0;
  const of = { name: 'none', statusOf: etcdStatusOf };
  const bare = new Map<string, GrpcMethod>([
    ['unary', { ...of, kind: 'unary', handle: () => Promise.resolve(answer) }],
    ['stream', { ...of, kind: 'stream', open }],
  ]);
  const methods = requiringLeader(bare, { engine: engineOf, clock, electionMs: 1000 });
  unary = methods.get('unary') as UnaryMethod;
  stream = methods.get('stream') as StreamMethod;
}

const open: StreamMethod['open'] = () => {
  opened += 1;
  const ignore = (): void => undefined;
  return { onMessage: ignore, onEnd: ignore, onRoom: ignore, onGone: ignore };
};

const say = async (headers: Readonly<Record<string, string>>) =>
  await unary.handle(new Uint8Array(0), {
    ...{ actor: 'tester', signal: new AbortController().signal },
    header: (name) => headers[name],
  });
const begin = (headers: Readonly<Record<string, string>> = wish) =>
  new TestStream(stream, [LeaseKeepAliveRequest, LeaseKeepAliveResponse], headers);

describe('a call that requires a leader', () => {
  it('is served while one is known, and refused at once while none is', async () => {
    expect(await say(wish)).toBe(answer);
    engine.hasLeader = false;
    await expect(say(wish)).rejects.toThrow('etcdserver: no leader');
    expect(await say({})).toBe(answer);
    expect(await say({ hasleader: 'false' })).toBe(answer);
    engine.hasLeader = true;
    expect(await say(wish)).toBe(answer);
  });

  it('is told why there is no engine, and not that there is no leader', async () => {
    serve(() => {
      throw new HoldfastError('unavailable', 'this member is starting');
    });
    await expect(say(wish)).rejects.toThrow('this member is starting');
    expect(begin().status).toBe('14 this member is starting');
  });
});

describe('a stream that requires a leader', () => {
  it('ends when none was known for three election timeouts, and others go on', () => {
    const [requiring, indifferent] = [begin(), begin({})];
    clock.advance(10_000);
    engine.hasLeader = false;
    clock.advance(2999);
    expect(requiring.status).toBeUndefined();
    clock.advance(1);
    expect(requiring.status).toBe('14 etcdserver: no leader');
    clock.advance(10_000);
    expect(indifferent.status).toBeUndefined();
    expect(clock.pendingCount).toBe(0);
  });

  it('goes on over an election', () => {
    const requiring = begin();
    for (let election = 0; election < 3; election += 1) {
      engine.hasLeader = false;
      clock.advance(1900);
      engine.hasLeader = true;
      clock.advance(1000);
    }
    expect(requiring.status).toBeUndefined();
    requiring.leave();
    expect(clock.pendingCount).toBe(0);
  });

  it('that is opened in an election goes on after it, and has as long to wait', () => {
    engine.hasLeader = false;
    const [early, late] = [begin(), begin()];
    early.leave();
    clock.advance(2900);
    expect([opened, late.status]).toEqual([2, undefined]);
    engine.hasLeader = true;
    clock.advance(10_000);
    expect(late.status).toBeUndefined();
    engine.hasLeader = false;
    const third = begin();
    clock.advance(3000);
    expect([late.status, third.status]).toEqual(Array(2).fill('14 etcdserver: no leader'));
    expect(clock.pendingCount).toBe(0);
  });

  it('ends with an engine that is gone', () => {
    let isThere = true;
    serve(() => {
      if (isThere) return engine;
      throw new HoldfastError('unavailable', 'this member starts anew');
    });
    const requiring = begin();
    isThere = false;
    clock.advance(3000);
    expect(requiring.status).toBe('14 etcdserver: no leader');
  });
});
