// Goal: what leaves for a follower is what the order meant, whole, and only while this member
// leads. Method: orders over a log whose reads end when the test says so.
import { index, term } from '@holdfast/base/ids';
import type { Entry } from '@holdfast/raft/entry';
import type { Message } from '@holdfast/raft/message';
import { describe, expect, it } from 'vitest';
import { AppendSender } from './append-sender.ts';
import { entryAt, idOf } from './replica.fixture.ts';

type Read = { readonly lo: number; readonly hi: number; end(entries: readonly Entry[]): void };

function newSender() {
  const [sent, reads]: [Message[], Read[]] = [[], []];
  const state = { leads: true, purged: 0 };
  const log = {
    get marks() {
      const purged = { index: index(state.purged), term: term(1) };
      return { purged, accepted: purged, persisted: purged };
    },
    read: (lo: number, hi: number): Promise<readonly Entry[]> =>
      new Promise((end) => reads.push({ lo, hi, end })),
  };
  const sender = new AppendSender({
    from: idOf(1),
    log,
    transport: { send: (message) => sent.push(message) },
    leadsIn: (inTerm) => state.leads && inTerm === 1,
    onFailure: () => undefined,
  });
  const order = (lo: number, hi: number): void =>
    sender.send({
      to: idOf(2),
      term: term(1),
      previous: { index: index(lo - 1), term: term(1) },
      lo: index(lo),
      hi: index(hi),
      commit: index(0),
      isNotice: false,
    });
  const lengths = (): number[] =>
    sent.map((message) => (message.type === 'append-entries' ? message.entries.length : -1));
  return { order, reads, state, lengths };
}

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
};

describe('AppendSender', () => {
  it('reads on where the store answers with less, and keeps the order', async () => {
    const { order, reads, lengths } = newSender();
    order(1, 4);
    order(4, 4);
    await turns();
    reads.shift()?.end([entryAt(1, 1)]);
    await turns();
    expect(reads.map(({ lo, hi }) => [lo, hi])).toEqual([[2, 4]]);
    reads.shift()?.end([entryAt(2, 1), entryAt(3, 1)]);
    await turns();
    expect(lengths()).toEqual([3, 0]);
  });

  it('sends nothing that was read while leadership was lost, and reads nothing purged', async () => {
    const { order, reads, state, lengths } = newSender();
    order(1, 2);
    state.leads = false;
    reads.shift()?.end([entryAt(1, 2)]);
    await turns();
    state.leads = true;
    state.purged = 5;
    order(5, 7);
    await turns();
    expect([lengths(), reads.length]).toEqual([[], 0]);
  });
});
