// `holdfast verify PATH`: what state a data directory is in, and what the next start will make of
// it; or what a backup file holds. Offline and read-only: it takes the lock of a directory, and
// changes no byte.
import { formatId } from '@holdfast/base/ids';
import { errorTable } from '@holdfast/server/errors';
import { NodeDisk } from '@holdfast/storage/node-disk';
import type { Command } from 'commander';

import { type CliContext, globalsOf, writeJson } from '../context.ts';
import { type BackupCheck, checkBackupFile, fileBytes } from '../offline/backup-check.ts';
import { backupFacts, backupJson } from '../offline/backup-view.ts';
import { directoryBytes } from '../offline/directory-bytes.ts';
import { checkDirectory, type DirectoryReport } from '../offline/directory-check.ts';
import { lockThere } from '../offline/lock-there.ts';
import { type Cell, renderFacts, renderTable } from '../table.ts';
import { startProgress } from '../tree/progress.ts';

type VerifyOptions = { readonly deep: boolean };

const help = `
Reads every file of the directory, says what is wrong and where, and what the next start makes of
it: it runs the code of a start on a copy in memory. The member that lives there must be stopped.
Exits with 0 if all is sound, with 1 if something is damaged and the member starts all the same,
with 10 or 11 if a start is refused, with 3 if no member has ever lived there.

Of a backup file it says what it holds, or where it is damaged: 0, or 11. With --deep the state is
loaded as well, as a restore does.

Examples:
  holdfast verify /var/lib/holdfast
  holdfast verify ./n1 --deep --output json
  holdfast verify /backups/monday.backup
`;

/** Each byte is read by its own check, and again by the rehearsal. */
const readings = 2;
const mebibyte = 1024 * 1024;

export function addVerifyCommand(program: Command, context: CliContext): void {
  program
    .command('verify')
    .description('check the data directory of a stopped member, or a backup file')
    .argument('<path>', "the member's data directory, or a backup file")
    .option('--deep', 'replay the log as well, and print the hash of the state', false)
    .addHelpText('after', help)
    .action(async (path: string, options: VerifyOptions, command: Command) => {
      const isJson = globalsOf(command).output === 'json';
      const bytes = await fileBytes(path);
      if (bytes !== undefined) return await verifyBackup({ path, bytes, isJson }, options, context);
      const report = await verify(path, options, context);
      if (isJson) await writeJson(context, jsonOf(report));
      else await context.terminal.out(reportText(report, context));
      context.exitCode = exitCodeOf(report);
    });
}

type BackupFile = { readonly path: string; readonly bytes: number; readonly isJson: boolean };

async function verifyBackup(
  { path, bytes, isJson }: BackupFile,
  { deep }: VerifyOptions,
  context: CliContext,
): Promise<void> {
  const { terminal, clock, signal } = context;
  const progress = startProgress(terminal, clock, 'Checked MiB');
  let check: BackupCheck;
  try {
    progress.total(Math.ceil(bytes / mebibyte));
    let read = 0;
    const onRead = (count: number): void => {
      read += count;
      progress.done(Math.ceil(read / mebibyte), path);
    };
    check = await checkBackupFile(path, { deep, signal, onRead });
  } finally {
    progress.stop();
  }
  const { summary, damage, keys } = check;
  if (isJson) await writeJson(context, backupReport(check));
  else if (summary) {
    const found: readonly (readonly [string, Cell])[] = deep ? [['keys', keys]] : [];
    const facts = renderFacts(terminal, [...backupFacts(summary), ...found]);
    await terminal.out(`${facts}\nSound.\n`);
  } else await terminal.out(`${damage?.message}.\nDamaged: it can not be restored.\n`);
  if (damage) context.exitCode = errorTable[damage.code].exitCode;
}

const backupReport = ({ summary, damage, keys }: BackupCheck) => ({
  verdict: summary ? 'sound' : 'unusable',
  backup: summary ? backupJson(summary) : null,
  keys: keys ?? null,
  damage: damage ? { message: damage.message, ...damage.details } : null,
});

