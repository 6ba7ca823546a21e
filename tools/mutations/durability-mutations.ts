// Broken disks, starts and snapshots: mutations of storage and of the loops around it.
import type { Mutation } from './mutation.ts';

const persistLoop = 'packages/replica/src/persist-loop.ts';
const recovery = 'packages/replica/src/recovery.ts';
const snapshotter = 'packages/replica/src/snapshotter.ts';
const statusFile = 'packages/storage/src/status-file.ts';
const twinFile = 'packages/storage/src/twin-file.ts';
const tailVerdict = 'packages/storage/src/tail-verdict.ts';
const logRecovery = 'packages/storage/src/log-recovery.ts';
const segmentedLog = 'packages/storage/src/segmented-log.ts';
const recordSlab = 'packages/mvcc/src/record-slab.ts';

export const durabilityMutations: readonly Mutation[] = [
  {
    name: 'answer-before-fdatasync',
    does: 'the log says that it is synced while the sync still runs',
    rule: '1',
    edits: [
      {
        file: persistLoop,
        find: 'const persisted = await this.#timed(() => log.sync(this.#options.commitIndex()));',
        replace:
          'const persisted = log.marks.accepted; ' +
          'log.sync(this.#options.commitIndex()).catch(() => undefined); await null;',
      },
    ],
  },
  {
    name: 'no-sync-at-start',
    does: 'a start believes what it reads beyond the durable mark without syncing it',
    rule: '1',
    edits: [
      {
        file: logRecovery,
        find: 'if (tail.clean && tail.stop.end === durable.offset) await syncInPlace(log.current);',
        replace: 'if (tail.clean) await null;',
      },
    ],
  },
  {
    name: 'torn-rule-cuts-rot',
    does: 'whatever is unreadable at the end of the log is cut as torn',
    rule: '3',
    edits: [
      {
        file: tailVerdict,
        find: 'if (synced.some((position) => isBefore(end, position))) {',
        replace: 'if (synced.length === 0) {',
      },
      {
        file: tailVerdict,
        find: 'if (endsFile(tail, behind.length) || lacksSector(tail)) {',
        replace: 'if (endsFile(tail, behind.length) || content.length > 0) {',
      },
    ],
  },
  {
    name: 'status-in-one-copy',
    does: 'a status save is acknowledged after one copy, over the one before',
    rule: '4',
    edits: [
      {
        file: twinFile,
        find: 'await this.#write(this.#file, payload, copyOffsets);\n',
        replace: 'await this.#write(this.#file, payload, [0]);\n',
      },
    ],
  },
  {
    name: 'vote-forgotten-at-restart',
    does: 'a restarted member does not remember whom it voted for',
    rule: '4',
    edits: [
      {
        file: statusFile,
        find: 'const vote = flags & hasVote ?',
        replace: 'const vote = flags < 0 ?',
      },
    ],
  },
  {
    name: 'rot-not-repaired',
    does: 'a member that has cut rot from its log goes on as if it were whole',
    rule: '5',
    edits: [
      {
        file: recovery,
        find: 'const repairing = repairNeed(damage);',
        replace: 'const repairing = damage.saved;',
      },
    ],
  },
  {
    name: 'failed-sync-believed',
    does: 'a sync that failed is taken for done',
    rule: '1',
    edits: [
      {
        file: segmentedLog,
        find: "throw this.#finish(error, 'syncing the log');",
        replace: 'if (!error) return;',
      },
    ],
  },
  {
    name: 'wiped-member-votes',
    does: 'another data directory is taken for the member whose id it shows',
    rule: '15',
    edits: [
      {
        file: 'packages/engine/src/membership.ts',
        find: 'return bound === undefined || bound.storeId === store;',
        replace: 'return bound === undefined || store > 0n;',
      },
    ],
  },
  {
    name: 'snapshot-ahead-of-the-log',
    does: 'a snapshot is finished before the entries that it covers are synced',
    rule: '7',
    edits: [
      {
        file: snapshotter,
        find: 'await this.#options.persisted(id.index);',
        replace: '',
      },
    ],
  },
  {
    name: 'purge-past-the-older-snapshot',
    does: 'the log is purged up to the newest snapshot',
    rule: '7',
    edits: [
      {
        file: snapshotter,
        find: 'this.#stored[this.#options.settings.snapshotsKept - 1];',
        replace: 'this.#stored[0];',
      },
    ],
  },
  {
    name: 'image-without-history',
    does: 'a snapshot leaves out deletions and replaced values that are not compacted yet',
    rule: '8',
    edits: [
      {
        file: recordSlab,
        find: 'if (modRevision >= compactRevision) return true;',
        replace: 'if (modRevision === 0) return true;',
      },
    ],
  },
];
