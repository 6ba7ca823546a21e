// Errors as problem documents (RFC 9457). One shape for every door route: `code` is the API, the
// words are for people. Never a stack trace, never a cause.
import type { HoldfastError } from '@holdfast/base/errors';
import { jsonSafe } from '@holdfast/base/json';

import { errorTable, operatingErrorOf } from '../errors.ts';
import { houseSignHeader } from './house-sign.ts';

export const problemContentType = 'application/problem+json';

export type Problem = {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly outcome: string;
  readonly retryable: boolean;
};

/** An error whose status HTTP itself decides (404 route, 405, 408, 431), not the table of codes. */
export class HttpStatusError extends Error {
  override readonly name = 'HttpStatusError';
  readonly status: number;
  readonly error: HoldfastError;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    error: HoldfastError,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(error.message);
    this.status = status;
    this.error = error;
    this.headers = headers;
  }
}

/** Details stand beside the problem's own members, which they can't replace. */
export function problemOf(thrown: unknown): Problem {
  const error = thrown instanceof HttpStatusError ? thrown.error : operatingErrorOf(thrown);
  const mapping = errorTable[error.code];
  return {
    ...error.details,
    type: `urn:holdfast:error:${error.code}`,
    title: mapping.title,
    status: thrown instanceof HttpStatusError ? thrown.status : mapping.status,
    detail: error.message,
    code: error.code,
    outcome: error.outcome,
    retryable: error.retryable,
  };
}

/** Headers that go with the document: 405 names the methods, 503 and 429 when to come again. */
export function problemHeaders(thrown: unknown, problem: Problem): Record<string, string> {
  const headers: Record<string, string> = {
    'Content-Type': problemContentType,
    ...houseSignHeader,
  };
  if (problem.status === 401) headers['WWW-Authenticate'] = 'Basic realm="holdfast"';
  if (problem.status === 503 || problem.status === 429) headers['Retry-After'] = '1';
  return thrown instanceof HttpStatusError ? { ...headers, ...thrown.headers } : headers;
}

export const problemText = (problem: Problem): string => JSON.stringify(problem, jsonSafe);
