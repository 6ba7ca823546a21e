// From problem+json back to the HoldfastError that the server threw: the inverse of the server's
// table, whose match a test of the command line proves; and from the failure in a frame. What is
// not a problem document (a proxy's page) is judged by its status alone.
import { type ErrorCode, HoldfastError, type Outcome } from '@holdfast/base/errors';
import type { Failure } from '@holdfast/proto/client';

const codes: ReadonlySet<string> = new Set<ErrorCode>([
  'invalid-argument',
  'not-found',
  'already-exists',
  'failed-precondition',
  'conflict',
  'compacted',
  'future-revision',
  'not-leader',
  'no-leader',
  'no-quorum',
  'leadership-lost',
  'deadline-exceeded',
  'cancelled',
  'resource-exhausted',
  'quota-exceeded',
  'too-large',
  'unsupported-media-type',
  'permission-denied',
  'unauthenticated',
  'access-changed',
  'session-expired',
  'stale-unknown',
  'unavailable',
  'disk-full',
  'corrupt',
  'version-mismatch',
  'cluster-mismatch',
  'removed',
  'shutting-down',
  'unimplemented',
  'internal',
]);

/** In `details.reason`: somebody answers there that is no member of Holdfast. */
export const foreignReason = 'foreign';

/** What a status says where nobody says more. */
const codeByStatus: Readonly<Record<number, ErrorCode>> = {
  400: 'invalid-argument',
  401: 'unauthenticated',
  403: 'permission-denied',
  404: 'not-found',
  409: 'conflict',
  410: 'compacted',
  412: 'conflict',
  413: 'too-large',
  415: 'unsupported-media-type',
  429: 'resource-exhausted',
  501: 'unimplemented',
  503: 'unavailable',
  504: 'deadline-exceeded',
  507: 'quota-exceeded',
};

const outcomes: ReadonlySet<string> = new Set<Outcome>(['not-applied', 'applied', 'unknown']);
/** Members of a problem document (RFC 9457) that are the error itself and no detail of it. */
const ownMembers: ReadonlySet<string> = new Set([
  'type',
  'title',
  'status',
  'detail',
  'instance',
  'code',
  'outcome',
  'retryable',
  'details',
]);

/** The error that an answer with a status of 400 or more stands for. */
export function errorOf(status: number, body: Uint8Array): HoldfastError {
  const text = new TextDecoder().decode(body.subarray(0, 64 * 1024));
  const problem = parseProblem(text);
  if (problem === undefined) return errorOfStatus(status, text);
  const code = codes.has(String(problem['code']))
    ? (problem['code'] as ErrorCode)
    : codeOfStatus(status);
  const message = firstText(problem['detail'], problem['title'], `status ${status}`);
  return new HoldfastError(code, message, {
    outcome: outcomeOf(problem['outcome'], status),
    details: detailsOf(problem),
  });
}

/** The error that a failure in a frame stands for. */
export function errorOfFailure({ code, message, outcome, details }: Failure): HoldfastError {
  const known = codes.has(code) ? (code as ErrorCode) : 'internal';
  return new HoldfastError(known, message, {
    outcome: outcomes.has(outcome) ? (outcome as Outcome) : 'unknown',
    details: parseProblem(details) ?? {},
  });
}

/** Whether a member has said this: a document with a code of the closed list. */
export const isProblem = (text: string): boolean =>
  codes.has(String(parseProblem(text)?.['code'])) || text.includes('"urn:holdfast:error:');

function parseProblem(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined; // Not JSON: judged by its status.
  }
}

function errorOfStatus(status: number, text: string): HoldfastError {
  const excerpt = text.trim().slice(0, 200);
  const message = excerpt === '' ? `status ${status}` : `status ${status}: ${excerpt}`;
  return new HoldfastError(codeOfStatus(status), message, {
    outcome: outcomeOf(undefined, status),
  });
}

const codeOfStatus = (status: number): ErrorCode =>
  codeByStatus[status] ?? (status >= 500 ? 'internal' : 'invalid-argument');

/** A refusal by status below 500 has done nothing; a failing server may have done anything. */
function outcomeOf(value: unknown, status: number): Outcome {
  if (typeof value === 'string' && outcomes.has(value)) return value as Outcome;
  return status >= 500 ? 'unknown' : 'not-applied';
}

function detailsOf(problem: Record<string, unknown>): Record<string, unknown> {
  const nested = problem['details'];
  if (typeof nested === 'object' && nested !== null) return nested as Record<string, unknown>;
  return Object.fromEntries(Object.entries(problem).filter(([name]) => !ownMembers.has(name)));
}

const firstText = (...values: readonly unknown[]): string =>
  values.find((value): value is string => typeof value === 'string' && value !== '') ?? '';
