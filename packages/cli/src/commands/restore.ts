// `holdfast restore FILE`: the data directory of a new cluster's first member, made from a backup.
// Offline: nothing runs there yet, and the old cluster hears nothing of it.
import { HoldfastError } from '@holdfast/base/errors';
import { formatId } from '@holdfast/base/ids';
import {
  type Restored,
  type RestoreStep,
  restoreDirectory,
} from '@holdfast/engine/restore-directory';
import { type MemberSettings, readSettings } from '@holdfast/server/settings';
import { lockDirectory, makeRoot, NodeDisk } from '@holdfast/storage/node-disk';
import type { Command } from 'commander';

import { type CliContext, globalsOf, writeJson } from '../context.ts';
import { backupPieces, fileBytes } from '../offline/backup-check.ts';
import { backupJson } from '../offline/backup-view.ts';
import { integerIn } from '../option-parsers.ts';
import { renderFacts } from '../table.ts';
import { startProgress } from '../tree/progress.ts';

export type RestoreFlags = {
  readonly dataDir: string;
  readonly name: string;
  readonly listenPeer?: string;
  readonly advertisePeer?: string;
  readonly bumpRevision: number;
};

const help = `
Makes a new cluster of one member, with ids of its own: no member of the old cluster can be mixed up
with it, nor one of another restore. Start that member, then let the other machines join it, each
with an empty directory; they get the state from it.

--bump-revision lets revisions go on so much higher, and all history before is compacted: a client
that has seen revisions of the old cluster after the backup sees none that go back, and a watch from
before is told to read anew. Without it everything is as it was, to the byte.

Examples:
  holdfast restore monday.backup --data-dir ./n1 --listen-peer 10.0.0.1:4654
  holdfast start --data-dir ./n1 --insecure \\
    --listen-client 10.0.0.1:4653 --listen-peer 10.0.0.1:4654
  holdfast start --name n2 --join 10.0.0.1:4653 ...      on the next machine, and so on
`;

const mebibyte = 1024 * 1024;
export const bumpEnd = 2 ** 50;

export function addRestoreCommand(program: Command, context: CliContext): void {
  program
    .command('restore')
    .description('make the data directory of a new cluster from a backup')
    .argument('<file>', 'the backup')
    .requiredOption('--data-dir <directory>', 'an empty directory, or one that is to be made')
    .option('--name <name>', 'of the first member', 'n1')
    .option('--listen-peer <host:port>', 'as it will be started (default: 127.0.0.1:4654)')
    .option('--advertise-peer <host:port>', 'how members reach it, where that differs')
    .option('--bump-revision <count>', 'go on so many revisions higher', integerIn(0, bumpEnd), 0)
    .addHelpText('after', help)
    .action(async (file: string, flags: RestoreFlags, command: Command) => {
      const bytes = await fileBytes(file);
      if (bytes === undefined) throw new HoldfastError('not-found', `${file} is no file`);
      const source = { bytes, pieces: backupPieces(file, () => undefined) };
      const restored = await restoreFrom(source, flags, context);
      if (globalsOf(command).output === 'json') await writeJson(context, jsonOf(restored, flags));
      else await context.terminal.out(textOf(restored, flags, context));
    });
}

export type RestoreSource = {
  /** The bytes of a backup. */
  readonly pieces: AsyncIterable<Uint8Array>;
  /** How many, for the progress. */
  readonly bytes: number;
};

/** Throws what restoreDirectory throws, and `invalid-argument` for what a start would refuse. */
export async function restoreFrom(
  { pieces, bytes }: RestoreSource,
  flags: RestoreFlags,
  { terminal, clock, random, signal }: CliContext,
): Promise<Restored> {
  const { dataDir, name, bumpRevision } = flags;
  const settings = settingsOf(flags);
  makeRoot(dataDir);
  const lock = await lockDirectory(dataDir, process.pid);
  const progress = startProgress(terminal, clock, 'Restored MiB');
  try {
    const total = Math.ceil((bytes * steps.length) / mebibyte);
    progress.total(total);
    return await restoreDirectory({
      disk: new NodeDisk(dataDir),
      random,
      clock,
      pieces,
      name,
      peerAddress: settings.advertisePeer,
      bumpRevision,
      signal,
      yieldNow: () => new Promise((next) => setImmediate(next)),
      onProgress: (step, done) => {
        const before = steps.indexOf(step) * bytes;
        progress.done(Math.min(total, Math.floor((before + done) / mebibyte)), step);
      },
    });
  } finally {
    progress.stop();
    await lock.close();
  }
}

const steps: readonly RestoreStep[] = ['reading', 'writing', 'checking'];

/** Names and addresses are checked as a start checks them. */
function settingsOf({ dataDir, name, listenPeer, advertisePeer }: RestoreFlags): MemberSettings {
  const given = { dataDir, name, listenPeer, advertisePeer, insecure: true };
  return readSettings(given, {});
}

function textOf(restored: Restored, flags: RestoreFlags, { terminal }: CliContext): string {
  const { head } = restored.backup;
  const facts = renderFacts(terminal, [
    [
      'cluster',
      `${formatId(restored.clusterId)}, new (the backup is of ${formatId(head.clusterId)})`,
    ],
    ['member', `${flags.name}, ${formatId(restored.memberId)}, its only one`],
    ['revision', revisionText(restored)],
    ['keys', restored.keys],
    ['state hash', formatId(restored.stateHash)],
  ]);
  return `${facts}
Restored into ${flags.dataDir}. Start that member without --initial-cluster:

  holdfast start --name ${flags.name} --data-dir ${flags.dataDir} ...

and each other machine of the new cluster with an empty directory and --join.
`;
}

function revisionText({ revision, backup }: Restored): string {
  const before = backup.head.revision;
  if (revision === before) return `${revision}, as in the backup`;
  return `${revision}, after ${before} in the backup; what is older is compacted`;
}

function jsonOf(restored: Restored, { name, dataDir }: RestoreFlags) {
  return {
    dataDir,
    name,
    clusterId: formatId(restored.clusterId),
    memberId: formatId(restored.memberId),
    revision: restored.revision,
    compactRevision: restored.compactRevision,
    keys: restored.keys,
    stateHash: formatId(restored.stateHash),
    backup: backupJson(restored.backup),
  };
}
