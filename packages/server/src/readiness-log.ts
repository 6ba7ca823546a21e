// What a member's log says from its start until it serves: what was found on the disk, and then, as
// long as it lasts, whom it waits for.
import { type Clock, sleep } from '@holdfast/base/clock';
import { formatId, type MemberId } from '@holdfast/base/ids';
import type { Engine, EngineStatus } from '@holdfast/engine/engine';

import type { Log } from './log.ts';

export type ReadinessLogOptions = {
  readonly clock: Clock;
  readonly log: Pick<Log, 'info' | 'warn'>;
  /** A member that is missed, with the last reason. */
  readonly absenceOf: (id: MemberId) => string;
};

/** One that was started anew has a teller of its own. */
export type ToldEngine = {
  readonly engine: Pick<Engine, 'status'>;
  readonly client: string;
  readonly isCurrent: () => boolean;
};

const waitingLogMs = 5000;
const firstLogMs = 1500;
const lookMs = 100;
/** Safety.md 5: nothing is lost, but somebody should look at that disk. */
const repairingText =
  'what this member had written is damaged or missing: it does not vote until it has repaired ' +
  'its log from the others';

export async function tellReadiness(
  options: ReadinessLogOptions,
  { engine, client, isCurrent }: ToldEngine,
  signal: AbortSignal,
): Promise<void> {
  const { clock, log } = options;
  tellRecovered(options, engine.status());
  let dueMs = clock.monotonicMs() + firstLogMs;
  for (let status = engine.status(); !status.ready; status = engine.status()) {
    if (clock.monotonicMs() >= dueMs) {
      dueMs = clock.monotonicMs() + waitingLogMs;
      tellWaiting(options, status);
    }
    await sleep(clock, lookMs, signal);
    if (!isCurrent()) return;
  }
  log.info({ client, revision: engine.status().revision }, 'ready');
}

function tellRecovered({ log }: ReadinessLogOptions, status: EngineStatus): void {
  const { clusterId, role, recovery } = status;
  const done = recovery.filter((phase) => phase.state === 'done' && phase.detail !== '');
  const found = Object.fromEntries(done.map((phase) => [phase.name, phase.detail]));
  log.info({ cluster: formatId(clusterId), found }, 'taking part in the cluster');
  if (role !== 'repairing') return;
  log.warn({ status: found['status'], log: found['log'] }, repairingText);
}

function tellWaiting({ log, absenceOf }: ReadinessLogOptions, status: EngineStatus): void {
  const { notReadyReason: reason, missingVoters } = status;
  log.warn({ reason, missing: missingVoters.map(absenceOf) }, 'not ready');
}
