// Broken invariants. An assertion states positively what must hold; when it does not, the member
// ends: `main` is the only place that catches an InvariantViolation. Operating errors (a full disk,
// an absent leader) are no assertions; they are HoldfastErrors.

/** A condition that the design promises did not hold. Nothing may go on working after it. */
export class InvariantViolation extends Error {
  override readonly name = 'InvariantViolation';
}

/** Ends the member unless `condition` holds. `invariant` says what must hold, positively. */
export function assert(condition: boolean, invariant: string): asserts condition {
  if (!condition) violated(invariant);
}

/** Ends the member: for checks so frequent that their text must not be made while they hold. */
export function violated(invariant: string): never {
  throw new InvariantViolation(`must hold: ${invariant}`);
}

/** The value, asserted to be there. For look-ups whose success an invariant guarantees. */
export function must<T>(value: T | undefined | null, invariant: string): T {
  if (value === undefined || value === null) violated(invariant);
  return value;
}

/** The default branch of a switch over a closed union: compiles only if every case is handled. */
export function unreachable(value: never): never {
  violated(`union is closed, got ${JSON.stringify(value)}`);
}
