// "Should not happen, but survivable." Counted, exported as a metric, and any test that touched it
// can fail on it. The alternative, a silent `catch`, hides the first sign of most large failures.

export type BugReport = { readonly where: string; readonly detail: string };

let count = 0;
let listener: ((report: BugReport) => void) | undefined;

/** Records that something happened which the design says cannot, and goes on. */
export function bugLog(where: string, detail: string): void {
  count += 1;
  listener?.({ where, detail });
}

/** How many times this process has recorded one since it started. */
export function bugCount(): number {
  return count;
}

/** One listener a process (the logger); tests pass `undefined` to take it away again. */
export function onBug(next: ((report: BugReport) => void) | undefined): void {
  listener = next;
}
