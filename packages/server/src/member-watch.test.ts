// Goal: the status of each member as several looks and observers find it, told once when it changes
// (B-08, B-13, B-15). Method: rounds of answers as members would give them.
import { HoldfastError } from '@holdfast/base/errors';
import { ManualClock } from '@holdfast/base/manual-clock';
import { describe, expect, it } from 'vitest';
import type { AskedMember } from './diagnosis.ts';
import type { MemberReport } from './member-report.ts';
import type { AskedAll } from './member-reports.ts';
import { defaultVerdictSettings } from './member-verdict.ts';
import { MemberWatch } from './member-watch.ts';

type Change = 'silent' | 'limps' | { readonly dead: string };

/** What a member says; `dead`: the peer whose link it finds dead. */
const reportOf = (name: string, dead?: string): MemberReport =>
  ({
    id: name,
    name,
    ready: true,
    notReadyReason: null,
    links: dead === undefined ? [] : [{ peer: dead, state: 'dead' }],
  }) as unknown as MemberReport;

function asked(name: string, change: Change | undefined): AskedMember {
  const known = { id: name, name, isVoter: true };
  if (change === 'silent') return { ...known, missing: 'no answer within 800 ms' };
  const dead = typeof change === 'object' ? change.dead : undefined;
  const report = reportOf(name, dead);
  if (change !== 'limps') return { ...known, report };
  return { ...known, report: { ...report, ready: false, notReadyReason: 'no leader' } };
}

function newWatch() {
  const told: string[] = [];
  let now: Readonly<Record<string, Change>> | undefined = {};
  const watch = new MemberWatch({
    clock: new ManualClock(),
    settings: { ...defaultVerdictSettings, intervalMs: 2000 },
    askAll: async (): Promise<AskedAll> => {
      if (!now) throw new HoldfastError('unavailable', 'this member is starting');
      const changes = now;
      const members = ['n1', 'n2', 'n3'].map((name) => asked(name, changes[name]));
      return { by: reportOf('n1'), members };
    },
    onChange: (name, from, { status }) => told.push(`${name}: ${from} > ${status}`),
  });
  const look = async (times: number, changes?: Readonly<Record<string, Change>>): Promise<void> => {
    now = changes;
    for (let n = 0; n < times; n += 1) await watch.look();
  };
  return { watch, told, look };
}

const statusOf = (watch: MemberWatch, name: string) => watch.verdictOn(name)?.status;

describe('the watch over members', () => {
  it('calls a member failed by the third silence, if another one finds it dead, too', async () => {
    const { watch, told, look } = newWatch();
    await look(2, {});
    expect(['n1', 'n2', 'n3'].map((name) => statusOf(watch, name))).toEqual([
      'healthy',
      'healthy',
      'healthy',
    ]);
    told.length = 0;
    await look(3, { n3: 'silent', n2: { dead: 'n3' } });
    expect(watch.verdictOn('n3')).toMatchObject({
      status: 'failed',
      reason: 'no answer within 800 ms; n2 found it dead, too',
    });
    await look(2, {});
    expect(told).toEqual([
      'n3: healthy > degraded',
      'n3: degraded > failed',
      'n3: failed > degraded',
      'n3: degraded > healthy',
    ]);
  });

  it('calls nobody failed whom it alone can not reach', async () => {
    const { watch, look } = newWatch();
    await look(2, {});
    await look(50, { n3: 'silent' });
    expect(statusOf(watch, 'n3')).toBe('degraded');
  });

  it('shows one that answers and does not serve as degraded, with its reason', async () => {
    const { watch, look } = newWatch();
    await look(2, {});
    await look(1, { n2: 'limps' });
    expect(watch.verdictOn('n2')).toMatchObject({ status: 'degraded', reason: 'no leader' });
  });

  it('knows who has said that it goes', async () => {
    const { watch, look } = newWatch();
    await look(2, {});
    watch.leaves('n3');
    await look(10, { n3: 'silent', n2: { dead: 'n3' } });
    expect(statusOf(watch, 'n3')).toBe('shutting-down');
    await look(2, {});
    expect(statusOf(watch, 'n3')).toBe('healthy');
    watch.leaves('nobody');
  });

  it('waits while its own member starts', async () => {
    const { watch, look } = newWatch();
    await look(1, undefined);
    expect(statusOf(watch, 'n1')).toBeUndefined();
  });
});
