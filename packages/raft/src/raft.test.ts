// A first sign of life: three cores elect one leader and commit what it was given.
import {
  clusterId as _unused,
  index,
  type MemberId,
  memberId,
  requestId,
  term,
} from '@holdfast/base/ids';
import { expect, it } from 'vitest';
import { newConfiguration } from './configuration.ts';
import { beforeLog } from './log.ts';
import { Raft } from './raft.ts';
import { defaultRaftSettings } from './settings.ts';

void _unused;
it('elects a leader and commits', () => {
  const ids = [1n, 2n, 3n].map(memberId);
  const configuration = newConfiguration({ voters: ids });
  const cores = new Map<MemberId, Raft>();
  const logs = new Map<MemberId, any[]>();
  for (const id of ids) {
    logs.set(id, []);
    cores.set(
      id,
      new Raft({
        id,
        settings: defaultRaftSettings,
        seed: Number(id),
        nowMs: 0,
        state: { term: term(0), vote: undefined, repairing: undefined },
        statusLost: false,
        log: { purged: beforeLog, termRuns: [], sizes: [] },
        configurations: [{ index: 0, configuration }],
        commit: index(0),
        applied: index(0),
      }),
    );
  }
  let now = 0;
  const committed = new Map<MemberId, number>();
  const pump = () => {
    for (let round = 0; round < 50; round += 1) {
      let busy = false;
      for (const [id, core] of cores) {
        const ready = core.ready();
        const log = logs.get(id)!;
        for (const e of ready.append) {
          log.length = e.index - 1;
          log.push(e);
          busy = true;
        }
        const out: any[] = [...ready.messages];
        for (const a of ready.appends)
          out.push({
            type: 'append-entries',
            from: id,
            to: a.to,
            term: a.term,
            previous: a.previous,
            entries: log.slice(a.lo - 1, a.hi - 1),
            commit: a.commit,
          });
        for (const m of out) {
          busy = true;
          cores.get(m.to)!.step(now, { type: 'message', message: m });
        }
        if (ready.status) {
          busy = true;
          core.step(now, { type: 'persisted', statusSequence: ready.status.sequence });
        }
        if (ready.append.length) {
          const e = log[log.length - 1];
          core.step(now, { type: 'persisted', log: { index: e.index, term: e.term } });
        }
        if (ready.committed) {
          committed.set(id, ready.committed.hi - 1);
          core.step(now, { type: 'applied', index: index(ready.committed.hi - 1) });
        }
      }
      if (!busy) return;
    }
  };
  const run = (ms: number) => {
    const end = now + ms;
    while (now < end) {
      now += 5;
      for (const c of cores.values()) if (c.nextTickMs <= now) c.step(now, { type: 'tick' });
      pump();
    }
  };
  run(3000);
  const leader = [...cores.values()].find((c) => c.status().role === 'leader')!;
  expect([...cores.values()].filter((c) => c.status().role === 'leader')).toHaveLength(1);
  leader.step(now, {
    type: 'propose',
    proposals: [{ requestId: requestId(1n), payload: new Uint8Array([1]) }],
  });
  pump();
  for (const c of cores.values()) console.log(c.describe());
  expect([...committed.values()]).toEqual([2, 2, 2]);
  for (const c of cores.values()) expect(c.status().term).toBe(1);
});
