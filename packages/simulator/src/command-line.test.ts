// Goal: flags mean what HACKING.md says, and what is not understood is refused.
import { expect, it } from 'vitest';
import { parseFlags } from './command-line.ts';

it('takes a hundred seeds, one seed, or as many as fit in a time', () => {
  expect(parseFlags([])).toMatchObject({ firstSeed: 1, seeds: 100, worlds: ['cluster'] });
  expect(parseFlags(['--seed', '7', '--trace'])).toMatchObject({ firstSeed: 7, seeds: 1 });
  const timed = parseFlags(['--seconds', '5', '--first-seed', '9', '--world', 'all']);
  expect(timed).toMatchObject({ firstSeed: 9, seeds: undefined, seconds: 5 });
  expect(timed?.worlds).toEqual(['raft', 'cluster']);
});

it('takes a scenario, and the faults to leave out', () => {
  const flags = parseFlags(['--scenario', 'power-cycles', '--times', '9', '--without', '3,4']);
  expect(flags?.scenario).toEqual({ name: 'power-cycles', times: 9 });
  expect([...(flags?.without ?? [])]).toEqual([3, 4]);
});

it.each([
  ['--sed', '1'],
  ['--seed', 'x'],
  ['--world', 'none'],
  ['--scenario', 'none'],
  ['--seeds'],
])('refuses %s %s', (...args) => {
  expect(parseFlags(args.filter((arg) => arg !== undefined))).toBeUndefined();
});
