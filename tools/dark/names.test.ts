// Goal: the rig removes what a crashed run left, and never what another run or anybody else owns.
import { describe, expect, it } from 'vitest';
import { freeOwner, namespaceOf, ownerOf, parseNamespaces, staleNamespaces } from './names.ts';

describe('names of namespaces', () => {
  it('say who owns them', () => {
    const name = namespaceOf({ pid: 4711, rig: 2 }, 'n1');
    expect(name).toBe('hf-dark-4711-2-n1');
    expect(ownerOf(name)).toEqual({ pid: 4711, rig: 2 });
  });

  it.each(['blue', 'hf-dark-', 'hf-dark-x-1-n1', 'my-hf-dark-1-1-n1'])('%s is not ours', (name) => {
    expect(ownerOf(name)).toBeUndefined();
  });

  it('are read from the list, with and without an id', () => {
    const printed = 'hf-dark-7-1-n1 (id: 3)\nblue\n\n';
    expect(parseNamespaces(printed)).toEqual(['hf-dark-7-1-n1', 'blue']);
  });

  it('are stale only when ours and their owner is dead', () => {
    const names = ['blue', 'hf-dark-7-1-n1', 'hf-dark-8-1-n1', 'hf-dark-8-2-switch'];
    expect(staleNamespaces(names, (pid) => pid === 7)).toEqual(names.slice(2));
  });

  it('number the rigs of one process', () => {
    expect(freeOwner(7, ['hf-dark-8-5-n1', 'blue'])).toEqual({ pid: 7, rig: 1 });
    expect(freeOwner(7, ['hf-dark-7-1-n1', 'hf-dark-7-3-n1'])).toEqual({ pid: 7, rig: 4 });
  });
});
