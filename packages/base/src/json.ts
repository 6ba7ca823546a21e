// JSON as programs can read it again.

/** For JSON.stringify: numbers of 64 bits become text, as JSON has none. */
export const jsonSafe = (_name: string, value: unknown): unknown =>
  typeof value === 'bigint' ? value.toString() : value;
