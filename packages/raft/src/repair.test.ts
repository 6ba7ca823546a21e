// Goal: a member that lost a part of its log takes it back from anybody, and changes nothing by it
// but that it may promise again (safety.md 5). Method: single cores, stepped by hand: what is
// wanted at the right moment is done, at every wrong one nothing.
import { index, memberId, type Term, term } from '@holdfast/base/ids';
import { describe, expect, it } from 'vitest';
import { newConfiguration } from './configuration.ts';
import { type Entry, entryBytes, type LogId } from './entry.ts';
import type { Input } from './input.ts';
import { Raft } from './raft.ts';
import type { Ready, RepairGoal } from './ready.ts';
import { defaultRaftSettings } from './settings.ts';

const configuration = newConfiguration({ voters: [1n, 2n, 3n].map(memberId) });
const id = (at: number, inTerm = 2): LogId => ({ index: index(at), term: term(inTerm) });
const entry = (at: number, inTerm = 2): Entry => ({
  ...id(at, inTerm),
  kind: 'command',
  payload: new Uint8Array(1),
});
const goal: RepairGoal = {
  after: { id: id(4, 1), chain: 1 },
  end: { id: id(8), chain: 2 },
};

/** Member 1 in term 5, with entries 1 to 4 left of 8. */
class Rotten {
  readonly raft = new Raft({
    id: memberId(1n),
    settings: defaultRaftSettings,
    seed: 1,
    nowMs: 0,
    state: { term: term(5), vote: memberId(3n), repairing: { target: index(0), goal } },
    statusLost: false,
    log: {
      purged: id(0, 0),
      termRuns: [{ from: index(1), term: term(1) }],
      sizes: [1, 2, 3, 4].map((at) => entryBytes(entry(at, 1))),
    },
    configurations: [{ index: index(0), configuration }],
    commit: index(2),
    applied: index(0),
  });

  step(input: Input): Ready {
    this.raft.step(1, input);
    return this.raft.ready();
  }

  /** Heard from a leader of term `of`. */
  hear(of: Term): void {
    const round = { commit: index(0), round: 1, freshStampMs: 0, freshCommit: index(0) };
    const header = { from: memberId(2n), to: memberId(1n), term: of };
    this.step({ type: 'message', message: { type: 'heartbeat', ...header, ...round } });
  }

  askVote(): Ready {
    const message = {
      type: 'vote-request',
      from: memberId(2n),
      to: memberId(1n),
      term: term(6),
      lastLog: id(9, 5),
      transfer: false,
    } as const;
    this.step({ type: 'message', message });
    return this.step({ type: 'persisted', statusSequence: 1 });
  }
}

const entries = [5, 6, 7, 8].map((at) => entry(at));
const putBack: Input = { type: 'repair-entries', previous: id(4, 1), entries };
const synced: Input = { type: 'persisted', log: id(8) };
const whole: Input = { type: 'repaired', end: id(8) };

