// Goal: each of the guide's cases (C-20, A-26) in a sentence that names who, why and what to do;
// and not a word where all is well. Method: reports of three members that differ from sound ones in
// a single thing.
import { describe, expect, it } from 'vitest';
import { type AskedMember, diagnose } from './diagnosis.ts';
import { type MemberReport, readMemberReport } from './member-report.ts';

const idOf = (n: number): string => `000000000000000${n}`;

const sound = (n: number): MemberReport => ({
  id: idOf(n),
  name: `n${n}`,
  version: '0.1.0',
  role: n === 1 ? 'leader' : 'follower',
  term: 4,
  leader: idOf(1),
  ready: true,
  notReadyReason: null,
  commitIndex: 300,
  appliedIndex: 300,
  lastIndex: 300,
  persistedIndex: 300,
  stalledMs: null,
  snapshotFailures: 0,
  snapshotFailure: null,
  peers: [1, 2, 3]
    .filter((one) => one !== n)
    .map((one) => ({
      id: idOf(one),
      name: `n${one}`,
      role: 'follower',
      reachable: true,
      lastContactMs: 10,
      match: n === 1 ? 300 : null,
    })),
  links: [1, 2, 3]
    .filter((one) => one !== n)
    .map((one) => ({
      peer: idOf(one),
      state: 'healthy',
      reason: null,
      breaker: 'closed',
      breakerReason: null,
      breakerSinceMs: null,
    })),
  evictions: {},
  failures: {},
});

type Change = Partial<MemberReport> | { readonly missing: string };

/** Three voters; `changes` by number. */
function cluster(changes: Readonly<Record<number, Change>> = {}): readonly AskedMember[] {
  return [1, 2, 3].map((n) => {
    const change = changes[n] ?? {};
    const member = { id: idOf(n), name: `n${n}`, isVoter: true };
    if ('missing' in change) return { ...member, missing: change.missing };
    return { ...member, report: { ...sound(n), ...change } };
  });
}

const told = (changes: Readonly<Record<number, Change>>): readonly string[] =>
  diagnose(cluster(changes)).map(({ case: name, says }) => `${name}: ${says}`);

describe('a scheduled backup that is late', () => {
  const late = (lateMs: number | null, failure: string | null = null) => ({
    backup: { lateMs, failure },
  });

  it('is told once, of all that could make it, with why they did not', () => {
    expect(told({ 2: late(7_200_000, 'no room'), 3: late(7_100_000) })).toEqual([
      'backup-late: a scheduled backup has been due for 7100 s, and none was made (n2: no room); ' +
        'the newest one holds nothing of what was written since',
    ]);
  });

  it('is none where one is due but not late, or nobody makes any', () => {
    expect(told({ 1: late(null), 2: late(null, 'one that failed') })).toEqual([]);
  });
});

describe('a full disk', () => {
  const full = { diskFull: true };

  it('is told with its member, and that the others go on', () => {
    expect(told({ 3: full })).toEqual([
      'disk-full: the disk of n3 is full: it answers reads and takes no writes; the cluster ' +
        'bears one failure less; make room below its data directory, and it goes on within seconds',
    ]);
  });

  it('beside a dark machine is no matter of one failure less: nobody can write', () => {
    const [missing, disk] = diagnose(cluster({ 2: { missing: 'set aside' }, 3: full }));
    for (const finding of [missing, disk]) {
      expect(finding?.severity).toBe('critical');
      expect(finding?.says).toContain(
        'writes fail: 2 of 3 voters are needed for them, and n2 and n3 can not take part',
      );
    }
  });
});

const lost = { leader: null, role: 'candidate', ready: false, notReadyReason: 'no leader' };

