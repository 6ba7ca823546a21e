// Whether a member is healthy as etcd means it, which probes and load balancers ask at /health: it
// has a leader, no alarm is raised, and it serves. From what it knows; nobody else is asked.
import type { EngineStatus } from '@holdfast/engine/engine';

import type { EngineSlot } from '../engine-slot.ts';

export type HealthQuestion = {
  /** Of this member alone: it can be read, whoever leads and whether anybody does. */
  readonly isLocal: boolean;
  /** Names of alarms that are not heeded. */
  readonly excluded: readonly string[];
};

/** Undefined: it is. */
export function unhealthyReason(slot: EngineSlot, question: HealthQuestion): string | undefined {
  const status = slot.status();
  if (slot.state !== 'serving' || !status) return slot.notReadyReason();
  const alarm = alarmsOf(status).find((name) => !question.excluded.includes(name));
  if (alarm !== undefined) return `ALARM ${alarm}`;
  if (question.isLocal) return status.initialised ? undefined : slot.notReadyReason();
  return status.leader === undefined ? 'RAFT NO LEADER' : slot.notReadyReason();
}

/** A state that was found to differ from the others' is not to be trusted. */
const alarmsOf = ({ integrity }: EngineStatus): readonly string[] =>
  integrity?.quarantine === undefined ? [] : ['CORRUPT'];