async function verify(
  directory: string,
  { deep }: VerifyOptions,
  { terminal, clock, random, signal }: CliContext,
): Promise<DirectoryReport> {
  const lock = await lockThere(directory);
  const progress = startProgress(terminal, clock, 'Checked MiB');
  try {
    const disk = new NodeDisk(directory);
    const total = (await directoryBytes(disk)) * readings;
    progress.total(Math.ceil(total / mebibyte));
    let bytes = 0;
    const onRead = (count: number): void => {
      bytes = Math.min(total, bytes + count);
      progress.done(Math.ceil(bytes / mebibyte), directory);
    };
    return await checkDirectory({ disk, clock, random, deep, signal, onRead });
  } finally {
    progress.stop();
    await lock.close();
  }
}

function exitCodeOf({ verdict, rehearsal }: DirectoryReport): number {
  if (verdict === 'sound') return 0;
  if (verdict === 'damaged') return 1;
  return errorTable[rehearsal.refusal?.code ?? 'corrupt'].exitCode;
}

function reportText(report: DirectoryReport, { terminal }: CliContext): string {
  const { findings } = report;
  const rows = findings.map(({ severity, file, offset, index, what, means }): readonly Cell[] => [
    severity,
    offset === undefined ? file : `${file} at ${offset}`,
    index,
    `${what}.\n${means}.`,
  ]);
  const known = factsOf(report).filter(([, value]) => value !== undefined);
  const facts = renderFacts(terminal, known);
  const heads = ['severity', 'where', 'entry', 'what, and what it means'];
  const table = rows.length === 0 ? '' : `\n${renderTable(terminal, heads, rows)}`;
  return `${facts}${table}\n${sentences[report.verdict]}\n`;
}

const sentences = {
  sound: 'Sound.',
  damaged: 'Damaged; the member starts, and repairs what it can from the others.',
  unusable: 'Unusable: a start is refused.',
} as const;

function factsOf(report: DirectoryReport): readonly (readonly [string, Cell])[] {
  const { identity, recovered, state } = report.rehearsal;
  const { log, snapshots, chain } = report;
  const broken = chain.filter(({ holds }) => !holds);
  return [
    ['member', identity && `${identity.name}, ${formatId(identity.memberId)}`],
    ['cluster', identity && formatId(identity.clusterId)],
    ['store', identity && `${formatId(identity.storeId)}, boot ${identity.bootEpoch}`],
    ['term', recovered && (recovered.statusLost ? 'lost' : recovered.state.term)],
    ['snapshots', snapshots.map(({ last }) => last.index).join(', ') || 'none'],
    ['log', log && logText(log)],
    ['chain', (broken.length > 0 ? broken : chain).map(linkText).join(', ') || '-'],
    [
      'start',
      recovered
        ? `at entry ${recovered.applied.index}, replays up to ${recovered.commit}`
        : 'refused',
    ],
    [
      'state',
      state && `revision ${state.revision}, ${state.keys} keys at entry ${state.appliedIndex}`,
    ],
    ['state hash', state && formatId(BigInt.asUintN(64, state.stateHash))],
  ];
}

const logText = ({ purged, last, files, unsynced }: NonNullable<DirectoryReport['log']>): string =>
  `entries ${purged + 1} to ${last.index} in ${files} files` +
  (unsynced > 0 ? `, ${unsynced} of them behind the durable mark` : '');

const linkText = ({ left, leftValue, right, rightValue, holds }: DirectoryReport['chain'][0]) =>
  `${left} ${leftValue} ${holds ? '<=' : 'is NOT <='} ${right} ${rightValue}`;

function jsonOf({ verdict, findings, snapshots, log, chain, rehearsal }: DirectoryReport) {
  const { identity, recovered, refusal, refusedIn, state } = rehearsal;
  return {
    verdict,
    findings,
    identity: identity && {
      ...identity,
      clusterId: formatId(identity.clusterId),
      memberId: formatId(identity.memberId),
      storeId: formatId(identity.storeId),
    },
    snapshots: snapshots.map((one) => ({ ...one, stateHash: hashText(one.stateHash) })),
    log: log ?? null,
    chain,
    start: {
      refused: refusal ? { code: refusal.code, message: refusal.message, phase: refusedIn } : null,
      term: recovered?.state.term ?? null,
      repairing: recovered?.state.repairing !== undefined,
      statusLost: recovered?.statusLost ?? false,
      applied: recovered?.applied.index ?? null,
      commit: recovered?.commit ?? null,
      tornBytes: recovered?.findings.tornBytes ?? 0,
    },
    state: state ? { ...state, stateHash: hashText(state.stateHash) } : null,
  };
}

const hashText = (hash: bigint): string => formatId(BigInt.asUintN(64, hash));
