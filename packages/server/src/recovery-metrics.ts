// A start in figures (D-18): how long each phase took and how far it is, what was found amiss, and
// whether this member repairs or receives. Shown from the first moment of a start on.
import type { EngineStatus, RecoveryPhase } from '@holdfast/engine/engine';

import { familyText, type Sample, sampleText } from './metric-text.ts';

export function recoveryMetrics(
  phases: readonly RecoveryPhase[],
  status: EngineStatus | undefined,
): readonly string[] {
  return [...phaseLines(phases), ...(status ? statusLines(status) : [])];
}

function phaseLines(phases: readonly RecoveryPhase[]): readonly string[] {
  if (phases.length === 0) return [];
  const timed = phases.flatMap(({ name, durationMs }) =>
    durationMs === undefined ? [] : [{ labels: phaseLabel(name), value: durationMs / 1000 }],
  );
  const progress = phases.map((phase) => ({
    labels: phaseLabel(phase.name),
    value: phase.state === 'done' ? 1 : (phase.progress ?? 0),
  }));
  const seconds = { name: 'recovery_phase_seconds', help: 'How long a phase of the start took' };
  const parts = { name: 'recovery_phase_progress', help: 'How much of a phase is done, 0 to 1' };
  return [familyText(seconds, timed), familyText(parts, progress)];
}

const phaseLabel = (name: string): string => `{phase="${name}"}`;

function statusLines(status: EngineStatus): readonly string[] {
  const samples = [...stateSamples(status), ...installSamples(status), ...findingSamples(status)];
  return samples.map(sampleText);
}

const stateSamples = ({ initialised, role }: EngineStatus): readonly Sample[] => [
  {
    name: 'initialised',
    help: 'Whether all that was known to be committed before the start is applied',
    value: Number(initialised),
  },
  {
    name: 'repairing',
    help: 'Whether this member repairs its log from the others, and does not vote',
    value: Number(role === 'repairing'),
  },
];

/** Zero where nothing is on its way: a graph then falls, and does not end. */
const installSamples = ({ install, repair }: EngineStatus): readonly Sample[] => [
  {
    name: 'install_done_bytes',
    help: 'Of a snapshot that is received or loaded now',
    value: install?.doneBytes ?? 0,
  },
  {
    name: 'install_total_bytes',
    help: 'Of a snapshot that is received or loaded now',
    value: install?.totalBytes ?? 0,
  },
  {
    name: 'repair_missing_entries',
    help: 'Lost entries of the log that are still to be fetched from a peer',
    value: repair ? Math.max(0, repair.through - repair.fetched) : 0,
  },
];

function findingSamples({ findings }: EngineStatus): readonly Sample[] {
  if (!findings) return [];
  return [
    {
      name: 'recovery_torn_bytes',
      help: 'Bytes of an unfinished write that the last start cut',
      value: findings.tornBytes,
    },
    {
      name: 'recovery_damaged_ranges',
      help: 'Ranges of the log that the last start could not read',
      value: findings.damaged ? 1 : 0,
    },
    {
      name: 'recovery_status_copies_bad',
      help: 'Copies of the status file that the last start could not read',
      value: findings.statusCopiesBad,
    },
  ];
}