describe('a member that lost a part of its log', () => {
  it('takes it back, and promises again only when it is synced and proven', () => {
    const of = new Rotten();
    expect(of.step(putBack).append).toEqual(entries);
    expect(of.step(whole).status).toBeUndefined();
    of.step(synced);
    expect(of.raft.status()).toMatchObject({ repairing: true, commit: 2, term: 5, persisted: 8 });
    const { status, messages, committed } = of.step(whole);
    expect(status?.state).toEqual({ term: 5, vote: 3n, repairing: undefined });
    expect(messages).toEqual([]);
    expect(committed).toBeUndefined();
  });

  it('gives no vote before that', () => {
    const of = new Rotten();
    of.step(putBack);
    of.step(synced);
    const [answer] = of.askVote().messages;
    expect(answer).toMatchObject({ type: 'vote-response', granted: false });
  });

  it('leaves the repair to a leader that it hears', () => {
    const of = new Rotten();
    of.hear(term(5));
    expect(of.step(putBack).append).toEqual([]);
    const snapshot = { last: id(9, 5), configuration };
    expect(of.step({ type: 'repair-snapshot', snapshot }).install).toBeUndefined();
  });

  it('is not whole by its own word where a leader has replaced its old end', () => {
    const of = new Rotten();
    of.step(putBack);
    of.step(synced);
    const message = {
      type: 'append-entries',
      from: memberId(2n),
      to: memberId(1n),
      term: term(6),
      previous: id(4, 1),
      entries: [entry(5, 6)],
      commit: index(0),
      isNotice: false,
      repairTarget: index(5),
    } as const;
    of.step({ type: 'message', message });
    expect(of.step(whole).status).toBeUndefined();
    expect(of.raft.status().repairing).toBe(true);
    // What the leader named counts, and the goal is not lost by it.
    expect(of.raft.hardState.repairing).toEqual({ target: 5, goal });
  });

  it('tells a leader that has come meanwhile, which waits for nothing but its success', () => {
    const of = new Rotten();
    of.step(putBack);
    of.step(synced);
    const message = {
      type: 'append-entries',
      from: memberId(2n),
      to: memberId(1n),
      term: term(5),
      previous: id(8),
      entries: [],
      commit: index(0),
      isNotice: false,
      repairTarget: index(9),
    } as const;
    const named = of.step({ type: 'message', message });
    of.step({ type: 'persisted', statusSequence: named.status?.sequence ?? 0 });
    const { status, messages } = of.step(whole);
    expect(messages).toEqual([]);
    const told = of.step({ type: 'persisted', statusSequence: status?.sequence ?? 0 });
    expect(told.messages).toMatchObject([{ result: 'success', match: 8 }]);
  });

  it('takes nothing that cannot have been its own', () => {
    const strange: readonly (readonly Entry[])[] = [
      [entry(6)],
      [entry(5), entry(7)],
      [entry(5, 3)],
      [entry(5), entry(6, 1)],
      [...entries, entry(9)],
    ];
    for (const bad of strange) {
      const of = new Rotten();
      const taken = of.step({ type: 'repair-entries', previous: id(4, 1), entries: bad });
      expect(taken.append).toEqual([]);
    }
    const of = new Rotten();
    const elsewhere = { type: 'repair-entries', previous: id(4, 2), entries } as const;
    expect(of.step(elsewhere).append).toEqual([]);
    const committed = { type: 'repair-entries', previous: id(1, 1), entries: [entry(2)] } as const;
    expect(of.step(committed).append).toEqual([]);
  });

  it('is whole with a snapshot that covers its old end, and not with a shorter one', () => {
    const short = new Rotten();
    const early = { last: id(7), configuration };
    expect(short.step({ type: 'repair-snapshot', snapshot: early }).install).toEqual(early);
    short.step({ type: 'snapshot-installed', last: early.last });
    expect(short.raft.status()).toMatchObject({ repairing: true, last: id(7) });
    const useless = { last: id(3, 1), configuration };
    const none = new Rotten().step({ type: 'repair-snapshot', snapshot: useless });
    expect(none.install).toBeUndefined();
    const of = new Rotten();
    const snapshot = { last: id(9, 7), configuration };
    const { install, status } = of.step({ type: 'repair-snapshot', snapshot });
    expect(install).toBeUndefined();
    expect(status?.state).toMatchObject({ term: 7, vote: undefined, repairing: { goal } });
    expect(of.raft.hasSaved(term(7))).toBe(false);
    of.step({ type: 'persisted', statusSequence: status?.sequence ?? 0 });
    expect(of.raft.hasSaved(term(7))).toBe(true);
    expect(of.step({ type: 'repair-snapshot', snapshot }).install).toEqual(snapshot);
    const done = of.step({ type: 'snapshot-installed', last: snapshot.last });
    expect(done.status?.state).toEqual({ term: 7, vote: undefined, repairing: undefined });
  });
});
