// A start, read downwards (house.md section 4, D-01): status file, snapshots, log, checks; what it
// answers is all that a core needs. Nothing that was found counts as persisted before the log store
// has synced it. Locking the directory and reading its identity come before, in the process.
import { assert } from '@holdfast/base/assert';
import { HoldfastError, isHoldfastError } from '@holdfast/base/errors';
import { type Index, maxIndex, minIndex, term } from '@holdfast/base/ids';
import {
  type Configuration,
  membersOf,
  type PlacedConfiguration,
} from '@holdfast/raft/configuration';
import { formatLogId, type LogId } from '@holdfast/raft/entry';
import { beforeLog, Log } from '@holdfast/raft/log';
import type { HardState } from '@holdfast/raft/ready';
import type {
  LogRecovery,
  LogStore,
  SnapshotStore,
  StateDoubt,
  StateMachine,
  StatusRecovery,
  StatusStore,
  StoredSnapshot,
  StoredStatus,
} from './ports.ts';
import type { PhaseName, RecoveryPhases } from './recovery-phases.ts';
import { repairNeed } from './repair-need.ts';

export type RecoveryOptions = {
  readonly log: LogStore;
  readonly status: StatusStore;
  readonly snapshots: SnapshotStore;
  readonly stateMachine: StateMachine;
  readonly doubt?: StateDoubt | undefined;
  /** The configuration that a new cluster is born with. */
  readonly bootstrap: Configuration;
  readonly phases: RecoveryPhases;
  /** Ends the recovery between two steps, with its reason. */
  readonly signal: AbortSignal;
  /**
   * Resolves when a step that found the disk full may be tried again; rejects once the signal has
   * aborted. Absent: a full disk ends the start.
   */
  readonly waitForRoom?: () => Promise<void>;
};

export type Recovered = {
  readonly state: HardState;
  readonly statusLost: boolean;
  readonly log: LogRecovery;
  readonly configurations: readonly PlacedConfiguration[];
  readonly commit: Index;
  /** What the state machine holds. */
  readonly applied: LogId;
  readonly appliedConfiguration: Configuration;
  /** Those that can be used: the loaded one, and any older ones behind it. */
  readonly snapshots: readonly StoredSnapshot[];
  readonly findings: RecoveryFindings;
};

/** What was not as it should be, for people and metrics; the start has dealt with it. */
export type RecoveryFindings = {
  readonly statusCopiesBad: number;
  readonly tornBytes: number;
  /** Damage in the log that only others can repair. */
  readonly damaged: { readonly from: Index; readonly reason: string } | undefined;
};

const newState: HardState = { term: term(0), vote: undefined, repairing: undefined };

export async function recover(options: RecoveryOptions): Promise<Recovered> {
  const { phases, signal } = options;
  const status = await run(options, { name: 'status', tell: tellStatus }, async () => {
    await options.doubt?.open();
    return await options.status.open();
  });
  signal.throwIfAborted();
  const found = await run(options, { name: 'snapshot-scan', tell: tellSnapshots }, () =>
    options.snapshots.open(),
  );
  await phases.run('membership', async () => found[0], tellMembership);
  signal.throwIfAborted();
  const snapshot = await phases.run(
    'snapshot-load',
    () => loadNewest(options, found),
    (loaded) => (loaded ? `loaded ${formatLogId(loaded.last)}` : 'none'),
  );
  signal.throwIfAborted();
  const opened = await run(options, { name: 'log', tell: tellLog }, () =>
    // The log is begun before the first status is saved, and before any snapshot.
    openLog(options, { mustExist: status.lost || !!status.status || found.length > 0 }),
  );
  signal.throwIfAborted();
  const checks = { name: 'checks', tell: tellChecks } as const;
  return await run(options, checks, () => check(options, { status, snapshot, opened, found }));
}

/** What a member says of a start that waits so. */
export const waitingForRoom = 'the disk is full, and the start waits for room';

type TellingPhase<T> = { readonly name: PhaseName; readonly tell: (result: T) => string };

/**
 * A phase that writes: a full disk keeps the member alive, and the phase waits (safety.md 9). Each
 * of them may be run again, as after a crash.
 */
