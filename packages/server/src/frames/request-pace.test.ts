// Goal: however many requests come in one turn, a bounded number is begun, each connection's in
// order and in turn with the others', and whoever sends little waits little. Method: turns by hand.

import { Request } from '@holdfast/proto/client';
import { beforeEach, describe, expect, it } from 'vitest';

import { RequestPace, RequestQueue } from './request-pace.ts';

let turns: (() => void)[];
let pace: RequestPace;
let taken: string[];
let paused: string[];

beforeEach(() => {
  turns = [];
  taken = [];
  paused = [];
  pace = new RequestPace((action) => turns.push(action));
});

function turn(): void {
  for (const action of turns.splice(0)) action();
}

/** A frame's one byte says how many requests are in it, in hundreds. */
function queue(name: string, more: { readonly take?: () => void } = {}): RequestQueue {
  let id = 0;
  return new RequestQueue({
    pace,
    reading: {
      pause: () => paused.push(name),
      resume: () => paused.splice(paused.indexOf(name), 1),
    },
    decode: ([hundreds]) => {
      if (hundreds === 99) throw new Error('no frame');
      return Array.from({ length: (hundreds ?? 0) * 100 }, () => ({
        ...Request.decode(new Uint8Array(0)),
        id: id++,
      }));
    },
    take: (request) => {
      taken.push(`${name} ${request.id}`);
      more.take?.();
    },
    onTaken: () => taken.push(`${name} taken`),
    onMistake: (error) => taken.push(`${name} ${(error as Error).message}`),
  });
}

const countOf = (name: string): number => taken.filter((one) => one.startsWith(name)).length;

describe('requests of a turn', () => {
  it('are begun at once where there are few, and those of other turns do not count', () => {
    const one = queue('one');
    for (let times = 0; times < 5; times += 1) {
      one.push(Uint8Array.of(2));
      expect(countOf('one')).toBe((times + 1) * 201);
      turn();
    }
    expect(paused).toEqual([]);
  });

  it('are begun up to a bound, in order, and their connection is not read from meanwhile', () => {
    const one = queue('one');
    one.push(Uint8Array.of(15));
    one.push(Uint8Array.of(15));
    expect([countOf('one'), paused]).toEqual([1024, ['one']]);
    turn();
    turn();
    const ids = taken
      .filter((line) => !line.endsWith('taken'))
      .map((line) => Number(line.slice(4)));
    expect(ids).toEqual(Array.from({ length: 3000 }, (_, at) => at));
    expect([taken.indexOf('one taken'), taken.at(-1), paused]).toEqual([1500, 'one taken', []]);
  });

  it('of crowds take turns, and one that sends little waits for one turn of each', () => {
    const crowd = Array.from({ length: 8 }, (_, at) => queue(`c${at}`));
    for (const one of crowd) one.push(Uint8Array.of(90));
    const small = queue('small');
    small.push(Uint8Array.of(1));
    expect(countOf('small')).toBe(0);
    for (let times = 0; times < 3; times += 1) turn();
    expect(countOf('small')).toBe(101);
    expect(crowd.map((_, at) => countOf(`c${at}`)).every((count) => count >= 256)).toBe(true);
  });

  it('end with their connection, with a mistake and with a request that ends it', () => {
    const [one, two] = [queue('one'), queue('two')];
    one.push(Uint8Array.of(20));
    two.push(Uint8Array.of(1));
    two.push(Uint8Array.of(99));
    two.push(Uint8Array.of(1));
    one.close();
    turn();
    expect([countOf('one'), countOf('two 1'), taken.at(-1)]).toEqual([1024, 11, 'two no frame']);
    const three = queue('three', { take: () => three.close() });
    three.push(Uint8Array.of(5));
    expect(countOf('three')).toBe(2);
    expect(paused).toEqual(['one']);
  });
});
