// One whole member in the simulator: the production recovery, replica, store and engine over a
// simulated disk, clock and network. Owns one boot at a time, and shows all of it to a watcher.
import { isHoldfastError } from '@holdfast/base/errors';
import type { ClusterId, MemberId, StoreId } from '@holdfast/base/ids';
import type { Random } from '@holdfast/base/random';
import { TaskGroup } from '@holdfast/base/task-group';
import { knownVersion } from '@holdfast/engine/cluster-version';
import { openDataDirectory } from '@holdfast/engine/data-directory';
import { EmbeddedEngine } from '@holdfast/engine/embedded-engine';
import type { IntegrityEvent } from '@holdfast/engine/integrity-status';
import type { Newcomer } from '@holdfast/engine/member-plan';
import type { KnownMember } from '@holdfast/engine/membership';
import type { Recorder } from '@holdfast/engine/recorder';
import { StoreGuard } from '@holdfast/engine/store-guard';
import type { CompactionSettings } from '@holdfast/mvcc/compaction-policy';
import type { KvStore } from '@holdfast/mvcc/kv-store';
import type { Configuration } from '@holdfast/raft/configuration';
import type { Entry } from '@holdfast/raft/entry';
import type { Message } from '@holdfast/raft/message';
import type { ReplicaEvent } from '@holdfast/replica/replica-options';
import type { ReplicaSettings } from '@holdfast/replica/settings';
import type { RotPlace } from './disk-rot.ts';
import type { CrashKind } from './fault.ts';
import { LogView } from './log-view.ts';
import { type DiskMood, MemberDisk } from './member-disk.ts';
import { addressOf, type Joined, type MemberNetwork, nameOf } from './member-network.ts';
import { type PortWatcher, watchPorts } from './port-watch.ts';
import type { VirtualClock } from './virtual-clock.ts';
import type { WorldRecordings } from './world-recordings.ts';

export interface ClusterMemberWatcher extends PortWatcher<ClusterMember> {
  /** Its disk was taken away, with everything on it. */
  onWiped(member: ClusterMember): void;
  onEvent(member: ClusterMember, event: ReplicaEvent): void;
  /** What it says of its state beside those of the others. */
  onIntegrity(member: ClusterMember, event: IntegrityEvent): void;
  /** A sync of its log is about to fail. */
  onLogSyncFailed(member: ClusterMember): void;
  /** The core is about to take an input: all that came before has been carried out. */
  onStep(member: ClusterMember): void;
  onSent(member: ClusterMember, message: Message): void;
  onStarted(member: ClusterMember): void;
  /** It dies, or has ended; its engine can still be looked at. */
  onDown(member: ClusterMember): void;
  onRestore(member: ClusterMember): void;
  onApply(member: ClusterMember, entries: readonly Entry[]): void;
  onFailure(member: ClusterMember, error: unknown): void;
}

export type Admit = (newcomer: Newcomer, clock: VirtualClock) => Promise<readonly KnownMember[]>;

export type ClusterMemberOptions = {
  readonly id: MemberId;
  readonly clusterId: ClusterId;
  readonly founders: readonly MemberId[];
  /** Of one that joins: asked at its start, until the cluster has once said who belongs to it. */
  readonly admit: Admit | undefined;
  readonly bootstrap: Configuration;
  readonly network: MemberNetwork;
  readonly random: Random;
  readonly watcher: ClusterMemberWatcher;
  /** The member has ended by itself, as its disk allowed it to. */
  readonly onEnded: (error: unknown) => void;
  readonly newClock: () => VirtualClock;
  readonly recordings: WorldRecordings | undefined;
  readonly segmentBytes: number;
  readonly replicaSettings: Partial<ReplicaSettings>;
  readonly compactionSettings: Partial<CompactionSettings>;
};

/** Of the files that hold the log (docs/formats.md). */
const segmentSuffix = '.seg';
const statusPath = 'groups/0/status';
/** Between two comparisons of states, and between two looks at the files of a member. */
const checkMs = 2000;
const scrubMs = 5000;

type Boot = {
  readonly clock: VirtualClock;
  /** Undefined until the engine is made; it takes part once `isStarted`. */
  engine: EmbeddedEngine | undefined;
  joined: Joined | undefined;
  readonly recorder: Recorder | undefined;
  isStarted: boolean;
};

