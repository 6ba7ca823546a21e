// Goal: a range in pieces answers what a range at once answers, whatever is asked and whatever
// happens meanwhile, and lets others run. Method: the service over an engine in memory, asked with
// a room, for which it makes pieces, and without one.
import { keyBytesMax } from '@holdfast/base/key';
import { ManualClock } from '@holdfast/base/manual-clock';
import { MemoryEngine } from '@holdfast/engine/memory-engine';
import { encode } from '@holdfast/proto/encode';
import {
  PutRequest,
  RangeRequest,
  RangeRequest_SortOrder,
  RangeRequest_SortTarget,
  RangeResponse,
} from '@holdfast/proto/etcd';
import { beforeAll, describe, expect, it } from 'vitest';

import type { CallRoom } from '../grpc/call-room.ts';
import { type GrpcCall, unframed } from '../grpc/method.ts';
import { kvService } from './kv-service.ts';

const keys = 2600;
const nothing = new Uint8Array(0);
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (of: Uint8Array): string => new TextDecoder().decode(of);
const caller = { actor: 'tester', header: () => undefined };

let engine: MemoryEngine;
let methods: ReturnType<typeof kvService>;
/** After every key was written once, and before a third of them was written again. */
let once = 0n;

class Room implements CallRoom {
  turns = 0;
  heededKeys = 0;
  isBegun = false;
  /** Whether it is let go on at once. */
  readonly #isAlone: boolean;
  readonly #onTurn: (turn: number) => unknown;

  constructor(onTurn: (turn: number) => unknown = () => undefined, isAlone = true) {
    this.#onTurn = onTurn;
    this.#isAlone = isAlone;
  }

  /** As a real one: for whoever comes behind it. */
  get isFull(): boolean {
    return this.isBegun;
  }

  wait(): Promise<void> {
    return Promise.reject(new Error('it waits for itself'));
  }

  expect(): void {}

  heed({ kvs }: { readonly kvs: readonly unknown[] }): void {
    this.heededKeys += kvs.length;
  }

  asLong(): this {
    return this;
  }

  begin(): boolean {
    this.isBegun = true;
    return this.#isAlone;
  }

  async turn(): Promise<void> {
    this.turns += 1;
    await this.#onTurn(this.turns);
  }
}

async function ask(more: Partial<RangeRequest>, room?: CallRoom): Promise<RangeResponse> {
  const method = methods.get('/etcdserverpb.KV/Range');
  const call: GrpcCall = { ...caller, signal: new AbortController().signal, room };
  const request = { ...RangeRequest.decode(nothing), ...more };
  const answer = await method?.handle(encode(RangeRequest, request), call);
  return RangeResponse.decode(unframed(answer as Uint8Array));
}

async function put(key: string, value: string | Uint8Array): Promise<bigint> {
  const request = {
    ...PutRequest.decode(nothing),
    key: bytes(key),
    value: typeof value === 'string' ? bytes(value) : value,
  };
  await methods.get('/etcdserverpb.KV/Put')?.handle(encode(PutRequest, request), {
    ...caller,
    signal: new AbortController().signal,
  });
  return BigInt((await ask({ key: bytes(key) })).header?.revision ?? 0);
}

const keyOf = (at: number): string => `k${String(at).padStart(5, '0')}`;

beforeAll(async () => {
  engine = new MemoryEngine({ clock: new ManualClock() });
  methods = kvService({ engine: () => engine, requestBytesMax: 4_000_000 });
  for (let at = 0; at < keys; at += 1) once = await put(keyOf(at), `value ${at % 7}`);
  for (let at = 0; at < keys; at += 3) await put(keyOf(at), `again ${at % 5}`);
});

const all = { key: bytes('k'), rangeEnd: bytes('l') };
const { DESCEND, ASCEND } = RangeRequest_SortOrder;
const { KEY, VERSION, CREATE, MOD, VALUE } = RangeRequest_SortTarget;

