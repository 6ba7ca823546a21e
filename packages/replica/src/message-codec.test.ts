// Goal: whatever one member's core says, the other's core hears exactly. Method: random messages of
// every kind there and back (a kind without a generator does not compile), and bytes that must be
// refused as operating errors.
import { HoldfastError } from '@holdfast/base/errors';
import {
  type Index,
  index,
  type MemberId,
  memberId,
  type RequestId,
  requestId,
  type Term,
  term,
} from '@holdfast/base/ids';
import * as wire from '@holdfast/proto/peer';
import { newConfiguration } from '@holdfast/raft/configuration';
import type { Entry, LogId } from '@holdfast/raft/entry';
import type {
  AppendEntriesResponse,
  LogRange,
  Message,
  SnapshotMeta,
} from '@holdfast/raft/message';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { connectionOf, decodeMessage, encodeMessage } from './message-codec.ts';

const counters = fc.oneof(fc.nat(300), fc.constantFrom(2 ** 31, 2 ** 32, 2 ** 53 - 1));
const identities = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const indexes: fc.Arbitrary<Index> = counters.map(index);
const terms: fc.Arbitrary<Term> = counters.map(term);
const requestIds: fc.Arbitrary<RequestId> = identities.map(requestId);
const logIds: fc.Arbitrary<LogId> = fc.record({ index: indexes, term: terms });
const header = {
  from: fc.bigInt({ min: 1n, max: 2n ** 63n }).map(memberId),
  to: fc.bigInt({ min: 2n ** 63n + 1n, max: 2n ** 64n - 1n }).map(memberId),
  term: terms,
};
const entries: fc.Arbitrary<Entry> = fc.record({
  index: indexes,
  term: terms,
  kind: fc.constantFrom('command', 'empty', 'membership'),
  payload: fc.uint8Array({ maxLength: 200 }),
});
const members: fc.Arbitrary<MemberId[]> = fc.array(fc.bigInt({ min: 1n, max: 99n }).map(memberId));
const snapshots: fc.Arbitrary<SnapshotMeta> = fc.record({
  last: logIds,
  configuration: fc
    .record({ voters: members, votersOutgoing: members })
    .map((parts) => newConfiguration({ ...parts, learners: [memberId(1000n)] })),
});

/** What is well is not spoken of. */
const troubled = { disk: fc.constantFrom('low', 'unable'), doubted: fc.constant(true) };

const appendResponses: fc.Arbitrary<AppendEntriesResponse> = fc.oneof(
  fc.record({
    type: fc.constant('append-entries-response'),
    ...header,
    result: fc.constantFrom('success', 'repairing'),
    match: indexes,
    ...troubled,
  }),
  fc.record({
    type: fc.constant('append-entries-response'),
    ...header,
    result: fc.constant('rejected'),
    previous: logIds,
    conflictTerm: terms,
    conflictFirst: indexes,
    last: indexes,
    ...troubled,
  }),
);

const logRanges: fc.Arbitrary<LogRange> = fc.oneof(
  fc.record({
    type: fc.constant('log-range'),
    ...header,
    requestId: requestIds,
    result: fc.constant('entries'),
    entries: fc.array(entries, { maxLength: 5 }),
  }),
  fc.record({
    type: fc.constant('log-range'),
    ...header,
    requestId: requestIds,
    result: fc.constantFrom('unknown', 'snapshot'),
  }),
);

