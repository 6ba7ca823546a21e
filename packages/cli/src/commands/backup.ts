// `holdfast backup FILE`: the state of a running cluster as one file. It is checked while it comes,
// and has its name only when it is whole and synced.
import { statSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { basename, dirname, resolve } from 'node:path';

import { HoldfastError, isHoldfastError } from '@holdfast/base/errors';
import { formatId } from '@holdfast/base/ids';
import type { BackupStream } from '@holdfast/client/backup-api';
import { writeBackup } from '@holdfast/storage/backup-files';
import { BackupReader, type BackupSummary } from '@holdfast/storage/backup-reader';
import { NodeDisk } from '@holdfast/storage/node-disk';
import type { Command } from 'commander';

import { type CliContext, globalsOf, withClient, writeJson } from '../context.ts';
import { backupFacts, backupJson } from '../offline/backup-view.ts';
import { renderFacts } from '../table.ts';
import { startProgress } from '../tree/progress.ts';

type BackupFlags = { readonly stale?: true; readonly force?: true };

const help = `
The file holds everything at one revision: keys, configurations, history, leases, sessions. It is
taken from one member while writes go on, and can be restored with \`holdfast restore\`. A follower
does it as well as the leader, and a busy leader has better things to do: name one in --endpoints.

Examples:
  holdfast backup /backups/monday.backup
  holdfast backup ./now.backup --endpoints 10.0.0.2:4653
  holdfast verify ./now.backup
`;

const mebibyte = 1024 * 1024;

export function addBackupCommand(program: Command, context: CliContext): void {
  program
    .command('backup')
    .description('write the state of a running cluster to a file')
    .argument('<file>', 'where it shall stand; made anew')
    .option('--stale', 'as one member knows it, also where there is no majority')
    .option('--force', 'replace a file that stands there')
    .addHelpText('after', help)
    .action(async (file: string, flags: BackupFlags, command: Command) => {
      yieldToOthers();
      const summary = await makeBackup(file, flags, { context, command });
      if (globalsOf(command).output === 'json') {
        await writeJson(context, { file, ...backupJson(summary) });
      } else {
        const facts = renderFacts(context.terminal, backupFacts(summary));
        await context.terminal.out(`${facts}\nThe backup is whole, and stands in ${file}.\n`);
      }
    });
}

/** A member on the same machine goes first: a backup has time, and writes have not. */
function yieldToOthers(): void {
  try {
    setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // Not everywhere may a process do so; then it takes its share.
  }
}

type Asked = { readonly context: CliContext; readonly command: Command };

async function makeBackup(
  file: string,
  { stale, force }: BackupFlags,
  { context, command }: Asked,
): Promise<BackupSummary> {
  requirePlain(file);
  const path = basename(resolve(file));
  const disk = new NodeDisk(dirname(resolve(file)));
  await requireFree(disk, { path, file, mayReplace: force === true });
  return await withClient(context, command, async ({ backups }) => {
    const { signal, random } = context;
    const consistency = stale ? 'stale' : 'linearizable';
    const stream = await backups.open({ consistency, signal });
    // Nobody else writes there, and what a killed one has left is told by its name.
    const unfinishedPath = `${path}.${formatId(random.identity()).slice(0, 8)}.tmp`;
    return await receive(stream, { disk, path, unfinishedPath }, context);
  });
}

type Place = { readonly disk: NodeDisk; readonly path: string; readonly unfinishedPath: string };

async function receive(
  stream: BackupStream,
  place: Place,
  { terminal, clock, signal }: CliContext,
): Promise<BackupSummary> {
  const progress = startProgress(terminal, clock, 'Received MiB');
  try {
    progress.total(stream.storeBytes && Math.ceil(stream.storeBytes / mebibyte));
    return await writeBackup(stream.pieces, {
      ...place,
      reader: new BackupReader(),
      signal,
      onProgress: (bytes) =>
        progress.done(
          Math.floor(bytes / mebibyte),
          `revision ${stream.revision} of ${stream.endpoint}`,
        ),
    });
  } catch (error) {
    if (!isHoldfastError(error)) throw error;
    if (error.details['isOnDisk'] === true) throw notWritten(error);
    if (!['corrupt', 'unavailable'].includes(error.code)) throw error;
    // Which of both it is depends on where the stream broke.
    throw new HoldfastError(
      error.code,
      `the backup did not come whole from ${stream.endpoint}, and no file was made: ` +
        error.message,
      { cause: error, details: { ...error.details, hint: 'try again, or ask another member' } },
    );
  } finally {
    progress.stop();
  }
}

/** It is this machine's disk that would not, and no member's. */
const notWritten = (error: HoldfastError): HoldfastError =>
  new HoldfastError('failed-precondition', `${error.message}; no file was made`, {
    cause: error,
    details: { hint: 'make room here, or choose another place' },
  });

/** A device or a folder is no place for a file, whatever shall be replaced. */
function requirePlain(file: string): void {
  if (file === '') throw new HoldfastError('invalid-argument', 'name the file of the backup');
  const found = statSync(resolve(file), { throwIfNoEntry: false });
  if (found && !found.isFile()) {
    throw new HoldfastError('invalid-argument', `${file} is no file, and is not replaced by one`);
  }
  const folder = dirname(resolve(file));
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return;
  throw new HoldfastError('not-found', `there is no directory ${folder} for the backup`, {
    details: { hint: 'make it first, or choose another place' },
  });
}

async function requireFree(
  disk: NodeDisk,
  {
    path,
    file,
    mayReplace,
  }: { readonly path: string; readonly file: string; readonly mayReplace: boolean },
): Promise<void> {
  if (mayReplace || !(await disk.list('')).includes(path)) return;
  throw new HoldfastError('already-exists', `${file} stands there already`, {
    details: { hint: 'choose another name, or replace it with --force' },
  });
}
