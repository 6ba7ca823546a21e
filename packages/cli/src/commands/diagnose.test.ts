// Goal: what is wrong is said in sentences that fit the terminal, and the exit code says that
// something is. Method: the text of findings as a member gives them, and the whole program over the
// real HTTP door of a member that is alone.
import { describe, expect, it } from 'vitest';

import { CapturedTerminal, startTestServer } from '../test-cluster.ts';
import { diagnosisText } from './diagnose.ts';

const members = ['n1', 'n2', 'n3'].map((name) => ({
  id: name,
  name,
  voter: true,
  answered: name !== 'n3',
  reason: name === 'n3' ? 'dark' : null,
}));

describe('holdfast diagnose', () => {
  it('shows each finding under its severity, in lines that fit', () => {
    const says = `n3 does not answer: ${'it is dark and silent and far away '.repeat(4)}`.trim();
    const findings = [{ case: 'member-missing', severity: 'warning', members: ['n3'], says }];
    const text = diagnosisText(
      { by: 'n1', well: false, findings, members },
      new CapturedTerminal(new Uint8Array()),
    );
    const lines = text.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^warning {3}member-missing: n3 does not answer/);
    expect(lines[1]).toMatch(/^ {10}\S/);
    expect(lines.every((line) => line.length <= 100)).toBe(true);
    expect(lines.at(-1)).toBe('asked by n1: 2 of 3 members answered');
  });

  it('says that all is well of a member that is, with exit code 0', async () => {
    await using server = await startTestServer();
    const { code, out } = await server.run('diagnose');
    expect(out).toBe('all is well (asked by memory: 1 of 1 members answered)\n');
    expect(code).toBe(0);
    const json = await server.run('diagnose', '--output', 'json');
    expect(JSON.parse(json.out)).toMatchObject({ well: true, findings: [] });
  });
});
