// Goal: `holdfast settings` shows where values come from and what is wrong with a file, with exit
// codes that a script can use. Method: the whole program on a temporary file.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { runCommand } from '../test-cluster.ts';

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-settings-'));
  file = join(folder, 'holdfast.yaml');
});

afterEach(() => rmSync(folder, { recursive: true }));

describe('settings print', () => {
  it('shows values, and with --origin where they come from, without secrets', async () => {
    writeFileSync(file, 'name: n7\ncluster-token: s3cret\n');
    const print = ['settings', 'print', '--config', file, '--log-level', 'warn'];
    const { code, out } = await runCommand([...print, '--origin']);
    expect(code).toBe(0);
    expect(out).toMatch(/^name +n7 +.*holdfast\.yaml, line 1 *$/m);
    expect(out).toMatch(/^log-level +warn +--log-level *$/m);
    expect(out).toMatch(/^cluster-token +\(set, and not shown\)/m);
    expect(out).not.toContain('s3cret');
    expect((await runCommand(print)).out).not.toContain('line 1');
  });

  it('refuses what a start would refuse', async () => {
    const { code, err } = await runCommand(['settings', 'print', '--listen-peer', '10.0.0.1:1']);
    expect(code).toBe(2);
    expect(err).toMatch(/give it certificates \(--tls-peer-cert/);
  });
});

describe('settings check', () => {
  it('tells each mistake as FILE:LINE, and answers 2', async () => {
    writeFileSync(file, 'name: n1\nhartbeat-ms: 1\nquota-bytes: lots\n');
    const { code, out } = await runCommand(['settings', 'check', file]);
    expect(code).toBe(2);
    expect(out.split('\n')[0]).toBe(
      `${file}:2: unknown setting hartbeat-ms; did you mean heartbeat-ms?`,
    );
    expect(out.split('\n')[1]).toMatch(/:3: quota-bytes is a whole number/);
    writeFileSync(file, 'name: n1\n');
    expect((await runCommand(['settings', 'check', file])).code).toBe(0);
  });
});
