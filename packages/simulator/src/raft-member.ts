// One core-only member: the production core, with a model of everything that a replica does around
// it (persist, send, apply, snapshot, install), each step at a seeded time. Owns one boot at a
// time.
import { assert } from '@holdfast/base/assert';
import { crc32 } from '@holdfast/base/crc32';
import { type Index, index, type MemberId, type RequestId, type Term } from '@holdfast/base/ids';
import type { Random } from '@holdfast/base/random';
import { type Configuration, decodeConfiguration } from '@holdfast/raft/configuration';
import type { TraceEvent } from '@holdfast/raft/core';
import type { Entry, LogId } from '@holdfast/raft/entry';
import type { Input } from '@holdfast/raft/input';
import type { Message } from '@holdfast/raft/message';
import { Raft } from '@holdfast/raft/raft';
import type { AppendOrder, Ready } from '@holdfast/raft/ready';
import type { RaftSettings } from '@holdfast/raft/settings';
import type { DiskMood } from './member-disk.ts';
import { ModelPersist } from './model-persist.ts';
import { type ModelSnapshot, ModelStorage } from './model-storage.ts';
import type { Attachment, Frame, Network, PeerNews } from './network.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** What the world wants to know of its members. */
export interface RaftMemberWatcher {
  onStep(member: RaftMember): void;
  onTrace(member: RaftMember, event: TraceEvent): void;
  onAccept(member: RaftMember, previous: LogId, entries: readonly Entry[]): void;
  onSend(member: RaftMember, message: Message): void;
  onRestore(member: RaftMember, snapshot: ModelSnapshot): void;
  onApply(member: RaftMember, entries: readonly Entry[], stateHash: number): void;
  onRead(member: RaftMember, requestId: RequestId, readIndex: Index | undefined): void;
  onFresh(member: RaftMember, stampMs: number, at: Index): void;
  /** A place where a crash hurts: the status was just saved. */
  onStatusSaved(member: RaftMember): void;
  onFailure(member: RaftMember, error: unknown): void;
}

export type RaftMemberOptions = {
  readonly id: MemberId;
  readonly configuration: Configuration;
  readonly settings: RaftSettings;
  readonly network: Network;
  readonly random: Random;
  readonly watcher: RaftMemberWatcher;
  /** A clock for each boot. */
  readonly newClock: () => VirtualClock;
  readonly snapshotEvery: number;
};

type Boot = {
  readonly raft: Raft;
  readonly clock: VirtualClock;
  readonly attachment: Attachment;
  readonly persist: ModelPersist;
  readonly startedMs: number;
};

/**
 * Stamps of an earlier boot are echoed for a while, and say nothing here (replica/freshness.ts).
 */
const isOwnStamp = ({ clock, startedMs }: Boot, stampMs: number): boolean =>
  stampMs >= startedMs && stampMs <= clock.monotonicMs();

const bulk = { connection: 'bulk', isAnswer: false } as const;

export class RaftMember {
  readonly id: MemberId;
  readonly storage: ModelStorage;
  readonly #options: RaftMemberOptions;
  readonly #random: Random;
  #boot: Boot | undefined;
  #epoch = 0;
  #mood: DiskMood = 'fine';
  #wallOffsetMs = 0;

  // The state machine: a checksum over all that was applied, and the configuration there.
  #applied = index(0);
  #stateHash = 0;
  #configuration: Configuration;

  // A snapshot on its way in, and what waits for the state machine.
  #received: ModelSnapshot | undefined;
  #isInstalling = false;
  #isApplying = false;
  #committed = index(0);
  #armedMs = Number.POSITIVE_INFINITY;

  constructor(options: RaftMemberOptions) {
    this.#options = options;
    this.id = options.id;
    this.#random = options.random;
    this.#configuration = options.configuration;
    this.storage = new ModelStorage(options.configuration);
  }

  /** The running core; undefined while the member is down. */
  get raft(): Raft | undefined {
    return this.#boot?.raft;
  }

  get clock(): VirtualClock | undefined {
    return this.#boot?.clock;
  }

  /** A received snapshot is taking the place of log and state: the marks are between two states. */
  get isInstalling(): boolean {
    return this.#isInstalling;
  }

  get applied(): Index {
    return this.#applied;
  }

  get stateHash(): number {
    return this.#stateHash;
  }

