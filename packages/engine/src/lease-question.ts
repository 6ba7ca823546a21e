// What members ask the leader about leases, in bytes and back (proto/holdfast/peer.proto).
import { HoldfastError, messageOf } from '@holdfast/base/errors';
import { LeaderQuestion, LeaseAnswer } from '@holdfast/proto/peer';

export type LeaseQuestion = { readonly kind: 'keep-alive' | 'time-to-live'; readonly id: bigint };

export function encodeLeaseQuestion({ kind, id }: LeaseQuestion): Uint8Array {
  const value = { id };
  return LeaderQuestion.encode({
    question:
      kind === 'keep-alive'
        ? { $case: 'leaseKeepAlive', value }
        : { $case: 'leaseTimeToLive', value },
  }).finish();
}

/** Throws `unimplemented` for a question that this version does not know. */
export function decodeLeaseQuestion(bytes: Uint8Array): LeaseQuestion {
  const { question } = decoded(() => LeaderQuestion.decode(bytes));
  switch (question?.$case) {
    case 'leaseKeepAlive':
      return { kind: 'keep-alive', id: question.value.id };
    case 'leaseTimeToLive':
      return { kind: 'time-to-live', id: question.value.id };
    default:
      throw new HoldfastError('unimplemented', 'this member does not know the question');
  }
}

export const encodeLeaseAnswer = (answer: LeaseAnswer): Uint8Array =>
  LeaseAnswer.encode(answer).finish();

export const decodeLeaseAnswer = (bytes: Uint8Array): LeaseAnswer =>
  decoded(() => LeaseAnswer.decode(bytes));

function decoded<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    const text = `a question to the leader does not decode: ${messageOf(error)}`;
    throw new HoldfastError('corrupt', text, { cause: error });
  }
}
