// `holdfast recover-quorum DIR`: for the day on which a majority is gone for good. It reads what
// one member has left, says what a cluster that goes on from there would keep and lose, and stops.
// Only when told to, it makes the first member of a new cluster of it; what was read stays as it
// is.
import { HoldfastError } from '@holdfast/base/errors';
import { formatId } from '@holdfast/base/ids';
import { version } from '@holdfast/base/product-version';
import { encodeBackup } from '@holdfast/storage/backup-encoder';
import { NodeDisk } from '@holdfast/storage/node-disk';
import { type Command, InvalidArgumentError } from 'commander';

import { type CliContext, globalsOf, writeJson } from '../context.ts';
import { requireApart, requireOutside } from '../offline/directories-apart.ts';
import { entryView } from '../offline/entry-view.ts';
import { lockThere } from '../offline/lock-there.ts';
import { isBetter, lossOf } from '../offline/lost-revisions.ts';
import { MemberPast } from '../offline/member-past.ts';
import type { QuorumReport } from '../offline/quorum-report.ts';
import { lossJson, lossText, restoredText } from '../offline/quorum-view.ts';
import { hasMajority, votersThere } from '../offline/voters-there.ts';
import { collect, integerIn } from '../option-parsers.ts';
import { bumpEnd, restoreFrom } from './restore.ts';

type Flags = {
  readonly also: readonly string[];
  readonly acceptLoss?: true;
  readonly acceptDoubt?: true;
  readonly into?: string;
  readonly listenPeer?: string;
  readonly advertisePeer?: string;
  readonly bumpRevision: number;
};

const help = `
Only where more than half of the voters are lost with their disks. While one of them may come back,
wait: with a majority nothing is lost at all.

Without --accept-loss nothing is changed, and the member that lived there must be stopped. Give the
directories of other stopped members with --also, of lost machines too if a disk can still be read:
then the list of what is lost is exact, and it says which directory knows most.

With --accept-loss the state of DIRECTORY, with every entry of its log, becomes the first member of
a new cluster, in the directory --into. It has ids of its own, so that nobody of the old cluster can
join or vote in it, should one come back. Revisions go on a million higher (--bump-revision), so
that none that a client may have seen comes twice; watches are told to read anew.

Examples:
  holdfast recover-quorum /var/lib/holdfast
  holdfast recover-quorum /var/lib/holdfast --also /mnt/n2 --also /mnt/n3
  holdfast recover-quorum /var/lib/holdfast --accept-loss --into /var/lib/holdfast-2
`;

const bumpAsUsual = 1_000_000;
/** Of the last entries one will have made a revision. */
const lookedAtMax = 10_000;

export function addRecoverQuorumCommand(program: Command, context: CliContext): void {
  program
    .command('recover-quorum')
    .description('say what is lost with a majority, and go on from what one member has')
    .argument('<directory>', 'the data directory of a member that is left')
    .option('--also <directory>', "another member's directory, to compare with", collect, [])
    .option('--accept-loss', 'do it: make a new cluster from what is there')
    .option('--accept-doubt', 'also where the state of that directory is in doubt')
    .option('--into <directory>', 'an empty directory for its first member')
    .option('--listen-peer <host:port>', 'as it will be started (default: as the member was)')
    .option('--advertise-peer <host:port>', 'how members reach it, where that differs')
    .option(
      '--bump-revision <count>',
      'go on so many revisions higher',
      integerIn(0, bumpEnd),
      bumpAsUsual,
    )
    .addHelpText('after', help)
    .action(async (directory: string, flags: Flags, command: Command) => {
      checkFlags(directory, flags);
      await withPasts([directory, ...flags.also], context, async ([kept, ...others]) => {
        const report = await look(kept as MemberPast, others);
        const isJson = globalsOf(command).output === 'json';
        if (!isJson) await context.terminal.out(lossText(report, context.terminal));
        const restored = flags.acceptLoss ? await goOn(report, flags, context) : undefined;
        if (isJson) await writeJson(context, lossJson(report, restored));
        else if (restored) await context.terminal.out(restoredText(restored, flags.into ?? ''));
      });
    });
}

function checkFlags(directory: string, { acceptLoss, into, also }: Flags): void {
  requireApart([directory, ...also]);
  if (acceptLoss && into === undefined) {
    throw new InvalidArgumentError('--accept-loss needs --into: the directory of the new member.');
  }
  if (!acceptLoss && into !== undefined) {
    throw new InvalidArgumentError('--into does nothing without --accept-loss.');
  }
  if (into !== undefined) requireOutside(into, [directory, ...also]);
}

