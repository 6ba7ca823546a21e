// The one table of operating errors at the edge: what each code means to HTTP, to gRPC and to the
// shell. A door looks here and nowhere else, so that all doors tell the same story.
import { type ErrorCode, HoldfastError } from '@holdfast/base/errors';

export type ErrorMapping = {
  readonly status: number;
  /** google.rpc.Code, by number. */
  readonly grpcStatus: number;
  /** Of the `holdfast` command and of a member's process. */
  readonly exitCode: number;
  /** A few words for people: the problem's title. */
  readonly title: string;
};

const row = (
  status: number,
  grpcStatus: number,
  { exitCode, title }: { readonly exitCode: number; readonly title: string },
): ErrorMapping => ({ status, grpcStatus, exitCode, title });

/**
 * Exit codes by what a script does about them: 2 the call is wrong, 3 not there, 4 somebody was
 * faster, 5 no cluster to talk to, 6 too slow, 7 a limit, 8 not allowed, 9 history is gone, 10 the
 * data directory or its cluster does not fit, 11 damage, 12 not built yet, 1 anything else.
 */
export const errorTable: Readonly<Record<ErrorCode, ErrorMapping>> = {
  'invalid-argument': row(400, 3, { exitCode: 2, title: 'The request is not valid' }),
  'not-found': row(404, 5, { exitCode: 3, title: 'Not found' }),
  'already-exists': row(409, 6, { exitCode: 4, title: 'It exists already' }),
  'failed-precondition': row(412, 9, { exitCode: 4, title: 'The condition does not hold' }),
  conflict: row(409, 10, { exitCode: 4, title: 'Somebody changed it meanwhile' }),
  compacted: row(410, 11, { exitCode: 9, title: 'That history was compacted' }),
  'future-revision': row(400, 11, { exitCode: 9, title: 'That revision does not exist yet' }),
  'not-leader': row(503, 14, { exitCode: 5, title: 'This member does not lead' }),
  'no-leader': row(503, 14, { exitCode: 5, title: 'No leader now' }),
  'no-quorum': row(503, 14, { exitCode: 5, title: 'No majority of the voters is reachable' }),
  'leadership-lost': row(503, 14, { exitCode: 5, title: 'The leader changed meanwhile' }),
  'deadline-exceeded': row(504, 4, { exitCode: 6, title: 'No answer in time' }),
  cancelled: row(499, 1, { exitCode: 6, title: 'The caller went away' }),
  'resource-exhausted': row(429, 8, { exitCode: 7, title: 'Too much at once' }),
  'quota-exceeded': row(507, 8, { exitCode: 7, title: 'The quota is used up' }),
  'too-large': row(413, 3, { exitCode: 7, title: 'Too large' }),
  'unsupported-media-type': row(415, 3, { exitCode: 2, title: 'This content type is not taken' }),
  'permission-denied': row(403, 7, { exitCode: 8, title: 'Not allowed' }),
  unauthenticated: row(401, 16, { exitCode: 8, title: 'Who are you?' }),
  'access-changed': row(503, 14, { exitCode: 5, title: 'What users may do changed meanwhile' }),
  'session-expired': row(409, 9, { exitCode: 4, title: 'The session is not known any more' }),
  'stale-unknown': row(503, 14, { exitCode: 5, title: 'The state is too old or of unknown age' }),
  unavailable: row(503, 14, { exitCode: 5, title: 'Not available now' }),
  'disk-full': row(507, 8, { exitCode: 7, title: 'The disk is full' }),
  corrupt: row(500, 15, { exitCode: 11, title: 'Stored bytes are damaged' }),
  'version-mismatch': row(409, 9, { exitCode: 10, title: 'The versions do not fit' }),
  'cluster-mismatch': row(409, 9, { exitCode: 10, title: 'It belongs to another cluster' }),
  removed: row(410, 9, { exitCode: 10, title: 'That member was removed from the cluster' }),
  'shutting-down': row(503, 14, { exitCode: 5, title: 'This member is stopping' }),
  unimplemented: row(501, 12, { exitCode: 12, title: 'Not built yet' }),
  internal: row(500, 13, { exitCode: 1, title: 'A fault of this member' }),
};

/**
 * Any thrown thing as an operating error. What is none is a fault: the client learns no more than
 * that, and that nobody can say what became of a write.
 */
export function operatingErrorOf(error: unknown): HoldfastError {
  if (error instanceof HoldfastError) return error;
  return new HoldfastError('internal', 'this member made a mistake; its log says more', {
    outcome: 'unknown',
    cause: error,
  });
}

/** What a process that ends with `error` tells the shell. */
export const exitCodeOf = (error: unknown): number =>
  error instanceof HoldfastError ? errorTable[error.code].exitCode : 1;
