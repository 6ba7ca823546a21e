// Goal: one leads at a time, says what it likes while it does, and whoever observes sees each in
// turn. Method: the service over an engine in memory.
import { HoldfastError } from '@holdfast/base/errors';
import { ManualClock } from '@holdfast/base/manual-clock';
import { MemoryEngine } from '@holdfast/engine/memory-engine';
import { encode } from '@holdfast/proto/encode';
import {
  CampaignRequest,
  CampaignResponse,
  type LeaderKey,
  LeaderRequest,
  LeaderResponse,
  ProclaimRequest,
  ProclaimResponse,
  ResignRequest,
  ResignResponse,
} from '@holdfast/proto/etcd-election';
import { beforeEach, describe, expect, it } from 'vitest';

import { type GrpcMethods, type StreamMethod, type UnaryMethod, unframed } from '../grpc/method.ts';
import { GrpcStatus } from '../grpc/status.ts';
import { TestStream } from '../grpc/stream-call.fixture.ts';
import { eventually } from '../http/test-door.fixture.ts';
import { electionService } from './election-service.ts';
import { askMethod, call } from './operated-engine.fixture.ts';

let engine: MemoryEngine;
let methods: GrpcMethods;

beforeEach(() => {
  const clock = new ManualClock();
  engine = new MemoryEngine({ clock });
  methods = electionService({ clock, engine: () => engine });
});

const name = Buffer.from('chief');
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (of: Uint8Array | undefined): string => new TextDecoder().decode(of);
const method = (of: string) => methods.get(`/v3electionpb.Election/${of}`);

async function granted(): Promise<bigint> {
  return (await engine.leaseGrant({ ttlMs: 10_000 }, call)).body.id;
}

function campaign(lease: bigint, value: string) {
  const end = new AbortController();
  const { handle, statusOf } = method('Campaign') as UnaryMethod;
  let state = 'waits';
  const answer = (async () => {
    try {
      const message = encode(CampaignRequest, { name, lease, value: bytes(value) });
      const framed = await handle(message, { ...call, signal: end.signal });
      state = 'leads';
      return CampaignResponse.decode(unframed(framed)).leader;
    } catch (error) {
      const status = error instanceof GrpcStatus ? error : statusOf(error);
      state = `${status.code} ${status.message}`;
      return undefined;
    }
  })();
  const cancel = (): void => end.abort(new HoldfastError('cancelled', 'it is over'));
  return { answer, state: () => state, cancel };
}

/** Who leads from now on. */
async function elected(value: string): Promise<LeaderKey> {
  const leader = await campaign(await granted(), value).answer;
  if (!leader) throw new Error('nobody was elected');
  return leader;
}

const proclaim = (leader: LeaderKey | undefined, value: string) =>
  askMethod(method('Proclaim'), [ProclaimRequest, ProclaimResponse], {
    ...{ leader, value: bytes(value) },
  });
const resign = (leader: LeaderKey | undefined) =>
  askMethod(method('Resign'), [ResignRequest, ResignResponse], { leader });
const leads = async () => {
  const { kv } = await askMethod(method('Leader'), [LeaderRequest, LeaderResponse], { name });
  return text(kv?.value);
};

const waits = async (count: number): Promise<void> =>
  await eventually(() => expect(engine.watcherCount).toBe(2 * count));