/** Nobody else works in any of the directories meanwhile. */
async function withPasts(
  directories: readonly string[],
  { clock, random, signal }: CliContext,
  work: (pasts: readonly MemberPast[]) => Promise<void>,
): Promise<void> {
  const ends: (() => Promise<void>)[] = [];
  try {
    const pasts: MemberPast[] = [];
    for (const directory of directories) {
      const lock = await lockThere(directory);
      ends.push(() => lock.close());
      const disk = new NodeDisk(directory);
      const past = await MemberPast.read({ disk, directory, clock, random, signal });
      ends.push(() => past.close());
      pasts.push(past);
    }
    await work(pasts);
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

async function look(kept: MemberPast, others: readonly MemberPast[]): Promise<QuorumReport> {
  for (const other of others) requireKin(kept, other);
  const better = others.reduce<MemberPast | undefined>(
    (best, other) => (isBetter(other, best ?? kept) ? other : best),
    undefined,
  );
  const voters = await votersThere(kept);
  return {
    ...{ kept, others, better, voters },
    hasMajority: hasMajority(kept, voters),
    loss: await lossOf(kept, others),
    lastMadeAt: await lastMadeAt(kept),
  };
}

async function lastMadeAt(kept: MemberPast): Promise<string | undefined> {
  let time: string | undefined;
  for await (const { entry } of kept.made(kept.last.index - lookedAtMax)) {
    const place = { path: kept.directory, offset: 0 };
    time = entryView({ entry, place }, { valueBytesMax: undefined }).time ?? time;
  }
  return time;
}

function requireKin(kept: MemberPast, other: MemberPast): void {
  const [mine, theirs] = [kept.identity, other.identity];
  if (mine.clusterId !== theirs.clusterId) {
    throw new HoldfastError(
      'cluster-mismatch',
      `${other.directory} is of cluster ${formatId(theirs.clusterId)}, and ${kept.directory} of ` +
        `cluster ${formatId(mine.clusterId)}: they have nothing in common`,
    );
  }
  if (mine.memberId !== theirs.memberId) return;
  throw new HoldfastError(
    'invalid-argument',
    `${other.directory} and ${kept.directory} are of the same member, ${mine.name}: one of them ` +
      'is a copy, and says nothing about the others',
  );
}

async function goOn(report: QuorumReport, flags: Flags, context: CliContext) {
  const { kept } = report;
  if (report.hasMajority) throw majorityThere(report);
  requireSilence(report);
  if (kept.isInDoubt && !flags.acceptDoubt) throw inDoubt(kept);
  const own = kept.peers?.members.find((one) => one.memberId === kept.identity.memberId);
  const listenPeer = flags.listenPeer ?? own?.peerAddress;
  const source = { pieces: backupOf(kept, context), bytes: kept.store.bytes };
  const { into = '', bumpRevision, advertisePeer } = flags;
  return await restoreFrom(
    source,
    {
      ...{ dataDir: into, name: kept.identity.name, bumpRevision },
      ...(listenPeer === undefined ? {} : { listenPeer }),
      ...(advertisePeer === undefined ? {} : { advertisePeer }),
    },
    context,
  );
}

/** Two clusters of one past, both with clients, are worse than any loss. */
function majorityThere({ voters }: QuorumReport): HoldfastError {
  const there = voters.filter(({ answers }) => answers !== false);
  const names = there.map(({ name, address }) => `${name} (${address ?? 'this directory'})`);
  return new HoldfastError(
    'failed-precondition',
    `this cluster has its majority: of ${voters.length} voters ${names.join(', ')} are there`,
    { details: { hint: 'Start the member of this directory again: then nothing is lost.' } },
  );
}

/** Whoever answers may know more than the directories that were read. */
function requireSilence({ voters }: QuorumReport): void {
  const there = voters.filter(({ answers }) => answers === true);
  if (there.length === 0) return;
  const names = there.map(({ name, address }) => `${name} (${address})`).join(', ');
  throw new HoldfastError(
    'failed-precondition',
    `of the old cluster there still runs ${names}, which may have what would be given up here`,
    {
      details: {
        hint: 'stop that member first, and compare its directory with --also where it can be read',
      },
    },
  );
}

const inDoubt = ({ directory }: MemberPast): HoldfastError =>
  new HoldfastError(
    'failed-precondition',
    `the state in ${directory} was found to differ from that of the majority: something in it is ` +
      'wrong, and nobody can say what',
    {
      details: {
        hint: "Go on from another member's directory, or accept it with --accept-doubt.",
      },
    },
  );

/** What a backup of this member would hold, if it could be asked. */
function backupOf({ identity, store, last }: MemberPast, { clock }: CliContext) {
  const head = {
    clusterId: identity.clusterId,
    memberId: identity.memberId,
    clusterVersion: store.clusterVersion,
    revision: store.revision,
    last,
    stateHash: BigInt.asUintN(64, store.stateHash),
    createdAtMs: clock.wallMs(),
    storeBytes: store.bytes,
    version,
  };
  return encodeBackup(head, store.image().chunks());
}
