// Looks after a start that takes long: says once for each phase that has used up its time, how far
// it is and what to look at (D-18). It warns and never kills: a phase that reads gigabytes is slow
// for a reason, and beginning it again would only take longer.
import type { Clock } from '@holdfast/base/clock';
import { sleep } from '@holdfast/base/clock';
import type { RecoveryPhase } from '@holdfast/engine/engine';

import type { Log } from './log.ts';

export type StartWatchOptions = {
  readonly clock: Clock;
  readonly log: Log;
  readonly phases: () => readonly RecoveryPhase[];
  /** Of one phase; 0: never warns. */
  readonly budgetMs: number;
};

const lookEveryMs = 1000;

/** Until all phases have ended, or the signal aborts. */
export async function watchStart(options: StartWatchOptions, signal: AbortSignal): Promise<void> {
  const { clock, log, phases, budgetMs } = options;
  const told = new Set<string>();
  while (!signal.aborted && budgetMs > 0) {
    for (const phase of phases()) {
      const isSlow = phase.state === 'running' && (phase.durationMs ?? 0) >= budgetMs;
      if (!isSlow || told.has(phase.name)) continue;
      told.add(phase.name);
      const { name, progress, etaMs, amount, detail } = phase;
      log.warn({ phase: name, progress, etaMs, amount, detail }, slowText(phase, budgetMs));
    }
    if (phases().length > 0 && phases().every(({ state }) => state === 'done')) return;
    await sleep(clock, lookEveryMs, signal).catch(() => undefined); // The loop looks at the signal.
  }
}

const slowText = ({ name }: RecoveryPhase, budgetMs: number): string =>
  `phase ${name} of the start takes longer than ${budgetMs / 1000} s: ${advice[name] ?? 'wait'}`;

const advice: Readonly<Record<string, string>> = {
  status: 'a few bytes are read and synced; look at the latency of the disk',
  'snapshot-scan': 'the ends of two files are read; look at the latency of the disk',
  'snapshot-load': 'the whole snapshot is read; look at the throughput of the disk, and at memory',
  log: 'every entry is read and checked; look at the throughput of the disk',
  checks: 'a few bytes are written and synced; look at the latency of the disk',
  replay: 'entries behind the snapshot are applied; more snapshots make it shorter',
  serving: 'a leader is awaited; look at the other voters, and the network between them',
};