describe('an election', () => {
  it('is won by one at a time, in the order in which they came', async () => {
    const lease = await granted();
    const leader = (await campaign(lease, 'one').answer) as LeaderKey;
    expect(leader).toMatchObject({ rev: 2n, lease });
    expect(text(leader.key)).toBe(`chief/${lease.toString(16)}`);
    const second = campaign(await granted(), 'two');
    await waits(1);
    const third = campaign(await granted(), 'three');
    await waits(2);
    expect(await leads()).toBe('one');
    await resign(leader);
    const next = await second.answer;
    expect([await leads(), third.state()]).toEqual(['two', 'waits']);
    await resign(next);
    await third.answer;
    expect(await leads()).toBe('three');
  });

  it('is led without a wait by the lease that leads, with what it says now', async () => {
    const lease = await granted();
    const first = await campaign(lease, 'one').answer;
    const again = await campaign(lease, 'other').answer;
    expect(again).toEqual(first);
    expect(await leads()).toBe('other');
  });

  it('is left by who is cancelled, or loses its lease', async () => {
    const leader = await elected('one');
    const second = campaign(await granted(), 'two');
    await waits(1);
    const lease = await granted();
    const third = campaign(lease, 'three');
    await waits(2);
    second.cancel();
    await second.answer;
    expect(second.state()).toBe('1 context canceled');
    await waits(1);
    await engine.leaseRevoke(lease, call);
    await third.answer;
    expect(third.state()).toBe('2 election: not leader');
    await resign(leader);
    await expect(leads()).rejects.toThrow('2 election: no leader');
  });

  it('lets its leader proclaim, and nobody who does not lead', async () => {
    const leader = await elected('one');
    await proclaim(leader, 'louder');
    expect(await leads()).toBe('louder');
    await expect(proclaim({ ...leader, rev: leader.rev + 1n }, 'x')).rejects.toThrow(
      '2 election: not leader',
    );
    await resign({ ...leader, rev: leader.rev + 1n });
    expect(await leads()).toBe('louder');
    await resign(leader);
    await expect(proclaim(leader, 'x')).rejects.toThrow('2 election: not leader');
  });

  it('refuses what names nobody', async () => {
    const missing = '3 "leader" field must be provided';
    await expect(proclaim(undefined, 'x')).rejects.toThrow(missing);
    await expect(resign(undefined)).rejects.toThrow(missing);
    const nobody = { name, key: new Uint8Array(0), rev: 0n, lease: 0n };
    await expect(resign(nobody)).rejects.toThrow('3 etcdserver: key is not provided');
    const lost = campaign(77n, 'x');
    await lost.answer;
    expect(lost.state()).toBe('5 etcdserver: requested lease not found');
  });
});

function observe(): TestStream {
  const stream = new TestStream(method('Observe') as StreamMethod);
  stream.say(encode(LeaderRequest, { name }));
  stream.sayAll();
  return stream;
}

const seen = ({ sent }: TestStream): string[] =>
  sent.map((one) => text(LeaderResponse.decode(one).kv?.value));

describe('whoever observes', () => {
  it('sees who leads, what it proclaims, and who comes after it', async () => {
    const early = observe();
    await eventually(() => expect(engine.watcherCount).toBe(1));
    const first = await elected('one');
    await eventually(() => expect(seen(early)).toEqual(['one']));
    const late = observe();
    await eventually(() => expect(seen(late)).toEqual(['one']));
    await eventually(() => expect(engine.watcherCount).toBe(2));
    await proclaim(first, 'more');
    const second = campaign(await granted(), 'two');
    await eventually(() => expect(engine.watcherCount).toBe(4));
    await resign(first);
    await second.answer;
    const all = ['one', 'more', 'two'];
    await eventually(() => expect([seen(early), seen(late)]).toEqual([all, all]));
    const revisions = late.sent.map((one) => LeaderResponse.decode(one).header?.revision ?? 0);
    expect(revisions).toEqual([...revisions].sort((a, b) => a - b));
    for (const stream of [early, late]) stream.leave();
    await eventually(() => expect(engine.watcherCount).toBe(0));
  });

  it('is told no more than it takes', async () => {
    const leader = await elected('0');
    const stream = observe();
    stream.roomMessages = 1;
    await eventually(() => expect(seen(stream)).toEqual(['0']));
    for (let at = 1; at < 50; at += 1) await proclaim(leader, `${at}`);
    expect(stream.sent).toHaveLength(1);
    stream.makeRoom();
    await eventually(() => expect(stream.sent).toHaveLength(50));
    stream.leave();
  });

  it('hears of the end of the member', async () => {
    const stream = observe();
    await eventually(() => expect(engine.watcherCount).toBe(1));
    engine.refusal = new HoldfastError('shutting-down', 'this member is stopping');
    const other = observe();
    await eventually(() => expect(other.ended).toBe('14 etcdserver: server stopped'));
    stream.leave();
  });
});
