// Goal: each value is shown with where it comes from, secrets are not, and a file's mistakes are
// all told at once, each with its line.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { checkSettingsFile, settingLines } from './setting-report.ts';

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-settings-'));
  file = join(folder, 'holdfast.yaml');
});

afterEach(() => rmSync(folder, { recursive: true }));

describe('where a setting comes from', () => {
  it('is a flag before a variable before a line of the file before the default', () => {
    writeFileSync(
      file,
      '# of n7\nname: n7\nquota-bytes: 9000000\nsegment-bytes: 2000000\ncluster-token: s3cret\n' +
        'join-user: root:s3cret\n',
    );
    const flags = { config: file, quotaBytes: '7000000' };
    const variables = { HOLDFAST_QUOTA_BYTES: '8000000', HOLDFAST_SEGMENT_BYTES: '3000000' };
    const lines = settingLines(flags, variables);
    const shown = (key: string): string => {
      const line = lines.find((one) => one.key === key);
      return `${line?.value} by ${line?.origin}`;
    };
    expect(shown('quota-bytes')).toBe('7000000 by --quota-bytes');
    expect(shown('segment-bytes')).toBe('3000000 by HOLDFAST_SEGMENT_BYTES');
    expect(shown('name')).toBe(`n7 by ${file}, line 2`);
    expect(shown('heartbeat-ms')).toBe('100 by default');
    expect(shown('join')).toBe('undefined by default');
    expect(JSON.stringify(lines)).not.toContain('s3cret');
  });
});

describe('the check of a file', () => {
  it('tells all mistakes with their lines and the nearest right names', () => {
    writeFileSync(
      file,
      'name: n1\nhartbeat-ms: 100\n\nlog-level: loud\nquota-bytes: lots\n' +
        'insecure: maybe\nzzzzzz: 1\n',
    );
    expect(checkSettingsFile(file)).toEqual([
      { line: 2, says: 'unknown setting hartbeat-ms; did you mean heartbeat-ms?' },
      { line: 4, says: expect.stringMatching(/^log-level is one of trace, .*not "loud"$/) },
      { line: 5, says: expect.stringMatching(/^quota-bytes is a whole number .*not "lots"$/) },
      { line: 6, says: 'insecure is true or false, not "maybe"' },
      { line: 7, says: 'unknown setting zzzzzz' },
    ]);
  });

  it('tells what can not work together, what is no YAML, and nothing of a sound file', () => {
    const says = (text: string) => {
      writeFileSync(file, text);
      return checkSettingsFile(file);
    };
    expect(says('heartbeat-ms: 900\n')[0]?.says).toMatch(/--heartbeat-ms is at most a third/);
    expect(says('name: n1\nname: n2\n')).toEqual([
      { line: 2, says: expect.stringMatching(/is not YAML/) },
    ]);
    expect(says('- a\n')[0]?.says).toMatch(/holds no settings/);
    expect(says('name: n1\nlisten-client: 127.0.0.1:1\n')).toEqual([]);
    expect(says('')).toEqual([]);
    rmSync(file);
    expect(checkSettingsFile(file)[0]?.says).toMatch(/can not be read/);
  });
});