const messages: {
  readonly [T in Message['type']]: fc.Arbitrary<Extract<Message, { type: T }>>;
} = {
  'pre-vote-request': fc.record({
    type: fc.constant('pre-vote-request'),
    ...header,
    lastLog: logIds,
  }),
  'pre-vote-response': fc.record({
    type: fc.constant('pre-vote-response'),
    ...header,
    granted: fc.boolean(),
    requestTerm: terms,
  }),
  'vote-request': fc.record({
    type: fc.constant('vote-request'),
    ...header,
    lastLog: logIds,
    transfer: fc.boolean(),
  }),
  'vote-response': fc.record({
    type: fc.constant('vote-response'),
    ...header,
    granted: fc.boolean(),
  }),
  'append-entries': fc.record(
    {
      type: fc.constant('append-entries'),
      ...header,
      previous: logIds,
      entries: fc.array(entries, { maxLength: 5 }),
      commit: indexes,
      isNotice: fc.boolean(),
      repairTarget: fc.integer({ min: 1 }).map(index),
    },
    { requiredKeys: ['type', 'from', 'to', 'term', 'previous', 'entries', 'commit', 'isNotice'] },
  ),
  'append-entries-response': appendResponses,
  heartbeat: fc.record({
    type: fc.constant('heartbeat'),
    ...header,
    commit: indexes,
    round: counters,
    freshStampMs: fc.double({ noNaN: true, min: 0, noDefaultInfinity: true }),
    freshCommit: indexes,
  }),
  'heartbeat-response': fc.record(
    {
      type: fc.constant('heartbeat-response'),
      ...header,
      round: counters,
      stampMs: fc.double({ noNaN: true, min: 0, noDefaultInfinity: true }),
      ...troubled,
    },
    { requiredKeys: ['type', 'from', 'to', 'term', 'round', 'stampMs'] },
  ),
  'install-snapshot': fc.record({
    type: fc.constant('install-snapshot'),
    ...header,
    snapshot: snapshots,
  }),
  'read-index-request': fc.record({
    type: fc.constant('read-index-request'),
    ...header,
    requestId: requestIds,
  }),
  'read-index-response': fc.record({
    type: fc.constant('read-index-response'),
    ...header,
    requestId: requestIds,
    readIndex: fc.option(fc.integer({ min: 1 }).map(index), { nil: undefined }),
  }),
  'timeout-now': fc.record({ type: fc.constant('timeout-now'), ...header }),
  resigned: fc.record({ type: fc.constant('resigned'), ...header }),
  'term-request': fc.record({ type: fc.constant('term-request'), ...header }),
  'term-response': fc.record({
    type: fc.constant('term-response'),
    ...header,
    lost: fc.boolean(),
  }),
  'log-range-request': fc.record({
    type: fc.constant('log-range-request'),
    ...header,
    requestId: requestIds,
    previous: logIds,
    end: logIds,
  }),
  'log-range': logRanges,
};

describe('every kind of message', () => {
  it.each(Object.entries(messages))('%s comes back as it left', (_type, arbitrary) => {
    fc.assert(
      fc.property(arbitrary as fc.Arbitrary<Message>, (message) => {
        expect(decodeMessage(encodeMessage(message))).toEqual(message);
      }),
      { numRuns: 60 },
    );
  });
});

describe('what does not decode', () => {
  const bytesOf = (message: Partial<wire.Message>): Uint8Array =>
    wire.Message.encode({
      from: 1n,
      to: 2n,
      term: 1,
      group: 0,
      body: undefined,
      ...message,
    }).finish();

  function codeOf(bytes: Uint8Array): string {
    try {
      decodeMessage(bytes);
      return 'none';
    } catch (error) {
      return error instanceof HoldfastError
        ? error.code
        : `not an operating error: ${String(error)}`;
    }
  }

  it('is refused, never an invariant', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        expect(['corrupt', 'version-mismatch', 'none']).toContain(codeOf(bytes));
      }),
      { numRuns: 500 },
    );
  });

  it('is told apart from what is newer', () => {
    const logId = { index: 1, term: 1 };
    const entry = { index: 1, term: 1, kind: 9, payload: new Uint8Array() };
    const append = {
      previous: logId,
      entries: [entry],
      commit: 0,
      repairTarget: 0,
      isNotice: false,
    };
    expect(codeOf(bytesOf({}))).toBe('version-mismatch');
    expect(codeOf(bytesOf({ group: 3, body: { $case: 'resigned', value: {} } }))).toBe(
      'version-mismatch',
    );
    expect(codeOf(bytesOf({ body: { $case: 'appendEntries', value: append } }))).toBe(
      'version-mismatch',
    );
  });

  it('is refused where a part is missing or a configuration is broken', () => {
    expect(
      codeOf(bytesOf({ body: { $case: 'preVoteRequest', value: { lastLog: undefined } } })),
    ).toBe('corrupt');
    const snapshot = { last: { index: 1, term: 1 }, configuration: new Uint8Array([9, 9]) };
    expect(codeOf(bytesOf({ body: { $case: 'installSnapshot', value: { snapshot } } }))).toBe(
      'corrupt',
    );
  });
});

describe('the connection of a message', () => {
  const sides: readonly (readonly [Message['type'], 'control' | 'log'])[] = [
    ['append-entries', 'log'],
    ['append-entries-response', 'log'],
    ['log-range', 'log'],
    ['log-range-request', 'control'],
    ['heartbeat', 'control'],
    ['heartbeat-response', 'control'],
    ['vote-request', 'control'],
    ['timeout-now', 'control'],
  ];

  it.each(sides)('of %s is %s: entries delay nothing that is urgent', (type, connection) => {
    expect(connectionOf({ type })).toBe(connection);
  });
});