describe('a range in pieces', () => {
  it.each<[string, () => Partial<RangeRequest>]>([
    ['all', () => all],
    ['everything', () => ({ key: new Uint8Array(1), rangeEnd: new Uint8Array(1) })],
    ['a limit', () => ({ ...all, limit: 1300n })],
    ['a limit at the end of a piece', () => ({ ...all, limit: 2048n })],
    ['a limit beyond all', () => ({ ...all, limit: 5000n })],
    ['no values', () => ({ ...all, keysOnly: true })],
    ['an old revision', () => ({ ...all, revision: once })],
    ['an old revision with a limit', () => ({ ...all, revision: once - 900n, limit: 1100n })],
    ['a count at an old revision', () => ({ ...all, revision: once, countOnly: true })],
    ['one key of an old revision', () => ({ ...all, revision: once, limit: 1n })],
    ['from the last key', () => ({ ...all, sortOrder: DESCEND, sortTarget: KEY })],
    ['by version', () => ({ ...all, sortOrder: ASCEND, sortTarget: VERSION })],
    ['by creation, the last first', () => ({ ...all, sortOrder: DESCEND, sortTarget: CREATE })],
    ['by change, a few', () => ({ ...all, sortOrder: DESCEND, sortTarget: MOD, limit: 1600n })],
    [
      'by value, without it',
      () => ({ ...all, sortOrder: ASCEND, sortTarget: VALUE, keysOnly: true }),
    ],
    ['changed since', () => ({ ...all, minModRevision: once + 1n })],
    ['not changed since, a few', () => ({ ...all, maxModRevision: once, limit: 5n })],
    ['an old revision by value', () => ({ ...all, revision: once, sortTarget: VALUE })],
  ])('is what it is at once: %s', async (_name, request) => {
    const room = new Room();
    const inPieces = await ask(request(), room);
    expect(inPieces).toEqual(await ask(request()));
    expect(room.isBegun).toBe(true);
    expect(room.turns).toBeGreaterThanOrEqual(1);
    const late = new Room(undefined, false);
    expect(await ask(request(), late)).toEqual(inPieces);
    expect(late.turns).toBe(room.turns + 1);
  });

  it.each<[string, Partial<RangeRequest>]>([
    ['few keys', { key: bytes('k00000'), rangeEnd: bytes('k00500') }],
    ['a small limit', { ...all, limit: 1024n }],
    ['a count', { ...all, countOnly: true }],
    ['no key that is asked for', { ...all, key: bytes('kx') }],
    ['one key', { key: bytes('k00000') }],
    ['no key', { key: bytes('x'), rangeEnd: bytes('y') }],
  ])('is none where there is little: %s', async (_name, request) => {
    const room = new Room();
    expect(await ask(request, room)).toEqual(await ask(request));
    expect([room.isBegun, room.turns]).toEqual([false, 0]);
  });

  it('is of one revision, whatever is written meanwhile', async () => {
    const before = await ask(all);
    const room = new Room(async (turn) => await put(keyOf(turn * 800), 'meanwhile'));
    expect(await ask(all, room)).toEqual(before);
    expect(room.heededKeys).toBe(keys);
    expect((await ask(all)).header?.revision).toBeGreaterThan(Number(before.header?.revision));
  });

  it('goes on behind a key that is as long as one may be', async () => {
    const long = (last: number): string => `mz${String(last).padStart(keyBytesMax - 2, '0')}`;
    for (let at = 0; at < 1030; at += 1) await put(at < 1020 ? `m${at}` : long(at), '');
    const request = { key: bytes('m'), rangeEnd: bytes('n'), keysOnly: true };
    const answer = await ask(request, new Room());
    expect([answer.kvs.length, answer.count]).toEqual([1030, 1030]);
    const last = { ...request, key: bytes(long(1029)), rangeEnd: new Uint8Array(1), limit: 2n };
    expect((await ask(last, new Room())).kvs).toHaveLength(1);
  });

  it('is made of few large values as well', async () => {
    const value = new Uint8Array(700_000).fill(97);
    for (let at = 0; at < 5; at += 1) await put(`large${at}`, value);
    const large = { key: bytes('large'), rangeEnd: bytes('largf') };
    const room = new Room();
    const sizes = ({ kvs }: RangeResponse) => kvs.map((kv) => [text(kv.key), kv.value.length]);
    const answer = await ask(large, room);
    expect([sizes(answer), answer.count]).toEqual([sizes(await ask(large)), 5]);
    expect([room.isBegun, room.turns]).toEqual([true, 2]);
  });

  it('ends with its room, its time and what its engine refuses', async () => {
    const gone = new Room(() => Promise.reject(new Error('gone')));
    await expect(ask(all, gone)).rejects.toThrow('gone');
    await expect(ask({ ...all, revision: 1_000_000n }, new Room())).rejects.toThrow();
  });

  it('bears a compaction of its revision where none was asked for, and only there', async () => {
    let compacted = 0;
    const compact = async (turn: number): Promise<void> => {
      if (turn !== 2) return;
      compacted = Number((await ask({ key: bytes(await touched()) })).header?.revision);
      await engine.compact({ revision: compacted }, { ...caller, signal: neverEnds });
    };
    const answer = await ask(all, new Room(compact));
    expect([answer.kvs.length, answer.count]).toEqual([keys, keys]);
    expect(answer.header?.revision).toBe(compacted);
    const old = { ...all, revision: BigInt(compacted) };
    await expect(ask(old, new Room(compact))).rejects.toThrow('compacted');
  });
});

const neverEnds = new AbortController().signal;

async function touched(): Promise<string> {
  await put(keyOf(1), 'touched');
  return keyOf(1);
}
