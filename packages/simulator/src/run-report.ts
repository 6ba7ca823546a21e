// What a run of a world says at its end.

export type RunReport = {
  readonly seed: number;
  /** Undefined: every judge was content. */
  readonly failure: { readonly judge: string; readonly message: string } | undefined;
  readonly simulatedMs: number;
  /** Equal for equal runs. */
  readonly traceHash: number;
  /** The last lines before the end, or all of a trace. */
  readonly lines: readonly string[];
  /** How many faults were planned. */
  readonly faults: number;
  /**
   * Counts that show that the run did something: elections, commits, crashes. A name that ends in
   * `Ms` is a time: the longest that the run has seen.
   */
  readonly counters: Readonly<Record<string, number>>;
};

/** The judge's name, or `assertion` for an invariant that the code itself found broken. */
export function failureOf(error: unknown): { readonly judge: string; readonly message: string } {
  if (!(error instanceof Error)) return { judge: 'unknown', message: String(error) };
  const judge = 'judge' in error ? String(error.judge) : 'assertion';
  return { judge, message: judge === 'assertion' ? (error.stack ?? error.message) : error.message };
}
