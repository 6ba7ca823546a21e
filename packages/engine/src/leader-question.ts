// What members ask the leader, in bytes and back (proto/holdfast/peer.proto): about leases, which
// its memory alone knows, and for what only a leader can do.
import { HoldfastError, messageOf } from '@holdfast/base/errors';
import { index, type MemberId, memberId, storeId } from '@holdfast/base/ids';
import { encode } from '@holdfast/proto/encode';
import {
  LeaderQuestion,
  LeaseAnswer,
  MembersAnswer,
  type MemberChange as WireChange,
} from '@holdfast/proto/peer';
import type { MemberChange } from './member-plan.ts';

export type LeaseQuestion = { readonly kind: 'keep-alive' | 'time-to-live'; readonly id: bigint };

export type MembersQuestion =
  | { readonly kind: 'change-members'; readonly changes: readonly MemberChange[] }
  /** Undefined: whichever voter is best. */
  | { readonly kind: 'transfer'; readonly to: MemberId | undefined };

export function encodeQuestion(question: LeaseQuestion | MembersQuestion): Uint8Array {
  return encode(LeaderQuestion, { question: toWire(question) });
}

/** Throws `unimplemented` for a question that this version does not know. */
export function decodeQuestion(bytes: Uint8Array): LeaseQuestion | MembersQuestion {
  const { question } = decoded(() => LeaderQuestion.decode(bytes));
  switch (question?.$case) {
    case 'leaseKeepAlive':
      return { kind: 'keep-alive', id: question.value.id };
    case 'leaseTimeToLive':
      return { kind: 'time-to-live', id: question.value.id };
    case 'changeMembers':
      return { kind: 'change-members', changes: question.value.changes.map(fromWireChange) };
    case 'transfer': {
      const { to } = question.value;
      return { kind: 'transfer', to: to === 0n ? undefined : memberId(to) };
    }
    default:
      throw unknown();
  }
}

export const encodeLeaseAnswer = (answer: LeaseAnswer): Uint8Array => encode(LeaseAnswer, answer);

export const decodeLeaseAnswer = (bytes: Uint8Array): LeaseAnswer =>
  decoded(() => LeaseAnswer.decode(bytes));

export const encodeMembersAnswer = (answer: MembersAnswer): Uint8Array =>
  encode(MembersAnswer, answer);

export function decodeMembersAnswer(bytes: Uint8Array) {
  const { index: at, leader } = decoded(() => MembersAnswer.decode(bytes));
  return { index: index(at), leader: memberId(leader) };
}

function toWire(question: LeaseQuestion | MembersQuestion): LeaderQuestion['question'] {
  switch (question.kind) {
    case 'keep-alive':
      return { $case: 'leaseKeepAlive', value: { id: question.id } };
    case 'time-to-live':
      return { $case: 'leaseTimeToLive', value: { id: question.id } };
    case 'change-members':
      return { $case: 'changeMembers', value: { changes: question.changes.map(toWireChange) } };
    case 'transfer':
      return { $case: 'transfer', value: { to: question.to ?? 0n } };
  }
}

const toWireChange = (change: MemberChange): WireChange => ({
  change:
    change.kind === 'add'
      ? { $case: 'add', value: { ...change.newcomer } }
      : { $case: change.kind, value: change.id },
});

function fromWireChange({ change }: WireChange): MemberChange {
  if (!change) throw unknown();
  if (change.$case !== 'add') return { kind: change.$case, id: memberId(change.value) };
  const { memberId: id, storeId: store, ...rest } = change.value;
  return { kind: 'add', newcomer: { ...rest, memberId: memberId(id), storeId: storeId(store) } };
}

const unknown = (): HoldfastError =>
  new HoldfastError('unimplemented', 'this member does not know the question');

function decoded<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    const text = `a question to the leader does not decode: ${messageOf(error)}`;
    throw new HoldfastError('corrupt', text, { cause: error });
  }
}
