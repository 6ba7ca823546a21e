// An input of the core as a frame of a recording holds it, and back. What carries payloads or comes
// often has a shape of its own; the rest is tagged JSON.
import { toText, utf8 } from '@holdfast/base/bytes';
import { HoldfastError, messageOf } from '@holdfast/base/errors';
import { index, requestId, term } from '@holdfast/base/ids';
import type * as wire from '@holdfast/proto/recording';
import type { Input } from '@holdfast/raft/input';
import { messageFromWire, messageToWire } from './message-codec.ts';
import { fromTaggedJson, toTaggedJson } from './tagged-json.ts';

export type TimedInput = { readonly nowMs: number; readonly input: Input };

type Body = NonNullable<wire.Input['body']>;

export function encodeInput(nowMs: number, input: Input): wire.Input {
  return { nowMs, body: toBody(input) };
}

/** Throws `corrupt` on what no member has recorded. */
export function decodeInput({ nowMs, body }: wire.Input): TimedInput {
  if (body === undefined) throw new HoldfastError('corrupt', 'a recorded input is empty');
  return { nowMs, input: fromBody(body) };
}

function toBody(input: Input): Body {
  switch (input.type) {
    case 'message':
      return { $case: 'message', value: messageToWire(input.message) };
    case 'propose':
      return { $case: 'propose', value: { proposals: [...input.proposals] } };
    case 'persisted':
      return {
        $case: 'persisted',
        value: { statusSequence: input.statusSequence ?? 0, log: input.log },
      };
    case 'applied':
      return { $case: 'applied', value: { index: input.index } };
    default:
      return { $case: 'other', value: utf8(toTaggedJson(input)) };
  }
}

function fromBody(body: Body): Input {
  switch (body.$case) {
    case 'message':
      return { type: 'message', message: messageFromWire(body.value) };
    case 'propose':
      return { type: 'propose', proposals: body.value.proposals.map(toProposal) };
    case 'persisted':
      return toPersisted(body.value);
    case 'applied':
      return { type: 'applied', index: index(body.value.index) };
    case 'other':
      return toOther(body.value);
  }
}

const toProposal = (proposal: wire.Proposal) => ({
  requestId: requestId(proposal.requestId),
  payload: proposal.payload,
});

function toPersisted({ statusSequence, log }: wire.Persisted): Input {
  return {
    type: 'persisted',
    ...(statusSequence === 0 ? {} : { statusSequence }),
    ...(log ? { log: { index: index(log.index), term: term(log.term) } } : {}),
  };
}

/** Only this version's own words: a checksum stands over them, and another version replays none. */
function toOther(bytes: Uint8Array): Input {
  try {
    return fromTaggedJson(toText(bytes)) as Input;
  } catch (error) {
    const message = `a recorded input does not decode: ${messageOf(error)}`;
    throw new HoldfastError('corrupt', message, { cause: error });
  }
}