describe('a diagnosis', () => {
  it('has nothing to say of a cluster that is well', () => {
    expect(diagnose(cluster())).toEqual([]);
  });

  it('no leader: says who is missing for a majority, and why', () => {
    const [first] = told({
      1: { missing: 'set aside: 3 pings in a row without an answer' },
      2: lost,
      3: { ...lost, role: 'repairing' },
    });
    expect(first).toBe(
      'no-leader: there is no leader, and there can be none: 2 of 3 voters are needed, and from ' +
        'here 1 can vote; bring back n1 (set aside: 3 pings in a row without an answer) and n3 ' +
        '(it repairs its log, and does not vote until then)',
    );
  });

  it('no leader though enough answer: an election, with its term', () => {
    const [first] = told({ 1: { missing: 'silent' }, 2: { ...lost, term: 9 }, 3: lost });
    expect(first).toMatch(/2 of 3 voters answer, which is enough.*in term 9/);
  });

  it('two leaders of one term are the worst there is; of two terms they are none', () => {
    const [first] = told({ 2: { role: 'leader' } });
    expect(first).toMatch(/^two-leaders: n1 and n2 both say that they lead in term 4/);
    expect(told({ 2: { role: 'leader', term: 5 } })).toEqual([]);
  });

  it('commit stalled: says on whom, and whether the own disk is behind', () => {
    const peers = sound(1).peers.map((peer) => ({
      ...peer,
      match: peer.name === 'n2' ? 298 : 300,
    }));
    const leader = { stalledMs: 16_400, lastIndex: 320, peers, ready: false };
    const [first] = told({ 1: leader, 3: { missing: 'no answer within 800 ms' } });
    expect(first).toBe(
      'commit-stalled: nothing was committed for 16 s: the leader n1 stands at 300 of 320, and ' +
        'waits for n2 (has 298) and n3 (has 300, no answer within 800 ms); its own disk has ' +
        'synced up to 300 only; writes fail until a majority has synced; look at their disks and ' +
        'log connections',
    );
  });

  it('a follower that is told of no commit is named, though its leader is well', () => {
    const [first, ...rest] = told({ 3: { stalledMs: 20_000, ready: false } });
    expect(first).toMatch(
      /^commit-stalled: there is a leader, and n3 .* for 20 s.*holdfast connections list/,
    );
    expect(rest).toEqual([]);
  });

  it('snapshot failing: how often, and why', () => {
    expect(told({ 2: { snapshotFailures: 3, snapshotFailure: 'EIO' } })).toEqual([
      'snapshot-failing: n2 could not write a snapshot, 3 times in a row by now: EIO; nothing is ' +
        'lost, but its log grows and its next start takes longer; look at its disk',
    ]);
  });

  it('client timeouts: how many, by code, with leader and term', () => {
    const failures = { 'deadline-exceeded': 30, 'no-leader': 2, 'not-found': 900 };
    const [first] = told({ 2: { failures } });
    expect(first).toMatch(
      /^client-failures: 32 calls .* at n2 .*30 by deadline-exceeded and 2 by no-leader.*term 4/,
    );
    expect(told({ 2: { failures: { 'not-found': 900, 'deadline-exceeded': 3 } } })).toEqual([]);
  });

  it('frequent evictions: by reason, and what to do about idle ones', () => {
    const [dead] = told({ 2: { evictions: { dead: 30, idle: 4 } } });
    expect(dead).toMatch(/^frequent-evictions: n2 .*30 dead and 4 idle.*come and go/);
    const [idle] = told({ 2: { evictions: { idle: 200 } } });
    expect(idle).toMatch(/raise connection-idle-ms/);
    expect(told({ 2: { evictions: { operator: 500, idle: 20 } } })).toEqual([]);
  });

  it('a breaker that stays open: its reason, and when to reset it', () => {
    const links = (breakerSinceMs: number, state: string) =>
      sound(1).links.map((link) =>
        link.peer === idOf(3)
          ? {
              ...link,
              state,
              breaker: 'open',
              breakerReason: 'it answered after 4.0 s',
              breakerSinceMs,
            }
          : link,
      );
    const [stuck] = diagnose(cluster({ 1: { links: links(90_000, 'healthy') } }));
    expect(stuck).toMatchObject({
      case: 'breaker-open',
      severity: 'warning',
      members: ['n1', 'n3'],
    });
    expect(stuck?.says).toMatch(/for 90 s \(open\): it answered after 4.0 s;.*connections reset/);
    const [usual] = diagnose(cluster({ 1: { links: links(90_000, 'dead') } }));
    expect(usual).toMatchObject({ severity: 'info' });
  });

  it('puts the gravest first', () => {
    const order = ['critical', 'warning', 'info'];
    const found = diagnose(
      cluster({ 1: { missing: 'dark' }, 2: lost, 3: { ...lost, snapshotFailures: 1 } }),
    ).map(({ severity }) => order.indexOf(severity));
    expect(found.length).toBeGreaterThan(3);
    expect(found).toEqual([...found].sort((a, b) => a - b));
    expect(found[0]).toBe(0);
  });
});

describe('a report', () => {
  it('is read as it was written, and anything else is refused', () => {
    expect(readMemberReport(JSON.stringify(sound(1)))).toEqual(sound(1));
    for (const text of ['', '{}', '[]', 'null', JSON.stringify({ ...sound(1), term: 'x' })]) {
      expect(() => readMemberReport(text)).toThrow(/something else than a report/);
    }
  });

  it('of a newer member, which says more, is read as far as it is known', () => {
    const more = { ...sound(1), mood: 'good' };
    expect(readMemberReport(JSON.stringify(more))).toMatchObject({ name: 'n1', term: 4 });
  });
});
