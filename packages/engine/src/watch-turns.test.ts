// Goal: a crowd of watchers is served in small portions, in order, none twice before all once.
// Method: turns of the loop that the test opens by hand.
import { describe, expect, it } from 'vitest';
import { WatchTurns } from './watch-turns.ts';

function world() {
  const opened: (() => void)[] = [];
  const turns = new WatchTurns((action) => void opened.push(action));
  const served: number[] = [];
  const ask = async (watcher: number): Promise<void> => {
    await turns.take();
    served.push(watcher);
  };
  /** One turn of the loop; answers whether there was one to come. */
  const turn = async (): Promise<boolean> => {
    const [action] = opened.splice(0, 1);
    action?.();
    await Promise.resolve();
    return action !== undefined;
  };
  return { turns, ask, turn, served, opened };
}

describe('the turns of watchers', () => {
  it('serve the first at once, and a crowd a few at a time, in order', async () => {
    const { ask, turn, served } = world();
    const asked = Array.from({ length: 40 }, (_, watcher) => ask(watcher));
    await Promise.resolve();
    expect(served.length).toBe(16);
    await turn();
    expect(served.length).toBe(32);
    await turn();
    await Promise.all(asked);
    expect(served).toEqual(Array.from({ length: 40 }, (_, watcher) => watcher));
  });

  it('let nobody come again before all who wait have come', async () => {
    const { ask, turn, served } = world();
    const first = Array.from({ length: 20 }, (_, watcher) => ask(watcher));
    await Promise.resolve();
    const again = ask(0);
    await turn();
    await Promise.all([...first, again]);
    expect(served.slice(16)).toEqual([16, 17, 18, 19, 0]);
  });

  it('ask for no turn of the loop when nobody reads', async () => {
    const { ask, turn, opened } = world();
    await ask(1);
    expect(await turn()).toBe(true);
    expect(opened).toEqual([]);
  });
});
