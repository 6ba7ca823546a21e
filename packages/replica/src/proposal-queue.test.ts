// Goal: commands of one turn share entries within their bounds and in their order, and each ends
// with its own result. Method: the queue alone, over a table of proposals that the test ends.
import type { HoldfastError } from '@holdfast/base/errors';
import { index, term } from '@holdfast/base/ids';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { commandsIn, entriesOfGroup, isEntryGroup } from '@holdfast/proto/entry-envelope';
import type { Proposal } from '@holdfast/raft/input';
import { beforeEach, describe, expect, it } from 'vitest';
import { ProposalQueue } from './proposal-queue.ts';
import { lost, Proposals, type Proposed } from './proposals.ts';
import { envelopeOf } from './replica.fixture.ts';
import { RequestIds } from './request-ids.ts';

let proposals: Proposals;
let queue: ProposalQueue;
let ended: string[];

beforeEach(() => {
  ended = [];
  proposals = new Proposals({ countMax: 10_000, bytesMax: 64 * 1024 * 1024 });
  queue = new ProposalQueue({
    proposals,
    requestIds: new RequestIds(new SeededRandom(1)),
    isGroupable: (envelope) => !Buffer.from(envelope).includes('alone'),
  });
});

function add(text: string): void {
  const envelope = envelopeOf(text);
  proposals.admit(envelope.length);
  const waiter = {
    resolve: ({ index: at, result }: Proposed) =>
      void ended.push(`${text}=${String(result)} at ${at}`),
    reject: ({ code }: HoldfastError) => void ended.push(`${text} ${code}`),
  };
  queue.add(envelope, waiter, 0);
}

function place({ requestId }: Proposal, at: number): void {
  proposals.place(requestId, { index: index(at), term: term(1) });
}

const apply = (at: number, result: unknown): void =>
  proposals.applied({ index: index(at), term: term(1) }, result);

const countsOf = (taken: readonly Proposal[]): number[] =>
  taken.map(({ payload }) => commandsIn(payload));

describe('commands of one turn', () => {
  it('share an entry, and each has its own result', () => {
    for (const text of ['a', 'b', 'c']) add(text);
    const [group, ...more] = queue.take();
    expect([more, queue.isWaiting, queue.take()]).toEqual([[], false, []]);
    expect(entriesOfGroup(group?.payload as Uint8Array)).toEqual(['a', 'b', 'c'].map(envelopeOf));
    place(group as Proposal, 5);
    expect(proposals.count).toBe(3);
    apply(5, ['x', 'y', 'z']);
    expect(ended).toEqual(['a=x at 5', 'b=y at 5', 'c=z at 5']);
    expect(proposals.count).toBe(0);
  });

  it('stay single where there is one, or where one has an entry to itself', () => {
    for (const text of ['a', 'b', 'alone 1', 'alone 2', 'c', 'd', 'alone 3', 'e']) add(text);
    const taken = queue.take();
    expect(countsOf(taken)).toEqual([2, 1, 1, 2, 1, 1]);
    expect(taken.map(({ payload }) => isEntryGroup(payload))).toEqual([
      ...[true, false, false],
      ...[true, false, false],
    ]);
    place(taken[1] as Proposal, 1);
    apply(1, 'done');
    expect(ended).toEqual(['alone 1=done at 1']);
  });

  it('are parted by number and by bytes', () => {
    for (let n = 0; n < 300; n += 1) add(`${n}`);
    expect(countsOf(queue.take())).toEqual([128, 128, 44]);
    for (const text of ['a', 'x'.repeat(200 * 1024), 'y'.repeat(100 * 1024), 'b']) add(text);
    add('z'.repeat(300 * 1024));
    add('c');
    expect(countsOf(queue.take())).toEqual([2, 2, 1, 1]);
  });

  it('end alike where their entry is lost, or read by nobody', () => {
    for (const text of ['a', 'b']) add(text);
    place(queue.take()[0] as Proposal, 1);
    apply(1, 'malformed');
    for (const text of ['c', 'd']) add(text);
    queue.take();
    proposals.rejectAll(lost('unknown'));
    expect(ended).toEqual([
      ...['a=malformed at 1', 'b=malformed at 1'],
      ...['c leadership-lost', 'd leadership-lost'],
    ]);
    expect([proposals.count, proposals.refusal(64 * 1024 * 1024)]).toEqual([0, undefined]);
  });
});