function run<T>(
  { phases, waitForRoom }: RecoveryOptions,
  { name, tell }: TellingPhase<T>,
  work: () => Promise<T>,
): Promise<T> {
  const untilRoom = async (): Promise<T> => {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!waitForRoom || !isHoldfastError(error, 'disk-full')) throw error;
        phases.say(name, `waits for room on the disk: ${error.message}`);
        await waitForRoom();
      }
    }
  };
  return phases.run(name, untilRoom, tell);
}

const tellChecks = ({ commit, applied }: Recovered): string =>
  `starts at commit ${commit}, applied ${applied.index}`;

const tellStatus = (status: StatusRecovery): string => {
  if (status.lost) return 'both copies are unreadable: no votes until all other voters were heard';
  if (!status.status) return 'new data directory';
  const { term: savedTerm, repairing } = status.status.state;
  const bad = status.copiesBad > 0 ? ', one copy was unreadable' : '';
  return `term ${savedTerm}${repairing ? ', repairing' : ''}${bad}`;
};

const tellSnapshots = (found: readonly StoredSnapshot[]): string =>
  found.length === 0 ? 'none' : found.map((one) => formatLogId(one.last)).join(', ');

/** From the newest snapshot; entries behind it may change it. */
const tellMembership = (newest: StoredSnapshot | undefined): string =>
  newest
    ? `${membersOf(newest.configuration).length} members in snapshot ${formatLogId(newest.last)}`
    : 'in no snapshot: as the cluster was born, and as the log says';

const tellLog = (log: LogRecovery): string => {
  const torn = log.tornBytes > 0 ? `, cut ${log.tornBytes} torn bytes` : '';
  const rot = log.rot ? `, damaged from ${log.rot.from}: ${log.rot.reason}` : '';
  return `${log.sizes.length} entries up to ${formatLogId(log.last)}${torn}${rot}`;
};

function openLog(
  { log, phases, signal }: RecoveryOptions,
  { mustExist }: { readonly mustExist: boolean },
): Promise<LogRecovery> {
  const onProgress = (done: number, total: number): void =>
    phases.advance('log', { unit: 'bytes', done, total });
  return log.open({ signal, onProgress, mustExist });
}

/** The newest snapshot that reads back whole; a rotten one gives way to the older one (D-19). */
async function loadNewest(
  options: RecoveryOptions,
  found: readonly StoredSnapshot[],
): Promise<StoredSnapshot | undefined> {
  for (const snapshot of found) {
    try {
      await options.stateMachine.restore(snapshot.last, readWithProgress(options, snapshot));
      return snapshot;
    } catch (error) {
      // Rot in one file is what the other one is kept for; anything else ends the start.
      if (!isHoldfastError(error, 'corrupt')) throw error;
      options.phases.say('snapshot-load', `${error.message}; trying the older one`);
    }
  }
  return undefined;
}

async function* readWithProgress(
  options: RecoveryOptions,
  snapshot: StoredSnapshot,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of options.snapshots.read(snapshot)) {
    options.signal.throwIfAborted();
    yield chunk;
    bytes += chunk.length;
    const amount = { unit: 'bytes', done: bytes, total: snapshot.bytes } as const;
    options.phases.advance('snapshot-load', amount);
  }
}

type Found = {
  readonly status: StatusRecovery;
  readonly snapshot: StoredSnapshot | undefined;
  readonly opened: LogRecovery;
  readonly found: readonly StoredSnapshot[];
};

async function check(options: RecoveryOptions, found: Found): Promise<Recovered> {
  const { status, snapshot, opened } = found;
  const start = snapshot?.last ?? beforeLog;
  const saved = status.status?.state ?? newState;
  refuseImpossible(status, { start, log: opened, saved });
  // The entries between snapshot and log are gone: begin anew, and let the leader fill it.
  const hasHole = opened.purged.index > start.index;
  const damage = { saved: saved.repairing, statusLost: status.lost, start, log: opened };
  const repairing = repairNeed(damage);
  const state = repairing === saved.repairing ? saved : { ...saved, repairing };
  // First: a log that is begun anew no longer shows what this member may have acknowledged.
  await saveIfChanged(options, status, state);
  // A log that is shorter than the snapshot, or of another branch there, gives way: the snapshot is
  // committed (safety.md 7).
  const isKept = !hasHole && new Log(opened).has(start);
  if (!isKept) await options.log.reset(start);
  const log = isKept ? opened : emptyLog(start, opened);
  const recovered = { ...found, start, state, log, bootstrap: options.bootstrap };
  return assembled(recovered);
}