  start(): void {
    if (this.#boot) return;
    const clock = this.#options.newClock();
    clock.jumpWall(this.#wallOffsetMs);
    this.#epoch += 1;
    const attachment: Attachment = {
      member: this.id,
      bootEpoch: this.#epoch,
      clock,
      storeId: 0n,
      admits: () => true,
      onNews: (news) => this.#takeNews(news),
    };
    const persist = this.#newPersist(clock);
    const startedMs = clock.monotonicMs();
    this.#boot = { raft: this.#recover(clock), clock, attachment, persist, startedMs };
    this.#options.network.attach(attachment);
    this.#afterStep();
  }

  crash(how: 'process' | 'power'): void {
    if (!this.#boot) return;
    const { clock, attachment } = this.#boot;
    clock.halt();
    this.#options.network.detach(attachment, how === 'process' ? 'refused' : 'dark');
    this.storage.crash(how, this.#random);
    this.#boot = undefined;
    this.#received = undefined;
    this.#isInstalling = false;
    this.#isApplying = false;
    this.#armedMs = Number.POSITIVE_INFINITY;
  }

  setDisk(mood: DiskMood): void {
    this.#mood = mood;
    this.#boot?.persist.setMood(mood);
  }

  jumpWall(byMs: number): void {
    this.#wallOffsetMs += byMs;
    this.#boot?.clock.jumpWall(byMs);
  }

  /** Asks for a linearizable read; the watcher hears the answer. */
  read(requestId: RequestId): void {
    this.step({ type: 'read-index', requestId });
  }

  /** While it is down: its disk loses synced entries, or both copies of its status. */
  damage(what: 'rot' | 'status'): boolean {
    if (this.#boot) return false;
    if (what === 'rot') return this.storage.rot(this.#random);
    this.storage.loseStatus();
    return true;
  }

  /** Lets one input happen now, and does what the core then wants. */
  step(input: Input): void {
    if (!this.#boot) return;
    try {
      this.#boot.raft.step(this.#boot.clock.monotonicMs(), input);
      this.#afterStep();
    } catch (error) {
      this.#options.watcher.onFailure(this, error);
    }
  }

  #newPersist(clock: VirtualClock): ModelPersist {
    const persist = new ModelPersist({
      clock,
      storage: this.storage,
      random: this.#random,
      onDone: (input) => this.step(input),
      onInstalled: (snapshot) => this.#restored(snapshot),
      onStatusSaved: () => this.#options.watcher.onStatusSaved(this),
    });
    persist.setMood(this.#mood);
    return persist;
  }

  #recover(clock: VirtualClock): Raft {
    const recovery = this.storage.recover();
    const { snapshot, status, purged, termRuns, sizes, configurations, commit } = recovery;
    this.#applied = snapshot.last.index;
    this.#committed = snapshot.last.index;
    this.#stateHash = snapshot.stateHash;
    this.#configuration = snapshot.configuration;
    this.#options.watcher.onRestore(this, snapshot);
    return new Raft({
      id: this.id,
      settings: this.#options.settings,
      seed: this.#random.integer(0, 2 ** 32),
      nowMs: clock.monotonicMs(),
      state: {
        term: status.term,
        vote: status.vote,
        repairing: status.repairing,
      },
      statusLost: status.lost,
      log: { purged, termRuns, sizes },
      configurations,
      commit,
      applied: snapshot.last.index,
      trace: (event) => this.#options.watcher.onTrace(this, event),
    });
  }

  #afterStep(): void {
    const boot = this.#boot;
    if (!boot) return;
    for (let turn = 0; turn < 100; turn += 1) {
      const ready = boot.raft.ready();
      if (!this.#handle(boot, ready)) break;
      assert(turn < 99, 'a core comes to rest');
    }
    this.#armTick(boot);
    this.#options.watcher.onStep(this);
  }

  /** Does what one Ready asks, in its order; answers whether it asked for anything. */
  #handle(boot: Boot, ready: Ready): boolean {
    this.#accept(ready.append);
    for (const message of ready.messages) this.#send(message);
    for (const order of ready.appends) this.#sendAppend(order);
    for (const peer of ready.snapshots) this.#sendSnapshot(peer);
    if (ready.install) this.#isInstalling = true;
    boot.persist.take(ready, this.#received);
    if (ready.committed) this.#committed = index(ready.committed.hi - 1);
    this.#applySoon();
    for (const { requestId, readIndex } of ready.reads) {
      this.#options.watcher.onRead(this, requestId, readIndex);
    }
    if (ready.fresh && isOwnStamp(boot, ready.fresh.stampMs)) {
      this.#options.watcher.onFresh(this, ready.fresh.stampMs, ready.fresh.index);
    }
    return ready.append.length > 0 || ready.messages.length > 0 || ready.appends.length > 0;
  }

  #accept(entries: readonly Entry[]): void {
    const first = entries[0];
    if (!first) return;
    const before = index(first.index - 1);
    const previous = { index: before, term: this.storage.termAt(before) as Term };
    this.storage.accept(entries);
    this.#options.watcher.onAccept(this, previous, entries);
  }

  #send(message: Message): void {
    this.#options.watcher.onSend(this, message);
    const isLog = message.type === 'append-entries' || message.type === 'append-entries-response';
    const isAnswer = message.type.endsWith('-response');
    const lane = { connection: isLog ? 'log' : 'control', isAnswer } as const;
    this.#post(message.to, lane, (receiver) => receiver.step({ type: 'message', message }));
  }

  #sendAppend({ to, lo, hi, ...rest }: AppendOrder): void {
    const entries = this.storage.read(lo, hi);
    if (!entries) return;
    this.#send({ ...rest, type: 'append-entries', from: this.id, to, entries });
  }

  /**
   * Streams the newest snapshot in one frame, and reports when the receiver says that it has it.
   */
  #sendSnapshot(to: MemberId): void {
    const boot = this.#boot;
    if (!boot) return;
    const { snapshot } = this.storage;
    const { term } = boot.raft.status();
    let isOpen = true;
    const report = (sent: boolean): void => {
      if (!isOpen || this.#boot !== boot) return;
      isOpen = false;
      this.step({ type: 'snapshot-reported', peer: to, sent });
    };
    boot.clock.schedule(5000, () => report(false));
    this.#post(to, bulk, (receiver) => {
      receiver.#received = snapshot;
      receiver.#post(this.id, bulk, () => report(true));
      const { last, configuration } = snapshot;
      const meta = { last, configuration };
      receiver.step({
        type: 'message',
        message: { type: 'install-snapshot', from: this.id, to, term, snapshot: meta },
      });
    });
  }

  #post(
    to: MemberId,
    lane: Pick<Frame, 'connection' | 'isAnswer'>,
    deliver: (receiver: RaftMember) => void,
  ): void {
    const from = this.#boot?.attachment;
    if (!from) return;
    this.#options.network.carry({
      from,
      to,
      ...lane,
      mayRepeat: lane.connection !== 'bulk',
      bytes: 0, // Nothing is encoded here.
      deliver: ({ member }) => deliver(this.peerOf(member)),
    });
  }

  /** Set by the world: members find one another by id. */
  peerOf: (member: MemberId) => RaftMember = () => this;

  #takeNews(news: PeerNews): void {
    if (news.type === 'connected') return;
    this.step({ type: 'peer-unreachable', peer: news.peer, refused: news.refused });
  }

  #armTick({ raft, clock }: Boot): void {
    const dueMs = raft.nextTickMs;
    if (dueMs >= this.#armedMs) return;
    this.#armedMs = dueMs;
    clock.schedule(dueMs - clock.monotonicMs(), () => {
      if (this.#armedMs !== dueMs) return;
      this.#armedMs = Number.POSITIVE_INFINITY;
      this.step({ type: 'tick' });
    });
  }

  #restored(snapshot: ModelSnapshot): void {
    this.#applied = snapshot.last.index;
    this.#committed = index(Math.max(this.#committed, snapshot.last.index));
    this.#stateHash = snapshot.stateHash;
    this.#configuration = snapshot.configuration;
    this.#isInstalling = false;
    this.#options.watcher.onRestore(this, snapshot);
  }

  // Apply: one batch at a time.

  #applySoon(): void {
    if (this.#isApplying || this.#committed <= this.#applied) return;
    this.#isApplying = true;
    this.#boot?.clock.schedule(2 * this.#random.fraction(), () => {
      this.#isApplying = false;
      this.#apply();
    });
  }

  #apply(): void {
    if (this.#isInstalling) return;
    const entries = this.storage.read(index(this.#applied + 1), index(this.#committed + 1));
    if (!entries || entries.length === 0) return;
    for (const entry of entries) {
      this.#stateHash = crc32(entry.payload, (this.#stateHash ^ entry.index) >>> 0);
      if (entry.kind === 'membership') this.#configuration = decodeConfiguration(entry.payload);
    }
    this.#applied = (entries.at(-1) as Entry).index;
    this.#options.watcher.onApply(this, entries, this.#stateHash);
    this.step({ type: 'applied', index: this.#applied });
    this.#maybeSnapshot();
  }

  #maybeSnapshot(): void {
    const newest = this.storage.snapshot.last.index;
    const term = this.storage.durableTermAt(this.#applied);
    const isDue = this.#applied - newest >= this.#options.snapshotEvery;
    if (!isDue || term === undefined || term !== this.storage.termAt(this.#applied)) return;
    const last = { index: this.#applied, term };
    this.storage.addSnapshot({
      last,
      configuration: this.#configuration,
      stateHash: this.#stateHash,
    });
    const purged = this.storage.purgeBehindOlderSnapshot();
    if (purged) this.step({ type: 'log-purged', last: purged });
  }
}
