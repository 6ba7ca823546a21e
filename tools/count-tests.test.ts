// The last line of `npm test` is what others read: what went wrong must never look like nothing.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { closingLine, countTests } from './lib/count-tests.mjs';

function count(testResults: readonly object[] | undefined): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-count-'));
  try {
    const path = join(folder, 'report.json');
    if (testResults) writeFileSync(path, JSON.stringify({ testResults }));
    return closingLine(countTests(path));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const file = (status: string, ...tests: readonly string[]): object => ({
  status,
  assertionResults: tests.map((each) => ({ status: each })),
});

describe('countTests', () => {
  it('counts over all files', () => {
    const files = [file('passed', 'passed', 'passed'), file('failed', 'passed', 'failed')];
    expect(count(files)).toBe('3 passed, 1 failed');
  });

  it('shows what was skipped', () => {
    expect(count([file('passed', 'passed', 'skipped')])).toBe('1 passed, 0 failed, 1 skipped');
  });

  it('counts a file that could not be loaded as a failure', () => {
    expect(count([file('passed', 'passed'), file('failed')])).toBe('1 passed, 1 failed');
  });

  it('counts a report that was never written as a failure', () => {
    expect(count(undefined)).toBe('0 passed, 1 failed');
  });
});
