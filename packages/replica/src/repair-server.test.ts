// Goal: whoever lost a part of its log is given entries of this very log, or is told to ask another
// one (safety.md 5). Method: the server over a memory log, whose core says what it holds.
import { index, memberId, requestId, term } from '@holdfast/base/ids';
import type { LogId } from '@holdfast/raft/entry';
import type { LogRange, LogRangeRequest, WithoutSender } from '@holdfast/raft/message';
import { describe, expect, it } from 'vitest';
import { MemoryLogStore } from './memory-log-store.ts';
import { RepairServer, type RepairServerOptions } from './repair-server.ts';
import { entryAt } from './replica.fixture.ts';

const id = (at: number, inTerm = 1): LogId => ({ index: index(at), term: term(inTerm) });

const request = (previous: LogId, end: LogId): LogRangeRequest => ({
  type: 'log-range-request',
  from: memberId(2n),
  to: memberId(1n),
  term: term(0),
  requestId: requestId(7n),
  previous,
  end,
});

async function started(more: Partial<RepairServerOptions> = {}) {
  const log = new MemoryLogStore();
  await log.open();
  log.accept(Array.from({ length: 20 }, (_, at) => entryAt(at + 1, 1)));
  await log.sync(index(0));
  const sent: WithoutSender<LogRange>[] = [];
  const failures: unknown[] = [];
  const holds = (one: LogId): boolean => one.term === 1 && one.index <= log.marks.accepted.index;
  const server = new RepairServer({
    log,
    core: { holds },
    snapshotIndex: () => index(0),
    appliedIndex: () => index(20),
    send: (message) => sent.push(message),
    sendSnapshot: () => undefined,
    takeSnapshot: () => Promise.resolve(),
    onFailure: (error) => failures.push(error),
    ...more,
  });
  return { server, sent, log, failures };
}

describe('a peer that lost a part of its log', () => {
  it('is given what lies between what it has and its old end', async () => {
    const { server, sent } = await started();
    await server.answer(request(id(4), id(9)));
    expect(sent).toMatchObject([{ type: 'log-range', requestId: 7n, result: 'entries' }]);
    const [answer] = sent;
    const entries = answer?.result === 'entries' ? answer.entries : [];
    expect(entries.map((entry) => entry.index)).toEqual([5, 6, 7, 8, 9]);
  });

  it.each([
    ['its end is beyond this log', id(4), id(21)],
    ['its end is of another branch', id(4), id(9, 2)],
    ['what it has is of another branch', id(4, 2), id(9)],
    ['it asks for nothing', id(9), id(8)],
  ])('is sent on where %s', async (_why, previous, end) => {
    const { server, sent } = await started();
    await server.answer(request(previous, end));
    expect(sent).toMatchObject([{ result: 'unknown' }]);
  });

  it('is given nothing of a log that lost its end while it was read', async () => {
    let asked = 0;
    // Held when it is asked for, and truncated by a new leader before the entries are there.
    const holds = (): boolean => {
      asked += 1;
      return asked <= 2;
    };
    const { server, sent, failures } = await started({ core: { holds } });
    await server.answer(request(id(4), id(9)));
    expect([sent, failures]).toEqual([[], []]);
    expect(asked).toBe(3);
  });

  it('is told of a log that cannot be read, and may ask again', async () => {
    const { server, log, sent, failures } = await started();
    const read = log.read.bind(log);
    log.read = () => {
      throw new Error('no');
    };
    await server.answer(request(id(4), id(9)));
    expect([sent.length, failures.length]).toEqual([0, 1]);
    log.read = read;
    await server.answer(request(id(4), id(9)));
    expect(sent).toHaveLength(1);
  });

  it('is offered a snapshot where the log was purged, a fresh one if only that covers it', async () => {
    let snapshotIndex = 6;
    const streamed: bigint[] = [];
    const { server, sent, log } = await started({
      snapshotIndex: () => index(snapshotIndex),
      takeSnapshot: async () => {
        snapshotIndex = 20;
      },
      sendSnapshot: (to) => streamed.push(to),
    });
    await log.purge(index(6));
    await server.answer(request(id(2), id(5)));
    expect([sent.at(-1)?.result, snapshotIndex]).toEqual(['snapshot', 6]);
    await server.answer(request(id(2), id(9)));
    expect([sent.at(-1)?.result, snapshotIndex]).toEqual(['snapshot', 20]);
    expect(streamed).toEqual([2n]); // One stream a peer.
    server.sent(memberId(2n));
    await server.answer(request(id(2), id(9)));
    expect(streamed).toEqual([2n, 2n]);
  });
});
