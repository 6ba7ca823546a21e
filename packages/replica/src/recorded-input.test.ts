// Goal: what the core is told comes back from a recording as it was. Method: one input of each kind
// through its bytes; messages have a test of their own (message-codec.test.ts).
import { utf8 } from '@holdfast/base/bytes';
import { index, memberId, requestId, term } from '@holdfast/base/ids';
import * as wire from '@holdfast/proto/recording';
import { newConfiguration } from '@holdfast/raft/configuration';
import type { Input } from '@holdfast/raft/input';
import { describe, expect, it } from 'vitest';
import { decodeInput, encodeInput } from './recorded-input.ts';
import { fromTaggedJson, toTaggedJson } from './tagged-json.ts';

const two = memberId(2n);
const id = requestId(0xfedcba9876543210n);
const last = { index: index(7), term: term(3) };
const entry = { ...last, kind: 'command', payload: utf8('x') } as const;
const configuration = newConfiguration({ voters: [memberId(1n), two] });
const header = { from: two, to: memberId(1n), term: term(3) };

const inputs: readonly Input[] = [
  { type: 'tick' },
  { type: 'message', message: { type: 'heartbeat-response', ...header, round: 4, stampMs: 0.125 } },
  { type: 'propose', proposals: [{ requestId: id, payload: utf8('put') }] },
  { type: 'read-index', requestId: id },
  { type: 'change-membership', requestId: id, target: configuration },
  { type: 'transfer-leadership', to: two },
  { type: 'tell-commit', peer: two },
  { type: 'resign' },
  { type: 'persisted', statusSequence: 3 },
  { type: 'persisted', log: last },
  { type: 'applied', index: index(7) },
  { type: 'snapshot-installed', last },
  { type: 'repair-entries', previous: last, entries: [entry] },
  { type: 'repaired', end: last },
  { type: 'repair-snapshot', snapshot: { last, configuration } },
  { type: 'snapshot-reported', peer: two, sent: false },
  { type: 'log-purged', last },
  { type: 'peer-unreachable', peer: two, refused: true },
];

describe('a recorded input', () => {
  it.each(inputs)('of kind $type comes back as it was', (input) => {
    const bytes = wire.Input.encode(encodeInput(12.0009765625, input)).finish();
    expect(decodeInput(wire.Input.decode(bytes))).toEqual({ nowMs: 12.0009765625, input });
  });

  it('that says nothing, or no JSON, is refused', () => {
    expect(() => decodeInput({ nowMs: 1, body: undefined })).toThrow('is empty');
    const body = { $case: 'other', value: utf8('{') } as const;
    expect(() => decodeInput({ nowMs: 1, body })).toThrow('does not decode');
  });

  it('tells the infinities and undefined fields of a core', () => {
    const plain = { heard: Number.NEGATIVE_INFINITY, leader: undefined, list: [1n, -0.5] };
    expect(fromTaggedJson(toTaggedJson(plain))).toEqual({ heard: plain.heard, list: [1n, -0.5] });
  });
});