function assembled(
  parts: Found & {
    readonly start: LogId;
    readonly state: HardState;
    readonly log: LogRecovery;
    readonly bootstrap: Configuration;
  },
): Recovered {
  const { start, state, log, snapshot, found, status, opened } = parts;
  const born = { index: start.index, configuration: snapshot?.configuration ?? parts.bootstrap };
  const later = log.configurations.filter((placed) => placed.index > start.index);
  const recovered: Recovered = {
    state,
    statusLost: status.lost,
    log,
    configurations: [born, ...later],
    commit: maxIndex(start.index, minIndex(log.commitHint, log.last.index)),
    applied: start,
    appliedConfiguration: born.configuration,
    // Newer ones did not read back: they are no ground for a purge, and nothing to send.
    snapshots: snapshot ? found.slice(found.indexOf(snapshot)) : [],
    findings: {
      statusCopiesBad: status.copiesBad,
      tornBytes: opened.tornBytes,
      damaged: opened.rot && { from: opened.rot.from, reason: opened.rot.reason },
    },
  };
  assertChain(recovered);
  return recovered;
}

/** D-06: what no healthy run can leave behind. The member must not go on as if it had. */
function refuseImpossible(
  status: StatusRecovery,
  found: { readonly start: LogId; readonly log: LogRecovery; readonly saved: HardState },
): void {
  const { start, log, saved } = found;
  if (log.purged.index === start.index && log.purged.term !== start.term) {
    throw new HoldfastError(
      'corrupt',
      `the snapshot ends in ${formatLogId(start)}, but the log begins after ` +
        `${formatLogId(log.purged)}: they are of different directories. ${wayOut}`,
    );
  }
  if (status.lost) {
    // No term to compare with; the member abstains until it has learned one. But neither can it
    // note durably that it has to repair.
    if (log.purged.index <= start.index) return;
    throw new HoldfastError(
      'corrupt',
      `the status file is lost, and the entries up to ${log.purged.index} are in no readable ` +
        `snapshot: this member cannot know what it has acknowledged. ${wayOut}`,
    );
  }
  const newest = start.term > log.last.term ? start : log.last;
  if (newest.term <= saved.term) return;
  throw new HoldfastError(
    'corrupt',
    `the status file says term ${saved.term}, but entry ${formatLogId(newest)} is on disk: the ` +
      `status file is older than the log, as after restoring a part of the directory. ${wayOut}`,
  );
}

const wayOut =
  'Put the whole directory back, or remove this member and add it again with an empty one';

const emptyLog = (start: LogId, { extent }: LogRecovery): LogRecovery => ({
  extent,
  purged: start,
  last: start,
  termRuns: [],
  sizes: [],
  configurations: [],
  commitHint: start.index,
  tornBytes: 0,
  rot: undefined,
});

async function saveIfChanged(
  options: RecoveryOptions,
  status: StatusRecovery,
  state: HardState,
): Promise<void> {
  if (status.lost) return; // Nothing true can be saved before the terms of the others were heard.
  const saved: StoredStatus | undefined = status.status;
  if (saved && !saved.installing && saved.state === state && status.copiesBad === 0) return;
  await options.status.save({ state, installing: false });
}

/** safety.md 7, as far as it can be told at a start. */
function assertChain(recovered: Recovered): void {
  const { log, applied, commit } = recovered;
  assert(log.purged.index <= applied.index, 'purged <= snapshot');
  assert(applied.index <= commit, 'applied <= committed');
  assert(commit <= log.last.index, 'committed <= last');
  assert(
    recovered.statusLost || log.last.term <= recovered.state.term,
    'last log term <= saved term',
  );
}
