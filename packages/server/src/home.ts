// Whose data directory this is, and where the others are: as the directory itself says, or, for a
// new one, as --initial-cluster or the cluster behind --join says. Settled once, before the engine;
// kept up to date beside the data from then on, so that a later start needs neither flag.
import { HoldfastError, isHoldfastError } from '@holdfast/base/errors';
import { type ClusterId, formatId, type MemberId, storeId } from '@holdfast/base/ids';
import type { Random } from '@holdfast/base/random';
import type { TaskGroup } from '@holdfast/base/task-group';
import { knownVersion } from '@holdfast/engine/cluster-version';
import type { KnownMember } from '@holdfast/engine/membership';
import { refuseUnfinished } from '@holdfast/engine/restore-directory';
import type { Disk } from '@holdfast/storage/disk';
import { checkIdentity, IdentityFile, type StoredIdentity } from '@holdfast/storage/identity-file';
import { type KnownPeers, PeersFile } from '@holdfast/storage/peers-file';

import { deriveClusterId, deriveJoinedId, deriveMemberId } from './identity.ts';
import type { Joining } from './joining.ts';
import type { Log } from './log.ts';
import type { MemberSettings } from './settings.ts';

export type Home = {
  readonly clusterId: ClusterId;
  readonly memberId: MemberId;
  /** The voters that the cluster was born with; none for a member that joined later. */
  readonly founders: readonly MemberId[];
  /** As they were known last, this one among them. */
  readonly members: readonly KnownMember[];
  /** It joined, and is to vote as soon as it has caught up. */
  readonly isCandidate: boolean;
};

export type HomeKeeperOptions = {
  readonly disk: Disk;
  readonly random: Random;
  readonly settings: MemberSettings;
  readonly tasks: TaskGroup;
  readonly log: Pick<Log, 'warn'>;
  /** Undefined without --join. */
  readonly joining: Pick<Joining, 'cluster' | 'admit'> | undefined;
  /** The next start may have to be told with --initial-cluster; nothing else depends on it. */
  readonly onUnsaved: (error: unknown) => void;
};

type Asked = NonNullable<HomeKeeperOptions['joining']>;

export class HomeKeeper {
  readonly #options: HomeKeeperOptions;
  readonly #file: PeersFile;
  #home: Home | undefined;
  /** Saves take turns. */
  #saving: Promise<void> = Promise.resolve();

  constructor(options: HomeKeeperOptions) {
    this.#options = options;
    this.#file = new PeersFile(options.disk);
  }

  /** Undefined until it is settled. */
  get home(): Home | undefined {
    return this.#home;
  }

  /**
   * Throws `cluster-mismatch` where the settings name another cluster or member than the directory,
   * and what the cluster refuses a newcomer with.
   */
  async settle(signal: AbortSignal): Promise<Home> {
    if (this.#home) return this.#home;
    const { disk, joining } = this.#options;
    await refuseUnfinished(disk);
    const found = await new IdentityFile({ disk }).peek();
    const known = await this.#file.open();
    const home = found
      ? await this.#resettle(found, known, signal)
      : joining
        ? await this.#join(joining, signal)
        : this.#found();
    if (home.members !== known?.members) await this.#file.save(peersOf(home));
    this.#home = home;
    return home;
  }

  /** The cluster's members have changed, or where they are. */
  remember(members: readonly KnownMember[]): void {
    this.#change({ members });
  }

  /** This member votes: it need not ask for that any more. */
  promoted(): void {
    this.#change({ isCandidate: false });
  }

  close(): Promise<void> {
    return this.#saving.then(() => this.#file.close());
  }

  /** A new cluster, of those that the settings name. */
  #found(): Home {
    const { settings } = this.#options;
    const { initialCluster, clusterToken, name } = settings;
    const clusterId = deriveClusterId(initialCluster, clusterToken);
    const members = initialCluster.map((one) => ({
      memberId: deriveMemberId(clusterId, one.name),
      name: one.name,
      peerAddress: one.address,
    }));
    return {
      clusterId,
      memberId: deriveMemberId(clusterId, name),
      founders: members.map(({ memberId }) => memberId),
      members,
      isCandidate: false,
    };
  }

