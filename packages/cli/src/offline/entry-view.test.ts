// Goal: people see each command of a group at its place in the log, and what does not decode as a
// line like any other. Method: entries made by hand.
import { utf8 } from '@holdfast/base/bytes';
import { index, term } from '@holdfast/base/ids';
import {
  encodeEntryEnvelope,
  encodeEntryGroup,
  stampEntryEnvelope,
} from '@holdfast/proto/entry-envelope';
import { Command } from '@holdfast/proto/internal';
import { expect, it } from 'vitest';

import { entryViews } from './entry-view.ts';

function envelope(actor: string, key: string): Uint8Array {
  const plain = { lease: 0n, prevKv: false, ignoreValue: false, ignoreLease: false };
  const value = { keyspace: 1, key: utf8(key), value: utf8('v'), ...plain };
  const body = Command.encode({ request: { $case: 'put', value } }).finish();
  const none = { sessionId: 0n, sequence: 0n, pendingSpan: 0, traceId: 0n, authRevision: 0n };
  return encodeEntryEnvelope({ ...none, proposedAtMs: 0, actor, body });
}

const viewsOf = (payload: Uint8Array) =>
  entryViews(
    {
      entry: { index: index(7), term: term(2), kind: 'command', payload },
      place: { path: 'a.seg', offset: 100 },
    },
    { valueBytesMax: undefined },
  );

it('shows the commands of a group at its place and time, each with who asked', () => {
  const group = encodeEntryGroup([envelope('ann', 'a'), envelope('bob', 'b')]);
  stampEntryEnvelope(group, Date.UTC(2026, 0, 2));
  expect(viewsOf(group)).toMatchObject([
    { index: 7, term: 2, actor: 'ann', command: 'put 1:"a" (1 bytes)', offset: 100 },
    { index: 7, term: 2, actor: 'bob', time: '2026-01-02T00:00:00.000Z', session: null },
  ]);
});

it('shows a group that is cut as one line', () => {
  const group = encodeEntryGroup([envelope('ann', 'a'), envelope('bob', 'b')]);
  const views = viewsOf(group.subarray(0, -3));
  expect(views.map(({ command }) => command)).toEqual([expect.stringContaining('does not decode')]);
});
