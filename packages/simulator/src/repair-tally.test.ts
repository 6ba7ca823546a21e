// Goal: each way of a repair is counted as what it was, and only where one was under way.
import { index, memberId } from '@holdfast/base/ids';
import { describe, expect, it } from 'vitest';
import { RepairTally, type SeenRepair } from './repair-tally.ts';

const [member, leader] = [memberId(1n), memberId(2n)];
const whole: SeenRepair = {
  repairing: false,
  statusLost: false,
  leader: undefined,
  purged: { index: index(4) },
};

describe('repairs are counted', () => {
  it.each([
    ['leader', { ...whole, leader }],
    ['logs', whole],
    ['snapshot', { ...whole, purged: { index: index(9) } }],
  ] as const)('by the way: %s', (way, end) => {
    const tally = new RepairTally();
    expect(tally.observe(member, whole)).toBeUndefined();
    expect(tally.observe(member, { ...whole, repairing: true })).toBeUndefined();
    expect(tally.observe(member, end)).toBe(way);
    expect(tally.observe(member, end)).toBeUndefined();
    expect(Object.values(tally.counters).filter((count) => count === 1)).toHaveLength(2);
  });

  it('anew after a crash, and a lost status apart', () => {
    const tally = new RepairTally();
    tally.observe(member, { ...whole, statusLost: true });
    tally.observe(member, { ...whole, repairing: true });
    tally.forget(member);
    tally.observe(member, { ...whole, repairing: true });
    expect(tally.counters).toMatchObject({ repairsBegun: 2, statusReplaced: 1 });
  });
});