  async #resettle(
    found: StoredIdentity,
    known: KnownPeers | undefined,
    signal: AbortSignal,
  ): Promise<Home> {
    const { settings, joining } = this.#options;
    const { clusterId, memberId } = found;
    const founding = this.#found();
    // Whoever still says how the cluster began must mean this one.
    const { name } = settings;
    if (settings.isClusterNamed || !(known || joining)) checkFounding(found, { ...founding, name });
    checkIdentity(found, { name });
    if (!known) return joining ? await this.#admit(joining, found, signal) : founding;
    this.#tellMove(known.members.find((one) => one.memberId === memberId));
    const members = settings.isClusterNamed
      ? known.members.map((one) => named(founding, one.memberId) ?? one)
      : known.members;
    return { ...known, members, clusterId, memberId };
  }

  /** Meant or not: the others are told, and will look for it there. */
  #tellMove(self: KnownMember | undefined): void {
    const { log, settings } = this.#options;
    const { advertisePeer: now } = settings;
    if (!self || self.peerAddress === now) return;
    log.warn(
      { was: self.peerAddress, now },
      'this member has moved: the others are told, and look for it at its new peer address',
    );
  }

  async #join(joining: Asked, signal: AbortSignal): Promise<Home> {
    const { disk, random, settings } = this.#options;
    const clusterId = await joining.cluster(signal);
    const store = storeId(random.identity());
    const memberId = deriveJoinedId(clusterId, store);
    const identity = { clusterId, memberId, storeId: store, name: settings.name };
    // First here, then there: a crash in between leaves somebody who asks again, and no stranger.
    const file = new IdentityFile({ disk });
    try {
      await file.open();
      await file.create(identity);
    } finally {
      await file.close();
    }
    return await this.#admit(joining, identity, signal);
  }

  async #admit(
    joining: Asked,
    identity: Omit<StoredIdentity, 'bootEpoch'>,
    signal: AbortSignal,
  ): Promise<Home> {
    const { disk, settings } = this.#options;
    const { clusterId, memberId, storeId: store, name } = identity;
    const peerAddress = settings.advertisePeer;
    const newcomer = { memberId, storeId: store, name, peerAddress, version: knownVersion };
    try {
      const { members, isLearner } = await joining.admit(newcomer, signal);
      const others = members.filter((one) => one.memberId !== memberId && one.peerAddress !== '');
      return {
        clusterId,
        memberId,
        founders: [],
        members: [...others, { memberId, name, peerAddress }],
        isCandidate: !settings.isObserver && !isLearner,
      };
    } catch (error) {
      // Who never took part has a directory as new, for another try with other settings.
      const isNew = (await disk.list('groups')).length === 0;
      if (isNew && isHoldfastError(error) && !error.retryable) await disk.remove('identity');
      throw error;
    }
  }

  #change(change: Partial<Pick<Home, 'members' | 'isCandidate'>>): void {
    const { home } = this;
    if (!home) return;
    const next = { ...home, ...change };
    if (JSON.stringify(shown(next)) === JSON.stringify(shown(home))) return;
    this.#home = next;
    this.#options.tasks.run(() => this.#save(next));
  }

  #save(home: Home): Promise<void> {
    this.#saving = this.#saving
      .then(() => this.#file.save(peersOf(home)))
      .catch((error: unknown) => this.#options.onUnsaved(error));
    return this.#saving;
  }
}

/** As the settings of this start have it, which is the newest word of an operator. */
const named = ({ members }: Home, id: MemberId): KnownMember | undefined =>
  members.find((one) => one.memberId === id);

const peersOf = ({ founders, members, isCandidate }: Home): KnownPeers => ({
  founders,
  members,
  isCandidate,
});

const shown = ({ members, isCandidate }: Home) => [
  isCandidate,
  ...members.map((one) => [formatId(one.memberId), one.name, one.peerAddress]),
];

/** Ids are derived from settings, so a changed setting looks like another cluster. */
function checkFounding(found: StoredIdentity, expected: Home & { readonly name: string }): void {
  const { clusterId, memberId, name } = expected;
  try {
    checkIdentity(found, { clusterId, memberId, name });
  } catch (error) {
    const isOfCluster = isHoldfastError(error, 'cluster-mismatch') && 'clusterId' in error.details;
    if (!isOfCluster) throw error;
    throw new HoldfastError(
      error.code,
      `${error.message} (a cluster is known by the names and peer addresses in ` +
        '--initial-cluster, or by --cluster-token: they stay as they were at the first start)',
      { details: error.details, cause: error },
    );
  }
}
