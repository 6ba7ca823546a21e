// Goal: a proposal is tried again only where nothing was written, and never for a caller who has
// gone. Method: the proposer of a leader that the test lets lose its office.
import { HoldfastError } from '@holdfast/base/errors';
import { term } from '@holdfast/base/ids';
import { ManualClock } from '@holdfast/base/manual-clock';
import { SeededRandom } from '@holdfast/base/seeded-random';
import type { Raft } from '@holdfast/raft/raft';
import { beforeEach, expect, it } from 'vitest';
import { notLeader } from './forwarding.ts';
import { lost, Proposals, type Proposed } from './proposals.ts';
import { Proposer, type ProposerOptions } from './proposer.ts';
import { envelopeOf } from './replica.fixture.ts';
import { RequestIds } from './request-ids.ts';

let proposals: Proposals;
let proposer: Proposer;
let calledAgain: number;

beforeEach(() => {
  calledAgain = 0;
  proposals = new Proposals({ countMax: 10, bytesMax: 1000 });
  const gate = {
    isOpen: true,
    callLeader: () => {
      calledAgain += 1;
      return Promise.reject(new HoldfastError('no-leader', 'nobody leads any more'));
    },
  };
  const options: Partial<ProposerOptions> = {
    clock: new ManualClock(),
    gate: gate as unknown as ProposerOptions['gate'],
    proposals,
    requestIds: new RequestIds(new SeededRandom(1)),
    core: () => ({ role: 'leader', leader: 1n, term: term(1) }) as unknown as Raft,
    refusal: () => undefined,
    isGroupable: () => true,
    askTurn: () => undefined,
  };
  proposer = new Proposer(options as ProposerOptions);
});

/** What was handed in ends with `error`. */
function refuse(error: HoldfastError): void {
  for (const { requestId } of proposer.takeWaiting()) proposals.refuse(requestId, error);
}

const codeOf = (proposed: Promise<Proposed>): Promise<string> =>
  proposed.then(
    () => 'done',
    (error: HoldfastError) => error.code,
  );

it('is tried again where the member led no more', async () => {
  const ended = codeOf(proposer.propose(envelopeOf('a')));
  refuse(notLeader());
  expect([await ended, calledAgain]).toEqual(['no-leader', 1]);
});

it('is not tried again where it may have been written', async () => {
  const ended = codeOf(proposer.propose(envelopeOf('a')));
  refuse(lost('unknown'));
  expect([await ended, calledAgain]).toEqual(['leadership-lost', 0]);
});

it('is not tried again for a caller who has given up', async () => {
  const caller = new AbortController();
  const ended = codeOf(proposer.propose(envelopeOf('a'), caller.signal));
  caller.abort(new HoldfastError('deadline-exceeded', 'enough'));
  refuse(notLeader());
  expect([await ended, calledAgain]).toEqual(['deadline-exceeded', 0]);
  expect(proposals.count).toBe(0);
});

it('is refused, and counts no more, where too many are under way', async () => {
  const ended = Array.from({ length: 12 }, () => codeOf(proposer.propose(envelopeOf('a'))));
  expect(await Promise.all(ended.slice(10))).toEqual(['resource-exhausted', 'resource-exhausted']);
  refuse(lost('unknown'));
  await Promise.all(ended);
  expect(proposals.count).toBe(0);
});
