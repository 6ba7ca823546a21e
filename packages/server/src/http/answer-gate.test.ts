// The gate of big answers by itself, on a clock that is advanced.
import { HoldfastError } from '@holdfast/base/errors';
import { ManualClock } from '@holdfast/base/manual-clock';
import { describe, expect, it } from 'vitest';

import { AnswerGate } from './answer-gate.ts';

const never = new AbortController().signal;
const turnOfLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function newGate() {
  const clock = new ManualClock();
  return { clock, gate: new AnswerGate({ clock, unreadBytesMax: 100, unreadMs: 30_000 }) };
}

describe('the gate of big answers', () => {
  it('makes one piece in a turn of the event loop, in order', async () => {
    const { gate } = newGate();
    const made: number[] = [];
    for (let at = 0; at < 50; at += 1) void gate.first(async () => made.push(at), never);
    for (let turn = 0; turn < 20; turn += 1) {
      const before = made.length;
      await turnOfLoop();
      expect(made.length - before).toBeLessThanOrEqual(1);
    }
    while (made.length < 50) await turnOfLoop();
    expect(made).toEqual(Array.from({ length: 50 }, (_, at) => at));
  });

  it('makes none while as much waits as may, and goes on when some was taken', async () => {
    const { gate } = newGate();
    const takes: (() => void)[] = [];
    const piece = async () => takes.push(gate.hold(60, () => undefined));
    const pieces = [1, 2, 3].map(() => gate.first(piece, never));
    await Promise.all(pieces.slice(0, 2));
    for (let turn = 0; turn < 5; turn += 1) await turnOfLoop();
    expect(takes).toHaveLength(2);
    expect(gate.unreadBytes).toBe(120);
    takes[0]?.();
    takes[0]?.(); // Counts once.
    await pieces[2];
    expect(gate.unreadBytes).toBe(120);
  });

  it('refuses whoever waits when its time is over, and those that are too many', async () => {
    const { gate } = newGate();
    gate.hold(100, () => undefined);
    const late = new AbortController();
    const waits = gate.first(async () => 1, late.signal);
    late.abort(new HoldfastError('deadline-exceeded', 'late'));
    await expect(waits).rejects.toMatchObject({ code: 'resource-exhausted' });
    const gone = new AbortController();
    const many = Array.from({ length: 1000 }, () => gate.first(async () => 1, gone.signal));
    const ends = Promise.allSettled(many);
    const one = gate.first(async () => 1, never);
    await expect(one).rejects.toMatchObject({ code: 'resource-exhausted' });
    gone.abort(new HoldfastError('cancelled', 'gone'));
    expect(await ends).toHaveLength(1000);
    const reasons = (await ends).map((end) => (end.status === 'rejected' ? end.reason.code : ''));
    expect(new Set(reasons)).toEqual(new Set(['cancelled']));
  });

  it('gives a reader up that takes nothing, sooner where all room is taken and others wait', () => {
    const { clock, gate } = newGate();
    const ended: string[] = [];
    const end = (name: string) => {
      const release = gate.hold(50, () => {
        ended.push(name);
        release();
      });
    };
    end('a');
    clock.advance(29_999);
    expect(ended).toEqual([]);
    clock.advance(1);
    expect(ended).toEqual(['a']);
    end('b');
    clock.advance(2000);
    end('c');
    void gate.first(async () => 1, never);
    clock.advance(2999);
    expect(ended).toEqual(['a']);
    clock.advance(1);
    expect(ended).toEqual(['a', 'b']);
    clock.advance(29_000 - 2001);
    expect(ended).toEqual(['a', 'b']); // There is room again.
  });

  it('goes on after a piece that can not be made', async () => {
    const { gate } = newGate();
    const fails = gate.first(() => Promise.reject(new Error('no')), never);
    const works = gate.next(async () => 1, never);
    await expect(fails).rejects.toThrow('no');
    expect(await works).toBe(1);
  });
});
