// Goal: the published table says what was measured, of every scenario that is promised (C-19).
// Method: rows with known values; and the document as it stands.
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { withMarkedPart } from './marked-part.ts';
import { type Environment, type Row, recoveryTable } from './recovery-report.ts';

const environment: Environment = {
  cpus: '2 cores',
  node: '20',
  syncMs: { p50Ms: 1, p99Ms: 2 },
  atUtc: '2026-01-02T03:04:05Z',
  load: 0,
};

describe('the table of recovery times', () => {
  it('shows median, 99th percentile and worst; of a rate, the worst is the lowest', () => {
    const values = Array.from({ length: 200 }, (_, n) => n + 1);
    const rows: Row[] = [
      { scenario: 'slow', unit: 'ms', values, target: '5 ms' },
      { scenario: 'fast', unit: 'MB/s', values },
      { scenario: 'nothing', unit: 's', values: [] },
    ];
    const lines = recoveryTable(rows, environment).split('\n');
    expect(lines.slice(2, 5)).toEqual([
      '| slow | 200 | 100 ms | 198 ms | 200 ms | 5 ms |',
      '| fast | 200 | 101 MB/s | 3 MB/s | 1 MB/s |  |',
      '| nothing | 0 | - | - | - |  |',
    ]);
  });

  it('replaces what stands between the marks, and nothing else', () => {
    const document = 'a\n<!-- bench:recovery begin -->\nold\n<!-- bench:recovery end -->\nb\n';
    const once = withMarkedPart(document, 'bench:recovery', 'new\n');
    expect(once).toBe(document.replace('old\n', '\nnew\n\n'));
    expect(withMarkedPart(once, 'bench:recovery', 'new\n')).toBe(once);
    expect(() => withMarkedPart('a', 'bench:recovery', 'new')).toThrow('no place');
  });

  it('is published with each scenario: follower, leader, partition, restart, snapshot', async () => {
    const document = await readFile(new URL('../../docs/recovery.md', import.meta.url), 'utf8');
    const rows = document.split('\n').filter((line) => line.startsWith('| '));
    for (const scenario of [
      'a follower is killed',
      'the leader is killed',
      'the leader is frozen',
      'all three are killed',
      'restart to ready, 1,000,000 keys of 256 bytes, 200,000 entries behind',
      'restart to ready, 1,000,000 keys of 256 bytes, 250,000 entries behind',
      'into an empty member',
      'p99 while / without',
    ]) {
      const row = rows.find((line) => line.includes(scenario));
      expect(row, scenario).toMatch(/\| [1-9]\d* \| [\d.,]+ \S+ \| [\d.,]+ \S+ \|/);
    }
  });
});
