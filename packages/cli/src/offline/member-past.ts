// All that one stopped member knew: its newest snapshot, and every entry of its log behind it,
// those that nobody had told it to be committed included. For the day on which no majority is left
// to say more. Reads only: what a start would write goes to an overlay.
import type { Clock } from '@holdfast/base/clock';
import { HoldfastError, messageOf } from '@holdfast/base/errors';
import { type Index, index, memberId, type Term } from '@holdfast/base/ids';
import type { Random } from '@holdfast/base/random';
import { type DataDirectory, openDataDirectory } from '@holdfast/engine/data-directory';
import { KvStore } from '@holdfast/mvcc/kv-store';
import { MemberStanding } from '@holdfast/proto/internal';
import { type Configuration, newConfiguration } from '@holdfast/raft/configuration';
import type { Entry, LogId } from '@holdfast/raft/entry';
import { type Recovered, recover } from '@holdfast/replica/recovery';
import { RecoveryPhases } from '@holdfast/replica/recovery-phases';
import type { Disk } from '@holdfast/storage/disk';
import { IdentityFile, type StoredIdentity } from '@holdfast/storage/identity-file';
import { OverlayDisk } from '@holdfast/storage/overlay-disk';
import { type KnownPeers, PeersFile } from '@holdfast/storage/peers-file';
import { commandsOf } from './entry-commands.ts';

export type PastOptions = {
  readonly disk: Disk;
  /** As people name it. */
  readonly directory: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
};

const readBytes = 4 * 1024 * 1024;

export class MemberPast {
  readonly directory: string;
  readonly identity: StoredIdentity;
  readonly peers: KnownPeers | undefined;
  /** With all of its log applied. */
  readonly store: KvStore;
  /** What its snapshot holds; index 0 where it has none. */
  readonly snapshot: LogId;
  /** The revision at that. */
  readonly snapshotRevision: number;
  readonly last: LogId;
  /** So far it knew that entries are committed. */
  readonly commit: Index;
  /** The newest that it has, committed or not. */
  readonly configuration: Configuration;
  /** Where its log ends because of damage. */
  readonly damage: { readonly from: Index; readonly reason: string } | undefined;
  /** Its log is damaged: it does not vote until others have given it what it lacks. */
  readonly isRepairing: boolean;
  /** Behind its last entry it may have had, and acknowledged, more. */
  readonly hasLost: boolean;
  /** Its state was found to differ from that of the majority (docs/integrity.md). */
  readonly isInDoubt: boolean;
  /** Term and revision of each entry behind the snapshot. */
  readonly #steps: readonly Step[];
  readonly #purged: LogId;
  readonly #termRuns: readonly { readonly from: Index; readonly term: Term }[];
  readonly #directory: DataDirectory;
  readonly #overlay: OverlayDisk;

  private constructor(found: Found) {
    const { recovered, steps, options, store } = found;
    this.directory = options.directory;
    this.identity = found.identity;
    this.peers = found.peers;
    this.store = store;
    this.snapshot = recovered.applied;
    this.snapshotRevision = found.snapshotRevision;
    this.last = recovered.log.last;
    this.commit = recovered.commit;
    const placed = recovered.configurations.at(-1);
    const configuration = placed?.configuration ?? recovered.appliedConfiguration;
    this.configuration = configuration.voters.length > 0 ? configuration : bornWith(store);
    this.damage = recovered.findings.damaged;
    this.isRepairing = recovered.state.repairing !== undefined;
    this.hasLost = recovered.statusLost || this.isRepairing;
    this.isInDoubt = found.isInDoubt;
    this.#steps = steps;
    this.#purged = recovered.log.purged;
    this.#termRuns = recovered.log.termRuns;
    this.#directory = found.opened;
    this.#overlay = found.overlay;
  }

  /** Throws what a start is refused with, and `not-found` where nobody has lived. */
  static async read(options: PastOptions): Promise<MemberPast> {
    const overlay = new OverlayDisk({ inner: options.disk });
    let opened: DataDirectory | undefined;
    try {
      const identity = await readIdentity(overlay, options.directory);
      opened = await openDataDirectory({
        ...{ disk: overlay, random: options.random, segmentBytes: 64 * 1024 },
        ...{ clusterId: identity.clusterId, memberId: identity.memberId, name: identity.name },
      });
      const peers = await readPeers(overlay);
      const store = new KvStore({ yieldNow: turn });
      const recovered = await recover({
        ...opened,
        stateMachine: store,
        bootstrap: newConfiguration({ voters: [...(peers?.founders ?? [])] }),
        phases: new RecoveryPhases(options.clock),
        signal: options.signal,
      });
      const snapshotRevision = store.revision;
      const isInDoubt = (await opened.quarantine.open()).quarantine !== undefined;
      const steps = await applyAll(opened, { store, recovered, signal: options.signal });
      const read = { options, identity, peers, store, recovered, snapshotRevision };
      const found = { ...read, steps, isInDoubt };
      return new MemberPast({ ...found, opened, overlay });
    } catch (error) {
      await closeAll(opened, overlay);
      throw error;
    }
  }

