// Goal: the judge of links finds each way in which one is not healed, and nothing else. Method:
// statuses that differ from a sound one in a single thing.
import { memberId } from '@holdfast/base/ids';
import { newLinkHealth, withRefusal } from '@holdfast/transport/link-health';
import { describe, expect, it } from 'vitest';
import { brokenLinks } from './healed-links.ts';

const [a, b] = [memberId(1n), memberId(2n)];
const sound = {
  peer: b,
  reachable: true,
  breaker: { name: 'closed', failures: 0, reason: undefined },
  health: newLinkHealth('h:1'),
} as const;

describe('brokenLinks', () => {
  it('is empty for links that stand', () => {
    expect(brokenLinks(a, [sound, { ...sound, peer: memberId(3n) }])).toEqual([]);
  });

  it('tells of a link that does not stand, is called dead, or is behind a breaker', () => {
    const health = withRefusal(sound.health, { nowMs: 1, reason: 'refused' });
    const open = { name: 'open', sinceMs: 1, reason: 'dead' } as const;
    const halfOpen = { ...open, name: 'half-open', probeSinceMs: undefined } as const;
    expect(brokenLinks(a, [{ ...sound, reachable: false }])[0]).toMatch(/1 to .*2 does not stand/);
    expect(brokenLinks(a, [{ ...sound, health }])[0]).toMatch(/called dead/);
    for (const breaker of [open, halfOpen]) {
      expect(brokenLinks(a, [{ ...sound, breaker }])[0]).toMatch(`is ${breaker.name}`);
    }
  });
});
