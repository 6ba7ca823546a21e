// One whole member in the simulator: the production recovery, replica, store and engine over a
// simulated disk, clock and network. Owns one boot at a time, and shows all of it to a watcher.
import type { ClusterId, MemberId } from '@holdfast/base/ids';
import type { Random } from '@holdfast/base/random';
import { openDataDirectory } from '@holdfast/engine/data-directory';
import { EmbeddedEngine, type InitialMember } from '@holdfast/engine/embedded-engine';
import type { CompactionSettings } from '@holdfast/mvcc/compaction-policy';
import type { KvStore } from '@holdfast/mvcc/kv-store';
import type { Configuration } from '@holdfast/raft/configuration';
import type { Entry, LogId } from '@holdfast/raft/entry';
import type { LogStore, StatusStore } from '@holdfast/replica/ports';
import type { ReplicaEvent } from '@holdfast/replica/replica';
import type { ReplicaSettings } from '@holdfast/replica/settings';
import { LogView } from './log-view.ts';
import { type DiskMood, MemberDisk } from './member-disk.ts';
import type { Network } from './network.ts';
import { acknowledgeBeforeSync, type PlantedBug, skipStatusSave, wrapLog } from './planted-bugs.ts';
import { SimulatedTransport, type TransportRegistry } from './simulated-transport.ts';
import type { VirtualClock } from './virtual-clock.ts';

export interface ClusterMemberWatcher {
  onEvent(member: ClusterMember, event: ReplicaEvent): void;
  onAccept(member: ClusterMember, previous: LogId, entries: readonly Entry[]): void;
  onRestore(member: ClusterMember): void;
  onApply(member: ClusterMember, entries: readonly Entry[]): void;
  onFailure(member: ClusterMember, error: unknown): void;
}

export type ClusterMemberOptions = {
  readonly id: MemberId;
  readonly clusterId: ClusterId;
  readonly members: readonly MemberId[];
  readonly bootstrap: Configuration;
  readonly network: Network;
  readonly registry: TransportRegistry;
  readonly random: Random;
  readonly watcher: ClusterMemberWatcher;
  readonly newClock: () => VirtualClock;
  readonly segmentBytes: number;
  readonly replicaSettings: Partial<ReplicaSettings>;
  readonly compactionSettings: Partial<CompactionSettings>;
  readonly bug: PlantedBug | undefined;
};

type Boot = {
  readonly clock: VirtualClock;
  /** Undefined until the engine is made; it takes part once `isStarted`. */
  engine: EmbeddedEngine | undefined;
  transport: SimulatedTransport | undefined;
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

  constructor(options: ClusterMemberOptions) {
    this.#options = options;
    this.id = options.id;
    this.#disk = new MemberDisk(options.random);
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
    const boot: Boot = { clock, engine: undefined, transport: undefined, isStarted: false };
    this.#boot = boot;
    this.#run(boot).catch((error: unknown) => this.#failed(boot, error));
  }

  crash(how: 'process' | 'power'): void {
    const boot = this.#boot;
    if (!boot) return;
    boot.clock.halt();
    this.#boot = undefined;
    if (boot.transport) {
      const said = how === 'process' ? 'refused' : 'dark';
      this.#options.network.detach(boot.transport.attachment, said);
    }
    this.#disk.crash(how);
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
    const directory = await openDataDirectory({
      disk: this.#disk.attach(boot.clock),
      random,
      clusterId,
      memberId: id,
      name: nameOf(id),
      segmentBytes,
    });
    const { identity } = directory;
    boot.transport = new SimulatedTransport({
      ...this.#options,
      member: id,
      bootEpoch: identity.bootEpoch,
      clock: boot.clock,
    });
    boot.engine = this.#newEngine(boot, { ...directory, transport: boot.transport });
    await boot.engine.start();
    boot.isStarted = true;
  }

  #newEngine(
    boot: Boot,
    parts: Awaited<ReturnType<typeof openDataDirectory>> & {
      readonly transport: SimulatedTransport;
    },
  ): EmbeddedEngine {
    const { members, bootstrap, random, watcher } = this.#options;
    const { clock } = boot;
    const { identity, snapshots, transport } = parts;
    const engine = new EmbeddedEngine({
      identity,
      name: nameOf(this.id),
      version: 'simulated',
      peerAddresses: [addressOf(this.id)],
      clientAddresses: [],
      initialMembers: members.map(initialMember),
      bootstrap,
      clock,
      random,
      nextTurn: (action) => clock.post(0, action),
      log: this.#watchLog(this.#withLogBug(parts.log, clock)),
      status: this.#withStatusBug(parts.status, clock),
      snapshots,
      transport,
      replicaSettings: this.#options.replicaSettings,
      compactionSettings: this.#options.compactionSettings,
      onFatal: (error) => this.#failed(boot, error),
      onEvent: (event) => watcher.onEvent(this, event),
    });
    this.#watchStore(engine);
    return engine;
  }

  #watchLog(log: LogStore): LogStore {
    const { watcher } = this.#options;
    return wrapLog(log, {
      open: async () => {
        const recovery = await log.open();
        this.log.opened(recovery);
        return recovery;
      },
      accept: (entries) => {
        const previous = this.log.accepted(entries);
        if (previous) watcher.onAccept(this, previous, entries);
        log.accept(entries);
      },
      purge: async (through) => {
        const mark = await log.purge(through);
        this.log.purgedTo(mark);
        return mark;
      },
      reset: async (last) => {
        await log.reset(last);
        this.log.reset(last);
      },
    });
  }

  /** The engine owns its store: the only way to see what is applied is to stand before it. */
  #watchStore({ store }: EmbeddedEngine): void {
    const { watcher, bug, random } = this.#options;
    const apply = store.apply.bind(store);
    const restore = store.restore.bind(store);
    watcher.onRestore(this);
    store.apply = (entries) => {
      const skips = bug === 'skip-apply' && this.id === 2n && random.fraction() < 0.01;
      const results = apply(skips ? entries.map(emptied) : entries);
      watcher.onApply(this, entries as readonly Entry[]);
      return results;
    };
    store.restore = async (last, chunks) => {
      await restore(last, chunks);
      watcher.onRestore(this);
    };
  }

  #withLogBug(log: LogStore, clock: VirtualClock): LogStore {
    const { bug, random } = this.#options;
    return bug === 'acknowledge-before-sync' ? acknowledgeBeforeSync(log, { clock, random }) : log;
  }

  #withStatusBug(status: StatusStore, clock: VirtualClock): StatusStore {
    const { bug, random } = this.#options;
    if (bug === 'skip-status-save') return skipStatusSave(status, { clock, random });
    return status;
  }

  #failed(boot: Boot, error: unknown): void {
    if (this.#boot === boot) this.#options.watcher.onFailure(this, error);
  }
}

export const nameOf = (id: MemberId): string => `n${id}`;
const addressOf = (id: MemberId): string => `n${id}:4654`;
const initialMember = (memberId: MemberId): InitialMember => ({
  memberId,
  name: nameOf(memberId),
  peerAddress: addressOf(memberId),
});

const emptied = <E extends { readonly kind: string }>(entry: E): E => ({ ...entry, kind: 'empty' });