  /** Of the entry there; undefined where neither log nor snapshot says it. */
  termAt(at: number): Term | undefined {
    if (at === this.snapshot.index) return this.snapshot.term;
    if (at === this.#purged.index) return this.#purged.term;
    if (at < this.#purged.index || at > this.last.index) return undefined;
    return this.#termRuns.findLast(({ from }) => from <= at)?.term;
  }

  /** From here on it can say the terms. */
  get firstKnown(): number {
    return this.#purged.index;
  }

  /** After the entry there; undefined before the snapshot. */
  revisionAt(at: number): number | undefined {
    if (at === this.snapshot.index) return this.snapshotRevision;
    return this.#steps[at - this.snapshot.index - 1]?.revision;
  }

  /** The commands behind `after` that its log still has and that made a revision, and which. */
  async *made(after: number): AsyncGenerator<MadeRevision> {
    const first = Math.max(after, this.snapshot.index) + 1;
    let before = this.revisionAt(first - 1) ?? this.snapshotRevision;
    for (let at = first; at <= this.last.index; ) {
      const { log } = this.#directory;
      const entries = await log.read(index(at), index(this.last.index + 1), readBytes);
      for (const entry of entries) {
        const made = this.#steps[entry.index - this.snapshot.index - 1]?.made ?? [];
        for (const [at, command] of commandsOf(entry).entries()) {
          const revision = made[at] ?? before;
          if (revision > before) yield { entry: command, revision };
          before = revision;
        }
      }
      at += entries.length;
    }
  }

  close(): Promise<void> {
    return closeAll(this.#directory, this.#overlay);
  }
}

/** `entry`: with the one command that made it. */
export type MadeRevision = { readonly entry: Entry; readonly revision: number };

/** The revision after an entry, and after each of its commands. */
type Step = { readonly revision: number; readonly made: readonly number[] };

type Found = {
  readonly options: PastOptions;
  readonly identity: StoredIdentity;
  readonly peers: KnownPeers | undefined;
  readonly store: KvStore;
  readonly recovered: Recovered;
  readonly snapshotRevision: number;
  readonly steps: readonly Step[];
  readonly isInDoubt: boolean;
  readonly opened: DataDirectory;
  readonly overlay: OverlayDisk;
};

/** A directory of before there was a list of peers: with those whose directories it has bound. */
const bornWith = (store: KvStore): Configuration =>
  newConfiguration({
    voters: store
      .members()
      .filter(({ standing }) => standing === MemberStanding.JOINED)
      .map((member) => memberId(member.memberId)),
  });

/** One by one, as each has to tell what it comes to. */
async function applyAll(
  { log }: DataDirectory,
  { store, recovered, signal }: Pick<Found, 'store' | 'recovered'> & { signal: AbortSignal },
): Promise<readonly Step[]> {
  const steps: Step[] = [];
  const end = recovered.log.last.index + 1;
  for (let at = recovered.applied.index + 1; at < end; ) {
    signal.throwIfAborted();
    const entries = await log.read(index(at), index(end), readBytes);
    for (const entry of entries) {
      const [result] = store.apply([entry]);
      const made = result === undefined ? [] : [result].flat().map(({ revision }) => revision);
      steps.push({ revision: store.revision, made });
    }
    at += entries.length;
    await turn();
  }
  return steps;
}

async function readIdentity(disk: Disk, directory: string): Promise<StoredIdentity> {
  const file = new IdentityFile({ disk });
  try {
    const found = await file.open();
    if (found) return found;
  } finally {
    await file.close();
  }
  throw new HoldfastError('not-found', `nobody has ever lived in ${directory}`);
}

/** Where the others are is good to know, and nothing depends on it. */
async function readPeers(disk: Disk): Promise<KnownPeers | undefined> {
  const file = new PeersFile(disk);
  try {
    return await file.open();
  } catch (error) {
    if (error instanceof HoldfastError) return undefined;
    throw new Error(`reading who the others are: ${messageOf(error)}`, { cause: error });
  } finally {
    await file.close();
  }
}

async function closeAll(opened: DataDirectory | undefined, overlay: OverlayDisk): Promise<void> {
  await opened?.log.close();
  await opened?.status.close();
  await opened?.quarantine.close();
  await opened?.snapshots.close();
  await overlay.close();
}

const turn = (): Promise<void> => new Promise((next) => setImmediate(next));
