// What speaks against a connection, and what does not: only that no answer came at all. An
// error that the peer itself has sent is an answer, and proves that it lives.
import { HoldfastError, type HoldfastErrorOptions } from '@holdfast/base/errors';

/** `unavailable`: refused, broken off or silent; nobody at the other end has said so. */
export function transportFailure(
  message: string,
  options: HoldfastErrorOptions = {},
): HoldfastError {
  const details = { ...options.details, transport: true };
  return new HoldfastError('unavailable', message, { ...options, details });
}

/** A deadline that passed without an answer is one, too. */
export const isTransportFailure = (error: unknown): error is HoldfastError =>
  error instanceof HoldfastError &&
  (error.details.transport === true || error.code === 'deadline-exceeded');
