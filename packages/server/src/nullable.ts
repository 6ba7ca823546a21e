// What is not known, as JSON says it.

/** Whole, and never less than it is. */
export const roundedOrNull = (value: number | undefined): number | null =>
  value === undefined ? null : Math.ceil(value);
