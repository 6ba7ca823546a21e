// Failures for people: what happened, what it means, what to do. The exit code comes from the one
// table that the server uses as well; a wrong command line is 2, as a wrong request is.
import { type ErrorCode, HoldfastError, messageOf } from '@holdfast/base/errors';
import { jsonSafe } from '@holdfast/base/json';
import { isHandshakeFailure } from '@holdfast/client/client-tls';
import { foreignReason } from '@holdfast/client/errors';
import { errorTable } from '@holdfast/server/errors';
import { CommanderError } from 'commander';
import pc from 'picocolors';

import type { OutputForm } from './context.ts';
import type { Terminal } from './terminal.ts';

export const usageExitCode = errorTable['invalid-argument'].exitCode;
/** A shell's own code for a process that Ctrl-C ended. */
const interruptedExitCode = 130;

type Advice = Readonly<Partial<Record<ErrorCode, string>>>;

/** Of the commands about keys and configurations. */
const adviceOnData: Advice = {
  'not-found': 'Check the name; `holdfast config list` or `holdfast kv list` shows what is there.',
  conflict: 'Read it again, and decide on what stands there now.',
  'failed-precondition': 'Read it again, and decide on what stands there now.',
};

/** What to do about it, where the code alone says it. */
const adviceByCode: Advice = {
  compacted: 'Start again from a newer revision; older history is no longer kept.',
  'no-leader': 'An election takes about a second; try again, then look at `holdfast status`.',
  'not-leader': 'An election takes about a second; try again, then look at `holdfast status`.',
  'leadership-lost': 'Read back what stands there before you repeat a write.',
  'no-quorum':
    'Bring the missing members back. Until then only `--consistency stale` reads are answered.',
  'deadline-exceeded': 'Look at `holdfast status`, or allow more time with --timeout.',
  'resource-exhausted': 'The members are busy; try again in a moment with less at once.',
  'quota-exceeded': 'Delete what is not needed, or raise the quota.',
  'stale-unknown': 'Ask another member, or read with `--consistency stale` and bear its age.',
  unavailable: 'Is a member running there? `holdfast dev` starts a cluster on this machine.',
  'disk-full': "Make room on the members' disks; deletes and reads still work.",
  'shutting-down': 'That member is ending; name more members in --endpoints.',
  removed: 'To add the machine again, start it with an empty data directory and --join.',
  unauthenticated:
    'Say who you are: --user or HOLDFAST_USER, where users are asked for; or show a certificate ' +
    'that the members trust: --cert and --key, or HOLDFAST_CERT and HOLDFAST_KEY.',
  'cluster-mismatch': 'Use an empty data directory, or the one that belongs to this cluster.',
  'version-mismatch': 'Run the version of Holdfast that wrote this data, or a newer one.',
};

/** For whoever has named none, and may not know that members can be elsewhere. */
const namesAdvice =
  'Members elsewhere are named by --endpoints, or the variable HOLDFAST_ENDPOINTS.';

/** The sentence is etcd's, and stays; it says nothing about where to look. */
const leaseText = 'requested lease not found';
const leaseAdvice = 'Check the id; `holdfast lease list` shows the leases that there are.';

const foreignAdvice =
  'Look at --endpoints, or the variable HOLDFAST_ENDPOINTS: HOST:PORT is where a member listens ' +
  'for clients. A proxy in between may answer so, too.';

const authorityAdvice =
  'Name the authority of the members with --ca, or HOLDFAST_CA, and each endpoint as its ' +
  'certificate does.';

export type FailureOptions = {
  readonly form: OutputForm;
  /** False: the cluster was looked for at the default endpoint. */
  readonly areEndpointsNamed: boolean;
  /** It was about keys or configurations. */
  readonly isAboutData: boolean;
};

/** Writes the failure, and answers the exit code. */
export function reportFailure(terminal: Terminal, error: unknown, options: FailureOptions): number {
  if (error instanceof CommanderError) return commanderExitCode(error);
  if (isInterrupt(error)) return interruptedExitCode;
  const failure = error instanceof HoldfastError ? error : systemFailure(error);
  if (options.form === 'json') terminal.err(`${JSON.stringify(problemOf(failure), jsonSafe)}\n`);
  else terminal.err(sentencesOf(failure, terminal, options));
  return errorTable[failure.code].exitCode;
}

/** Ctrl-C, as main's signal tells it: the user knows, and no sentence is due. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

function isInterrupt(error: unknown): boolean {
  if (error instanceof Interrupted) return true;
  return error instanceof Error && error.cause instanceof Interrupted;
}

/** Commander has written its sentence already; help and version are no failures. */
const commanderExitCode = (error: CommanderError): number =>
  error.exitCode === 0 ? 0 : usageExitCode;

/** What the operating system refused: its words name the file or address. */
function systemFailure(error: unknown): HoldfastError {
  const code = (error as { code?: unknown } | undefined)?.code;
  const isSystem = typeof code === 'string' && /^E[A-Z]+$/.test(code);
  return new HoldfastError(isSystem ? 'invalid-argument' : 'internal', messageOf(error), {
    cause: error,
  });
}

function sentencesOf(error: HoldfastError, terminal: Terminal, options: FailureOptions): string {
  const { red } = pc.createColors(terminal.useColor);
  const lines = [
    `${red('error:')} ${error.message} [${error.code}]`,
    placeOf(error),
    missingVotersOf(error),
    outcomeSentence(error),
    adviceOf(error, options),
  ];
  return `${lines.filter((line) => line !== undefined).join('\n')}\n`;
}

function adviceOf(
  { code, message, details }: HoldfastError,
  { areEndpointsNamed, isAboutData }: FailureOptions,
): string | undefined {
  const { hint } = details;
  if (typeof hint === 'string') return `${capitalized(hint)}.`;
  if (code === 'not-found' && message.startsWith(leaseText)) return leaseAdvice;
  if (isHandshakeFailure(String(details['reason']))) return authorityAdvice;
  if (details['reason'] === foreignReason) return foreignAdvice;
  const advice = (isAboutData ? adviceOnData[code] : undefined) ?? adviceByCode[code];
  return code === 'unavailable' && !areEndpointsNamed ? `${advice}\n${namesAdvice}` : advice;
}

function placeOf({ details, message }: HoldfastError): string | undefined {
  const { line, column } = details;
  if (typeof line !== 'number' || message.includes('line')) return undefined;
  return `It is at line ${line}${typeof column === 'number' ? `, column ${column}` : ''}.`;
}

function missingVotersOf({ details }: HoldfastError): string | undefined {
  const missing = details['missingVoters'];
  if (!Array.isArray(missing) || missing.length === 0) return undefined;
  return `These voters cannot be reached: ${missing.map(nameOfVoter).join(', ')}.`;
}

const nameOfVoter = (voter: unknown): string =>
  typeof voter === 'object' && voter !== null && 'name' in voter
    ? String(voter.name)
    : String(voter);

function outcomeSentence({ outcome }: HoldfastError): string | undefined {
  if (outcome === 'not-applied') return undefined;
  if (outcome === 'applied') return 'The write took effect.';
  return 'Whether the write took effect is not known: read back before you repeat it.';
}

function problemOf(error: HoldfastError) {
  const { code, message, outcome, retryable, details } = error;
  return { error: { code, message, outcome, retryable, details } };
}

const capitalized = (text: string): string =>
  (text.charAt(0).toUpperCase() + text.slice(1)).replace(/\.$/, '');
