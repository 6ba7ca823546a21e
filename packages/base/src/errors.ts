// Operating errors: the closed list of what can go wrong without anybody having made a mistake in
// this code. Each door maps the code once (HTTP status, gRPC status, exit code); the message tells
// a person what happened, what it means and what to do.

export type ErrorCode =
  | 'invalid-argument'
  | 'not-found'
  | 'already-exists'
  | 'failed-precondition'
  | 'conflict'
  | 'compacted'
  | 'future-revision'
  | 'not-leader'
  | 'no-leader'
  | 'no-quorum'
  | 'leadership-lost'
  | 'deadline-exceeded'
  | 'cancelled'
  | 'resource-exhausted'
  | 'quota-exceeded'
  | 'too-large'
  | 'unsupported-media-type'
  | 'permission-denied'
  | 'unauthenticated'
  | 'access-changed'
  | 'session-expired'
  | 'stale-unknown'
  | 'unavailable'
  | 'disk-full'
  | 'corrupt'
  | 'version-mismatch'
  | 'cluster-mismatch'
  | 'removed'
  | 'shutting-down'
  | 'unimplemented'
  | 'internal';

/** What became of a write: only `not-applied` may be sent again without a session. */
export type Outcome = 'not-applied' | 'applied' | 'unknown';

export type HoldfastErrorOptions = {
  readonly outcome?: Outcome;
  readonly cause?: unknown;
  /**
   * Facts for programs: JSON-safe, shown beside the message (missing voters, a line and column).
   */
  readonly details?: Readonly<Record<string, unknown>>;
};

export class HoldfastError extends Error {
  override readonly name = 'HoldfastError';
  readonly code: ErrorCode;
  readonly outcome: Outcome;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: HoldfastErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.outcome = options.outcome ?? 'not-applied';
    this.details = options.details ?? {};
  }

  /** Whether the same call may succeed later without a change by the caller. */
  get retryable(): boolean {
    return retryableCodes.has(this.code);
  }
}

const retryableCodes: ReadonlySet<ErrorCode> = new Set([
  'not-leader',
  'no-leader',
  'no-quorum',
  'leadership-lost',
  'deadline-exceeded',
  'resource-exhausted',
  'access-changed',
  'stale-unknown',
  'unavailable',
  'disk-full',
  'shutting-down',
]);

export const isHoldfastError = (error: unknown, code?: ErrorCode): error is HoldfastError =>
  error instanceof HoldfastError && (code === undefined || error.code === code);

/** Undefined for what is no operating error. */
export const codeOf = (error: unknown): ErrorCode | undefined =>
  error instanceof HoldfastError ? error.code : undefined;

/** The text of whatever was thrown. */
export const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);
