// Goal: B-12 and B-13: counts in a row, both thresholds, and never a verdict of one observer alone.
// Method: results one after another, and what is thought after each.
import { describe, expect, it } from 'vitest';
import {
  type CheckResult,
  defaultVerdictSettings,
  firstVerdict,
  type MemberVerdict,
  nextVerdict,
} from './member-verdict.ts';

const serves: CheckResult = { type: 'serves' };
const silent = (...others: string[]): CheckResult => ({
  type: 'silent',
  reason: 'no answer within 800 ms',
  others,
});
const limps: CheckResult = { type: 'limps', reason: 'no leader' };

const after = (results: readonly CheckResult[], from: MemberVerdict = firstVerdict) =>
  results.reduce((verdict, one) => nextVerdict(verdict, one, defaultVerdictSettings), from);
const statuses = (results: readonly CheckResult[], from: MemberVerdict = firstVerdict) =>
  results.map((_, at) => after(results.slice(0, at + 1), from).status);

const well = after([serves, serves]);

describe('a member', () => {
  it('is healthy after two checks that it passed', () => {
    expect(statuses([serves, serves, serves])).toEqual(['degraded', 'healthy', 'healthy']);
    expect(well).toMatchObject({ status: 'healthy', reason: undefined, successes: 2 });
  });

  it('stays healthy when one answer is lost, and is failed by the third in a row', () => {
    const lost = silent('n2');
    expect(statuses([lost, serves, lost, serves, lost], well)).toEqual(
      Array.from({ length: 5 }, () => 'healthy'),
    );
    expect(statuses([lost, lost, lost], well)).toEqual(['healthy', 'degraded', 'failed']);
    expect(after([lost, lost, lost], well).reason).toBe(
      'no answer within 800 ms; n2 found it dead, too',
    );
  });

  it('is never failed by the word of one observer alone, however long it lasts', () => {
    const alone = Array.from({ length: 100 }, () => silent());
    const verdict = after(alone, well);
    expect(verdict).toMatchObject({ status: 'degraded', failures: 100 });
    expect(verdict.reason).toMatch(/no other member finds it dead/);
    expect(after([silent('n2')], verdict).status).toBe('failed');
  });

  it('has to pass two checks after it had failed', () => {
    const failed = after([silent('n2'), silent('n2'), silent('n2')], well);
    expect(statuses([serves, serves], failed)).toEqual(['degraded', 'healthy']);
    expect(after([serves], failed).reason).toBe('it answers again: 1 of 2 checks passed');
    // Old failures count no more, and neither do old successes.
    expect(statuses([serves, silent('n2'), serves, serves], failed)).toEqual([
      'degraded',
      'degraded',
      'degraded',
      'healthy',
    ]);
  });

  it('that answers and does not serve is degraded, with its own reason', () => {
    expect(after([limps], well)).toMatchObject({ status: 'degraded', reason: 'no leader' });
    expect(after([limps, silent('n2'), silent('n2')], well).status).toBe('degraded');
  });

  it('that says that it goes is shutting down, and has not failed when it is gone', () => {
    const gone = after(
      [{ type: 'leaves' }, ...Array.from({ length: 10 }, () => silent('n2'))],
      well,
    );
    expect(gone).toMatchObject({ status: 'shutting-down', reason: 'it has stopped' });
    expect(statuses([serves, serves], gone)).toEqual(['degraded', 'healthy']);
  });
});
