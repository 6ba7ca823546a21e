// Goal: whoever makes a long answer for the gateway gives its turn back, whenever its client goes.
import { ManualClock } from '@holdfast/base/manual-clock';
import type { KeyValue } from '@holdfast/proto/internal';
import { beforeEach, describe, expect, it } from 'vitest';

import { UnreadAnswers } from '../grpc/unread-answers.ts';
import { defaultHttpLimits } from '../http/http-context.ts';
import { GatewayRoom } from './gateway-room.ts';

const clock = new ManualClock();
let unread: UnreadAnswers;
let gone: Set<GatewayRoom>;
let givenUp: number;

beforeEach(() => {
  unread = new UnreadAnswers({ clock, bytesMax: 1024 });
  gone = new Set();
  givenUp = 0;
});

/** Of a client that has taken so much of its answer. */
function room(sentBytes = () => 0, hasRead = false): GatewayRoom {
  const giveUp = (): void => {
    givenUp += 1;
    leave(one);
  };
  const one: GatewayRoom = new GatewayRoom({
    ...{ context: { clock, limits: defaultHttpLimits }, unread },
    reader: { hasRead, sentBytes, giveUp },
    isOver: () => gone.has(one),
    checkBytes: () => undefined,
  });
  return one;
}

function leave(one: GatewayRoom): void {
  gone.add(one);
  one.close();
}

describe('the turn of a long answer', () => {
  it('is given back by a client that goes while it has it, or waits for it', async () => {
    const [one, two, three] = [room(), room(), room()];
    expect([one, two, three].map((each) => each.asLong().begin())).toEqual([true, false, false]);
    const waits = Promise.allSettled([two.turn(), three.turn()]);
    leave(two);
    leave(one);
    expect((await waits).map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
    three.endTurn();
    expect(room().asLong().begin()).toBe(true);
  });

  it('is not taken for a client that went before it was asked for', async () => {
    const one = room();
    leave(one);
    const long = one.asLong();
    expect([long.isFull, long.begin()]).toEqual([false, false]);
    await expect(long.turn()).rejects.toThrow('the client has gone');
    expect(room().asLong().begin()).toBe(true);
  });
});

const pairOf = (bytes: number): KeyValue => ({
  ...{ key: new Uint8Array(1), value: new Uint8Array(bytes) },
  ...{ createRevision: 1, modRevision: 1, version: 1, lease: 0n },
});

/** An answer that is larger than all that may be unread. */
function answerLong(one: GatewayRoom): void {
  expect(one.asLong().begin()).toBe(true);
  one.heed({ kvs: [pairOf(4096)], more: false, count: 1 });
  one.endTurn();
  one.made();
}

describe('a long answer that is not read', () => {
  it('makes way for those who wait, and only for them', async () => {
    answerLong(room());
    await clock.advanceAsync(10_000);
    expect(givenUp).toBe(0);
    const next = room();
    expect(next.asLong().begin()).toBe(false);
    const isItsTurn = next.turn();
    await clock.advanceAsync(4000);
    await isItsTurn;
    expect(givenUp).toBe(1);
  });

  it('keeps its room while its client takes it as it can', async () => {
    answerLong(room(() => 2 * clock.monotonicMs()));
    const next = room();
    next.asLong().begin();
    const turn = next.turn();
    await clock.advanceAsync(9000);
    expect(givenUp).toBe(0);
    leave(next);
    await expect(turn).rejects.toThrow('the client has gone');
  });

  it('lets a client that reads go before others that have asked earlier', async () => {
    const one = room();
    answerLong(one);
    const order: string[] = [];
    const wait = (who: GatewayRoom, name: string) => {
      who.asLong().begin();
      return who.turn().then(() => order.push(name));
    };
    const [stranger, reader] = [room(), room(undefined, true)];
    const turns = [wait(stranger, 'stranger'), wait(reader, 'reader')];
    leave(one);
    await turns[1];
    reader.endTurn();
    await turns[0];
    expect(order).toEqual(['reader', 'stranger']);
  });
});
