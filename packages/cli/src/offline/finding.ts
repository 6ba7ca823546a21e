// What an offline check has to say: each flaw with its place, what it is, and what it means for the
// next start. The gravest one decides the verdict, and so the exit code.

/**
 * `note`: a start puts it right by itself, and nothing is lost. `damage`: bytes have changed that
 * had been written; the member starts, and gets back from others what it lacks. `fatal`: a start is
 * refused.
 */
export type Severity = 'note' | 'damage' | 'fatal';

export type Finding = {
  readonly severity: Severity;
  /** Below the data directory. */
  readonly file: string;
  readonly offset?: number | undefined;
  /** Of the log entry that it begins with. */
  readonly index?: number | undefined;
  readonly what: string;
  /** For the next start. */
  readonly means: string;
};

export type Verdict = 'sound' | 'damaged' | 'unusable';

export function verdictOf(findings: readonly Finding[]): Verdict {
  if (findings.some(({ severity }) => severity === 'fatal')) return 'unusable';
  return findings.some(({ severity }) => severity === 'damage') ? 'damaged' : 'sound';
}
