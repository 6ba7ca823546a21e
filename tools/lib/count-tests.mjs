// Reads the counts out of vitest's report. A file that could not even be loaded counts as a
// failure, and so does a report that was never written: nothing that went wrong may look like
// nothing.
import { existsSync, readFileSync } from 'node:fs';

/**
 * @typedef {{ passed: number, failed: number, skipped: number }} Count
 * @typedef {{ assertionResults: { status: string }[], status: string }} FileResult
 */

/**
 * @param {string} reportPath
 * @returns {Count} over all projects
 */
export function countTests(reportPath) {
  if (!existsSync(reportPath)) return { passed: 0, failed: 1, skipped: 0 };
  /** @type {{ testResults: FileResult[] }} */
  const { testResults } = JSON.parse(readFileSync(reportPath, 'utf8'));
  const tests = testResults.flatMap((file) => file.assertionResults.map((test) => test.status));
  const unloaded = testResults.filter((file) => file.status === 'failed' && !hasFailure(file));
  const failed = tests.filter((status) => status === 'failed').length + unloaded.length;
  const passed = tests.filter((status) => status === 'passed').length;
  return { passed, failed, skipped: tests.length + unloaded.length - passed - failed };
}

/** @param {FileResult} file */
const hasFailure = (file) => file.assertionResults.some((test) => test.status === 'failed');

/** The plain last line of `npm test`. @param {Count} count */
export const closingLine = ({ passed, failed, skipped }) =>
  `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
