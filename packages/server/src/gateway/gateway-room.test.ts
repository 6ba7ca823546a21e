// Goal: whoever makes a long answer for the gateway gives its turn back, whenever its client goes.
import { ManualClock } from '@holdfast/base/manual-clock';
import { beforeEach, describe, expect, it } from 'vitest';

import { UnreadAnswers } from '../grpc/unread-answers.ts';
import { defaultHttpLimits } from '../http/http-context.ts';
import { GatewayRoom } from './gateway-room.ts';

const clock = new ManualClock();
let unread: UnreadAnswers;
let gone: Set<GatewayRoom>;

beforeEach(() => {
  unread = new UnreadAnswers({ clock, bytesMax: 1024 });
  gone = new Set();
});

function room(): GatewayRoom {
  const one: GatewayRoom = new GatewayRoom({
    ...{ context: { clock, limits: defaultHttpLimits }, unread },
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
