// Goal: never more at a time than may be, and whoever takes part gets its turn, however many others
// ask for. Method: turns taken and given back in the worst order.
import { describe, expect, it } from 'vitest';

import { Turns } from './turns.ts';

const turnsOf = (waitingMax: number): Turns =>
  new Turns({ runningMax: 2, waitingMax, what: 'wait' });

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('a turn', () => {
  it('goes to who waits for it, though somebody comes at that very moment', async () => {
    const turns = turnsOf(10);
    const begun: string[] = [];
    const take = (who: string) => turns.take(who).then(() => void begun.push(who));
    for (const who of ['a', 'b', 'c']) void take(who);
    await settled();
    turns.give();
    void take('d');
    await settled();
    expect(begun).toEqual(['a', 'b', 'c']);
    turns.give();
    await settled();
    expect(begun).toEqual(['a', 'b', 'c', 'd']);
  });

  it('is refused where too many wait, and free again when all are done', async () => {
    const turns = turnsOf(1);
    await turns.take('a');
    await turns.take('a');
    const waiting = turns.take('a');
    await expect(turns.take('a')).rejects.toMatchObject({ code: 'resource-exhausted' });
    turns.give();
    await waiting;
    turns.give();
    turns.give();
    await turns.take('a');
    await turns.take('a');
  });

  it('comes to who asks for few, though another one asks for more than there are', async () => {
    const turns = turnsOf(100);
    const begun: string[] = [];
    let refused = 0;
    const take = (from: string, name: string) =>
      turns.take(from).then(
        () => void begun.push(name),
        () => {
          refused += 1;
        },
      );
    for (let at = 0; at < 200; at += 1) void take('flood', `flood ${at}`);
    await settled();
    expect([begun.length, refused]).toEqual([2, 98]);
    for (const name of ['first', 'second']) void take('one of few', name);
    void take('flood', 'one more');
    await settled();
    expect([begun.length, refused]).toEqual([2, 101]);
    for (let at = 0; at < 4; at += 1) turns.give();
    await settled();
    expect(begun.slice(2)).toEqual(['flood 2', 'first', 'flood 3', 'second']);
    for (let at = 0; at < 96; at += 1) turns.give();
    await settled();
    expect([begun.length, begun.at(-1)]).toEqual([102, 'flood 99']);
  });

  it('is refused to one more where all who wait wait for one', async () => {
    const turns = turnsOf(3);
    for (const from of ['a', 'b']) await turns.take(from);
    const waiting = ['c', 'd', 'e'].map((from) => turns.take(from));
    for (const from of ['c', 'f']) {
      await expect(turns.take(from)).rejects.toMatchObject({ code: 'resource-exhausted' });
    }
    for (let at = 0; at < 5; at += 1) turns.give();
    await Promise.all(waiting);
  });
});