export class ClusterMember {
  readonly id: MemberId;
  readonly log = new LogView();
  readonly #options: ClusterMemberOptions;
  readonly #disk: MemberDisk;
  #boot: Boot | undefined;
  #boots = 0;
  #wallOffsetMs = 0;
  /** What it keeps in `DIR/peers`; undefined before it was taken in. */
  #known: readonly KnownMember[] | undefined;

  constructor(options: ClusterMemberOptions) {
    this.#options = options;
    this.id = options.id;
    if (!options.admit) this.#known = options.founders.map(initialMember);
    this.#disk = new MemberDisk(options.random, (path) => {
      if (path.endsWith(segmentSuffix)) options.watcher.onLogSyncFailed(this);
    });
  }

  /** Nothing that it has synced may be missing, ever: its disk has not failed yet. */
  get hasSoundDisk(): boolean {
    return !this.#disk.hasTroubled;
  }

  /** Both copies, as a reader would see them. */
  get statusFile(): Uint8Array {
    return this.#disk.contents(statusPath);
  }

  get isUp(): boolean {
    return this.#boot !== undefined;
  }

  /** Undefined while the member is down or still recovering. */
  get engine(): EmbeddedEngine | undefined {
    return this.#boot?.isStarted ? this.#boot.engine : undefined;
  }

  /** The store of this boot, also while it recovers. */
  get store(): KvStore | undefined {
    return this.#boot?.engine?.store;
  }

  get clock(): VirtualClock | undefined {
    return this.#boot?.clock;
  }

  /** How many times it was started: two calls in one boot see one process. */
  get boots(): number {
    return this.#boots;
  }

  start(): void {
    if (this.#boot) return;
    const clock = this.#options.newClock();
    clock.jumpWall(this.#wallOffsetMs);
    this.#boots += 1;
    const recorder = this.#options.recordings?.newRecorder(this.id, clock);
    const boot: Boot = { clock, recorder, engine: undefined, joined: undefined, isStarted: false };
    this.#boot = boot;
    this.#run(boot).catch((error: unknown) => this.#failed(boot, error));
  }

  /** Also while it is down: the machine loses power after its process has died. */
  crash(how: CrashKind): void {
    const boot = this.#boot;
    if (boot) this.#options.watcher.onDown(this);
    this.#boot = undefined;
    if (boot) this.#silence(boot, how);
    this.#disk.crash(how);
  }

  /** It dies in the middle of the disk operation that is so many further; then `onDeath`. */
  crashIn(operations: number, onDeath: () => void): void {
    const boot = this.#boot;
    if (!boot) return;
    this.#disk.crashIn(operations, () => {
      // The dead say nothing more, whatever the end of this operation still sets going.
      this.#silence(boot, 'process');
      onDeath();
    });
  }

  /** While it is down: another disk, new and empty, as after a repair of the machine. */
  wipe(): void {
    this.#disk.replace();
    this.#options.watcher.onWiped(this);
  }

  /** It lives through the operation that it was to die in. */
  spare(): void {
    this.#disk.spare();
  }

  /** One bit of its disk turns; answers where. */
  rot(place?: RotPlace): string | undefined {
    return this.#disk.rot(place);
  }

  setDisk(mood: DiskMood): void {
    this.#disk.setMood(mood);
  }

  jumpWall(byMs: number): void {
    this.#wallOffsetMs += byMs;
    this.#boot?.clock.jumpWall(byMs);
  }

  async #run(boot: Boot): Promise<void> {
    const { id, clusterId, random, segmentBytes } = this.#options;
    const disk = this.#disk.attach(boot.clock);
    const directory = await openDataDirectory({
      disk,
      random,
      clusterId,
      memberId: id,
      name: nameOf(id),
      segmentBytes,
    });
    const guard = new StoreGuard({
      disk,
      tasks: new TaskGroup((error) => this.#failed(boot, error)),
      onUnsaved: () => undefined,
    });
    await guard.open();
    const { identity } = directory;
    const known = await this.#knownMembers(identity.storeId, boot.clock);
    // The answer comes from another process, and finds this one dead: it does nothing any more.
    if (this.#boot !== boot) return;
    const joined = this.#options.network.join({
      identity,
      name: nameOf(id),
      peers: known.map(({ memberId }) => memberId),
      clock: boot.clock,
      random,
      acceptsStore: (...peer) => !boot.engine || guard.judge(boot.engine, ...peer) === undefined,
      onSent: (message) => this.#options.watcher.onSent(this, message),
    });
    boot.joined = joined;
    boot.engine = this.#newEngine(boot, { ...directory, known, joined, guard });
    await boot.engine.start();
    boot.isStarted = true;
    this.#options.watcher.onStarted(this);
  }

  /** Asks to be taken in, if it was not yet. */
  async #knownMembers(storeId: StoreId, clock: VirtualClock): Promise<readonly KnownMember[]> {
    const { id, admit } = this.#options;
    const place = { memberId: id, name: nameOf(id), peerAddress: addressOf(id) };
    if (admit) this.#known ??= await admit({ ...place, storeId, version: knownVersion }, clock);
    return this.#known ?? [];
  }

  #newEngine(
    boot: Boot,
    parts: Awaited<ReturnType<typeof openDataDirectory>> & {
      readonly known: readonly KnownMember[];
      readonly joined: Joined;
      readonly guard: StoreGuard;
    },
  ): EmbeddedEngine {
    const { bootstrap, random, watcher } = this.#options;
    const { clock } = boot;
    const { identity, log, status, snapshots, reserve, known, joined, guard } = parts;
    const { quarantine, scrubbed } = parts;
    const engine = new EmbeddedEngine({
      identity,
      name: nameOf(this.id),
      version: 'simulated',
      peerAddresses: [addressOf(this.id)],
      clientAddresses: [],
      initialMembers: known,
      bootstrap,
      clock,
      random,
      nextTurn: (action) => clock.post(0, action),
      ...watchPorts(this, watcher, { log, status, snapshots }),
      quarantine,
      scrubbed,
      integritySettings: { intervalMs: checkMs },
      scrubSettings: { intervalMs: scrubMs, bytesPerSecond: 20_000_000 },
      onIntegrity: (event) => watcher.onIntegrity(this, event),
      reserve,
      transport: joined.transport,
      onMembers: () => {
        const members = engine.membership.members();
        joined.setPeers(members.map(({ memberId }) => memberId));
        joined.judgeAgain();
        guard.remember(engine);
        this.#known = members;
      },
      replicaSettings: this.#options.replicaSettings,
      compactionSettings: this.#options.compactionSettings,
      onFatal: (error) => this.#failed(boot, error),
      onEvent: (event) => watcher.onEvent(this, event),
      onInput: () => watcher.onStep(this),
      recorder: boot.recorder,
    });
    this.#watchStore(engine);
    return engine;
  }

  #silence({ clock, joined, recorder }: Boot, how: CrashKind): void {
    clock.halt();
    // Its own disk is no member's: what was recorded until now is kept.
    recorder?.close().catch((error: unknown) => this.#options.watcher.onFailure(this, error));
    joined?.die(how);
  }

  /** The engine owns its store: the only way to see what is applied is to stand before it. */
  #watchStore({ store }: EmbeddedEngine): void {
    const { watcher } = this.#options;
    const apply = store.apply.bind(store);
    const restore = store.restore.bind(store);
    const prepare = store.prepare.bind(store);
    watcher.onRestore(this);
    store.apply = (entries) => {
      const results = apply(entries);
      watcher.onApply(this, entries as readonly Entry[]);
      return results;
    };
    store.restore = async (last, chunks) => {
      await restore(last, chunks);
      watcher.onRestore(this);
    };
    store.prepare = async (last, chunks) => {
      const prepared = await prepare(last, chunks);
      return {
        stateHash: prepared.stateHash,
        takeOver: () => {
          prepared.takeOver();
          watcher.onRestore(this);
        },
      };
    };
  }

  /** A disk that fails may end a member (safety.md 9); whatever else ends one is a bug. */
  #failed(boot: Boot, error: unknown): void {
    if (this.#boot !== boot || boot.clock.halted) return;
    const { watcher, onEnded } = this.#options;
    const isDisk = this.#disk.hasTroubled && isHoldfastError(error);
    if (isDisk) boot.clock.post(0, () => onEnded(error));
    else watcher.onFailure(this, error);
  }
}

const initialMember = (memberId: MemberId): KnownMember => ({
  memberId,
  name: nameOf(memberId),
  peerAddress: addressOf(memberId),
});
