// The start of a member, tried out over an overlay: the very code of a start, down to the end of
// the recovery, and nothing of it reaches the directory. So a check says what a start will do
// because it has done it.
import type { Clock } from '@holdfast/base/clock';
import { type HoldfastError, isHoldfastError } from '@holdfast/base/errors';
import { clusterId, type Index, index, memberId } from '@holdfast/base/ids';
import type { Random } from '@holdfast/base/random';
import { type DataDirectory, openDataDirectory } from '@holdfast/engine/data-directory';
import { refuseUnfinished } from '@holdfast/engine/restore-directory';
import { KvStore } from '@holdfast/mvcc/kv-store';
import { newConfiguration } from '@holdfast/raft/configuration';
import { type Recovered, recover } from '@holdfast/replica/recovery';
import { type PhaseName, RecoveryPhases } from '@holdfast/replica/recovery-phases';
import type { Disk } from '@holdfast/storage/disk';
import { IdentityFile, type StoredIdentity } from '@holdfast/storage/identity-file';
import { PeersFile } from '@holdfast/storage/peers-file';

export type RehearsalOptions = {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  /** Replays the log as well, up to what is known to be committed. */
  readonly deep: boolean;
  readonly signal: AbortSignal;
};

export type Rehearsal = {
  readonly identity: StoredIdentity | undefined;
  /** Undefined: the start is refused. */
  readonly recovered: Recovered | undefined;
  readonly refusal: HoldfastError | undefined;
  /** The phase in which it was refused; undefined: before the first one. */
  readonly refusedIn: PhaseName | undefined;
  readonly state: StateView | undefined;
};

/** The store after the replay; only a deep rehearsal looks. */
export type StateView = {
  readonly appliedIndex: Index;
  readonly revision: number;
  readonly keys: number;
  readonly stateHash: bigint;
};

const replayBytes = 4 * 1024 * 1024;

export async function rehearse(options: RehearsalOptions): Promise<Rehearsal> {
  const phases = new RecoveryPhases(options.clock);
  const store = new KvStore({ yieldNow: () => new Promise((next) => setImmediate(next)) });
  let identity: StoredIdentity | undefined;
  let stores: DataDirectory | undefined;
  try {
    await refuseUnfinished(options.disk);
    identity = await readIdentity(options.disk);
    await readPeers(options.disk);
    stores = await openStores(options, identity);
    const recovered = await recover({
      ...stores,
      stateMachine: store,
      bootstrap: newConfiguration({ voters: [stores.identity.memberId] }),
      phases,
      signal: options.signal,
    });
    if (options.deep) await replay(stores, store, recovered);
    return { ...noRefusal, identity, recovered, state: options.deep ? viewOf(store) : undefined };
  } catch (error) {
    options.signal.throwIfAborted();
    if (!isHoldfastError(error)) throw error;
    const refusedIn = phases.list().find(({ state }) => state === 'failed')?.name;
    return { identity, recovered: undefined, refusal: error, refusedIn, state: undefined };
  } finally {
    await stores?.log.close();
    await stores?.status.close();
    await stores?.snapshots.close();
  }
}

const noRefusal = { refusal: undefined, refusedIn: undefined } as const;

/** As it stands on the disk: the epoch of the last start, not of this one. */
async function readIdentity(disk: Disk): Promise<StoredIdentity | undefined> {
  const file = new IdentityFile({ disk });
  try {
    const found = await file.open();
    return found && { ...found, bootEpoch: found.bootEpoch - 1 };
  } finally {
    await file.close();
  }
}

/** Where the others are: what cannot be read there ends a start. */
async function readPeers(disk: Disk): Promise<void> {
  const file = new PeersFile(disk);
  try {
    await file.open();
  } finally {
    await file.close();
  }
}

/** Whose start it is, only its settings know; the directory's own word is taken for it. */
function openStores(
  { disk, random }: RehearsalOptions,
  identity: StoredIdentity | undefined,
): Promise<DataDirectory> {
  return openDataDirectory({
    disk,
    random,
    clusterId: identity?.clusterId ?? clusterId(1n),
    memberId: identity?.memberId ?? memberId(1n),
    name: identity?.name ?? '',
    // Of the files that the trial makes: nobody writes into them.
    segmentBytes: 64 * 1024,
  });
}

async function replay(
  { log }: DataDirectory,
  store: KvStore,
  { applied, commit }: Recovered,
): Promise<void> {
  for (let at: number = applied.index + 1; at <= commit; ) {
    const entries = await log.read(index(at), index(commit + 1), replayBytes);
    store.apply(entries);
    at += entries.length;
    await new Promise((next) => setImmediate(next));
  }
}

const viewOf = (store: KvStore): StateView => ({
  appliedIndex: store.appliedIndex,
  revision: store.revision,
  keys: store.keys,
  stateHash: store.stateHash,
});
