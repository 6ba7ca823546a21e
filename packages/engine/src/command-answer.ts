// From a command to the bytes in the log, and from a result back to an answer or an error.
import { bugLog } from '@holdfast/base/bug-log';
import { type ErrorCode, HoldfastError } from '@holdfast/base/errors';
import { encodeEntryEnvelope } from '@holdfast/proto/entry-envelope';
import { Command, CommandResult } from '@holdfast/proto/internal';
import type { ResultCodec } from '@holdfast/replica/forwarding';
import type { WriteOptions } from './engine.ts';

export type CommandRequest = NonNullable<Command['request']>;
export type CommandCase = CommandRequest['$case'];
type ResponseOf<Case extends CommandCase> = Extract<
  NonNullable<CommandResult['response']>,
  { readonly $case: Case }
>['value'];

/** The log entry's payload; the leader stamps its time (safety.md, "bytes to have"). */
export function encodeCommand(request: CommandRequest, options: WriteOptions): Uint8Array {
  return encodeEntryEnvelope({
    proposedAtMs: 0,
    sessionId: 0n,
    sequence: 0n,
    pendingSpan: 0,
    traceId: options.traceId ?? 0n,
    authRevision: 0n,
    actor: options.actor,
    body: Command.encode({ request }).finish(),
  });
}

/** The response to a command of that kind; throws what the command failed with. */
export function responseOf<Case extends CommandCase>(
  result: CommandResult,
  kind: Case,
): ResponseOf<Case> {
  const { response } = result;
  if (response?.$case === kind) return response.value as ResponseOf<Case>;
  if (response?.$case !== 'failure') {
    const message = `the answer to a ${kind} is a ${response?.$case ?? 'nothing'}`;
    bugLog('command answer', message);
    throw new HoldfastError('internal', message, { outcome: 'applied' });
  }
  const { code, message, revision } = response.value;
  const details = code === 'compacted' ? { compactRevision: revision } : {};
  throw new HoldfastError(code as ErrorCode, message, { details });
}

export const commandResults: ResultCodec = {
  encode: (result) => CommandResult.encode(result as CommandResult).finish(),
  decode: (bytes) => CommandResult.decode(bytes),
};
