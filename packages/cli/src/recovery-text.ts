// A start as text: a picture with a bar for the phase that runs, or one line. Pure but for the
// width and the colours of the terminal.
import type { RecoveryPhaseView, RecoveryView } from '@holdfast/client/cluster-api';
import pc from 'picocolors';

import type { EndpointAnswer } from './endpoint-answer.ts';
import type { Terminal } from './terminal.ts';

export type EndpointRecovery = EndpointAnswer<RecoveryView>;

type Look = Pick<Terminal, 'columns' | 'useColor'>;

const barCells = 24;
const nameCells = 14;

export function recoveryText(views: readonly EndpointRecovery[], look: Look): string {
  return `${views.flatMap((one) => linesOf(one, look)).join('\n')}\n`;
}

/** What is new since the last one is decided by this text. */
export function recoveryLine({ endpoint, view, error }: EndpointRecovery): string {
  if (!view) return `${endpoint} does not answer: ${error}`;
  const running = view.phases.find(({ state }) => state === 'running');
  const tenth = running?.progress === null ? undefined : (running?.progress ?? undefined);
  const progress = tenth === undefined ? '' : ` ${Math.floor(tenth * 10) * 10} %`;
  const phase = running ? `, phase ${running.name}${progress}` : '';
  return `${endpoint} ${view.stage}${phase}${view.reason ? `: ${view.reason}` : ''}`;
}

function linesOf({ endpoint, view, error }: EndpointRecovery, look: Look): readonly string[] {
  const { bold, dim } = pc.createColors(look.useColor);
  if (!view) return [cut(`${endpoint}  does not answer: ${error}`, look)];
  const reason = view.reason ? `  ${dim(cut(view.reason, look, endpoint.length + 16))}` : '';
  return [
    `${bold(endpoint)}  ${view.stage}${reason}`,
    ...view.phases.map((phase) => cut(`  ${phaseText(phase)}`, look)),
    ...extrasOf(view).map((line) => cut(`  ${line}`, look)),
  ];
}

function phaseText(phase: RecoveryPhaseView): string {
  const name = phase.name.padEnd(nameCells);
  const { state, durationMs, progress, detail } = phase;
  if (state === 'running' && progress !== null) {
    const percent = `${Math.floor(progress * 100)} %`.padStart(5);
    return `${name}${barOf(progress)} ${percent}  ${amountText(phase)}${etaText(phase)}`;
  }
  const time = durationMs === null ? '' : `${durationMs} ms`;
  return `${name}${state.padEnd(8)} ${time.padStart(9)}  ${detail}`.trimEnd();
}

function barOf(progress: number): string {
  const full = Math.round(progress * barCells);
  return `${'█'.repeat(full)}${'░'.repeat(barCells - full)}`;
}

function amountText({ amount }: RecoveryPhaseView): string {
  if (!amount) return '';
  const { unit, done, total } = amount;
  if (unit !== 'bytes') return `${done} of ${total} ${unit}`;
  return `${mebibytes(done)} of ${mebibytes(total)} MiB`;
}

const mebibytes = (bytes: number): string => (bytes / 1024 / 1024).toFixed(1);

const etaText = ({ etaMs }: RecoveryPhaseView): string =>
  etaMs === null ? '' : `, ${(etaMs / 1000).toFixed(1)} s left`;

/** What was found amiss, and what comes from others. */
function extrasOf({ findings, install, repair }: RecoveryView): readonly string[] {
  const lines: string[] = [];
  if (findings && findings.tornBytes > 0) {
    lines.push(`cut an unfinished write of ${findings.tornBytes} bytes`);
  }
  if (findings && findings.statusCopiesBad > 0) {
    lines.push(`${findings.statusCopiesBad} of 2 copies of the status were unreadable`);
  }
  if (findings?.damaged) {
    lines.push(`damaged from entry ${findings.damaged.from} on: ${findings.damaged.reason}`);
  }
  if (repair) {
    const from = repair.peer === null ? '' : ` from ${repair.peer}`;
    lines.push(
      `repair        entries up to ${repair.fetched} of ${repair.through}${from}: ` +
        `waits for ${repair.waitsFor}`,
    );
  }
  if (install) {
    const { step, doneBytes, totalBytes, from } = install;
    const progress = totalBytes === 0 ? 0 : Math.min(1, doneBytes / totalBytes);
    const amount = `${mebibytes(doneBytes)} of ${mebibytes(totalBytes)} MiB`;
    lines.push(`snapshot      ${barOf(progress)} ${step} ${amount} from ${from}`);
  }
  return lines;
}

/** One line stays one line: a picture that is drawn over needs to know its height. */
const cut = (text: string, { columns }: Look, less = 0): string =>
  Array.from(text)
    .slice(0, Math.max(20, columns - 1 - less))
    .join('');
