// Goal: changes of one key never run beside each other, whatever becomes of those before; other
// keys do not wait. Method: work that ends when the test says so.
import { describe, expect, it } from 'vitest';
import { KeyedLanes } from './keyed-lanes.ts';

describe('keyed lanes', () => {
  it('run one key in order, one at a time, and other keys beside it', async () => {
    const lanes = new KeyedLanes(10);
    const ends: (() => void)[] = [];
    const begun: string[] = [];
    const work = (name: string) => () => {
      begun.push(name);
      return new Promise<string>((resolve) => ends.push(() => resolve(name)));
    };
    const all = [
      lanes.run('a', work('a1')),
      lanes.run('a', work('a2')),
      lanes.run('b', work('b1')),
    ];
    await Promise.resolve();
    expect(begun).toEqual(['a1', 'b1']);
    ends[0]?.();
    expect(await all[0]).toBe('a1');
    await lanes.run('c', () => Promise.resolve()); // A whole lane's turn later.
    expect(begun).toEqual(['a1', 'b1', 'a2']);
    for (const end of ends) end();
    expect(await Promise.all(all)).toEqual(['a1', 'a2', 'b1']);
  });

  it('go on after a failure', async () => {
    const lanes = new KeyedLanes(10);
    const failing = lanes.run('a', () => Promise.reject(new Error('no')));
    const following = lanes.run('a', () => Promise.resolve(1));
    await expect(failing).rejects.toThrow('no');
    expect(await following).toBe(1);
  });

  it('refuse who comes to a full lane', async () => {
    const lanes = new KeyedLanes(1);
    let end: () => void = () => undefined;
    const first = lanes.run(
      'a',
      () =>
        new Promise<void>((resolve) => {
          end = resolve;
        }),
    );
    await expect(lanes.run('a', () => Promise.resolve())).rejects.toMatchObject({
      code: 'resource-exhausted',
      outcome: 'not-applied',
    });
    await Promise.resolve();
    end();
    await first;
    await lanes.run('a', () => Promise.resolve());
  });
});
