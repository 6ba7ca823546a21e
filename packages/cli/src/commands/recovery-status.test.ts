// Goal: a start is shown while it lasts: once, or followed until it serves. Method: the real HTTP
// door, with an engine that is put in when the test says so.
import { ManualClock } from '@holdfast/base/manual-clock';
import { MemoryEngine } from '@holdfast/engine/memory-engine';
import { EngineSlot } from '@holdfast/server/engine-slot';
import { buildHttpApp } from '@holdfast/server/http-server';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { recoveryText } from '../recovery-text.ts';
import { runCommand } from '../test-cluster.ts';

let slot: EngineSlot;
let endpoints: string;
let close: () => Promise<void>;

const log = {
  name: 'log',
  state: 'running' as const,
  durationMs: 1200,
  progress: 0.5,
  etaMs: 1200,
  amount: { unit: 'bytes' as const, done: 5 * 1024 * 1024, total: 10 * 1024 * 1024 },
  detail: '',
};

beforeEach(async () => {
  slot = new EngineSlot(() => [log]);
  const app = buildHttpApp({ slot, clock: new ManualClock(), version: '0.1.0' });
  await app.listen({ host: '127.0.0.1', port: 0 });
  endpoints = `127.0.0.1:${(app.server.address() as { port: number }).port}`;
  close = async () => {
    await app.close();
  };
});

afterEach(() => close());

describe('holdfast status --recovery', () => {
  it('shows a member that starts, with a bar for the phase that runs', async () => {
    const { code, out } = await runCommand(['status', '--recovery'], { endpoints });
    expect(out).toContain(`${endpoints}  starting`);
    expect(out).toMatch(/log +█{12}░{12} +50 % {2}5\.0 of 10\.0 MiB, 1\.2 s left/);
    expect(code).toBe(0);
    const json = await runCommand(['status', '--recovery', '--output', 'json'], { endpoints });
    expect(JSON.parse(json.out)).toMatchObject([
      { endpoint: endpoints, view: { stage: 'starting', phases: [{ progress: 0.5 }] } },
    ]);
  });

  it('follows it, a line for each step, until it serves', async () => {
    const onOut = (text: string): void => {
      if (text.includes('starting')) slot.fill(new MemoryEngine());
    };
    const args = ['status', '--recovery', '--follow'];
    const { code, out } = await runCommand(args, { endpoints, onOut });
    expect(out.trim().split('\n')).toEqual([
      expect.stringContaining(`${endpoints} starting, phase log 50 %: this member is starting`),
      `${endpoints} serving`,
    ]);
    expect(code).toBe(0);
  });

  it('exits with 5 where nobody answers', async () => {
    await close();
    const { code, err } = await runCommand(['status', '--recovery'], { endpoints });
    expect(err).toContain('no endpoint answers');
    expect(code).toBe(5);
    close = () => Promise.resolve();
  });
});

describe('the picture of a start', () => {
  it('tells what was found, and what comes from others, each in one line', () => {
    const view = {
      stage: 'repairing',
      ready: false,
      initialised: true,
      reason: 'x'.repeat(300),
      phases: [],
      findings: {
        statusCopiesBad: 1,
        tornBytes: 312,
        damaged: { from: 7, reason: 'record 7 has a damaged payload' },
      },
      install: {
        from: 'n2',
        step: 'receiving',
        doneBytes: 1024 * 1024,
        totalBytes: 4 * 1024 * 1024,
      },
      repair: { from: 7, through: 90, fetched: 30, peer: 'n3', waitsFor: 'entries from 31 on' },
    };
    const text = recoveryText([{ endpoint: 'a:1', view }], { columns: 90, useColor: false });
    expect(text).toContain('cut an unfinished write of 312 bytes\n');
    expect(text).toContain('damaged from entry 7 on: record 7 has a damaged payload\n');
    expect(text).toContain('entries up to 30 of 90 from n3: waits for entries from 31 on\n');
    expect(text).toContain('██████░░░░░░░░░░░░░░░░░░ receiving 1.0 of 4.0 MiB from n2\n');
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(90);
  });
});
