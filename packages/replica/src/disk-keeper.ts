// What a member knows of its own disk and, where it leads, of its peers' (safety.md 9): whether
// there is room, whether writes end, and in time; and whose state is in doubt (safety.md 10). It
// keeps leadership where the disks are well and the states are sound, and says what a cluster that
// is short of room still takes. Reads are none of its business: they need
// no disk.
import type { Clock } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';
import type { Index, MemberId } from '@holdfast/base/ids';
import { hasSession } from '@holdfast/proto/entry-envelope';
import { hasQuorum } from '@holdfast/raft/configuration';
import type { Input } from '@holdfast/raft/input';
import type {
  AppendEntriesResponse,
  DiskState,
  HeartbeatResponse,
  Message,
} from '@holdfast/raft/message';
import type { Raft } from '@holdfast/raft/raft';
import { bestSuccessor } from './hand-over.ts';
import type { PersistLoop } from './persist-loop.ts';
import type { PeerTransport, SpaceReserve } from './ports.ts';
import type { ReadBarriers } from './read-barriers.ts';

export type DiskKeeperOptions = {
  readonly id: MemberId;
  readonly clock: Clock;
  readonly raft: Raft;
  readonly transport: Pick<PeerTransport, 'isConnected'>;
  readonly persist: Pick<PersistLoop, 'isDiskFull' | 'writing'>;
  /** Whether the own state is in doubt. */
  readonly isDoubted: () => boolean;
  readonly reserve?: SpaceReserve | undefined;
  /** Whether an entry would need more room for good: what does not is always taken. */
  readonly isAdding?: ((envelope: Uint8Array) => boolean) | undefined;
  readonly describeMember: (id: MemberId) => string;
  readonly snapshotBytes: () => number;
  readonly barriers: Pick<ReadBarriers, 'refuseWaiting'>;
  readonly step: (input: Input) => void;
  readonly onProblem: (what: string, error: unknown) => void;
};

/** Of the looks that follow one another every fifth of a second. */
const reserveEachLooks = 5;
/** One and the same write at so many looks in a row has hung for two seconds. */
const hungLooks = 10;
/**
 * A leader then leaves: a second later than peers that hung with it have said so, or it would name
 * one whom a majority can not elect.
 */
const leaveLooks = 15;
/** So many of the last twenty looks found the own disk behind what a majority had long synced. */
const lateWindow = 20;
const lateLooks = 8;
/** Behind for longer than that is late. */
const lateMs = 250;
/** A hand-over is given that long. */
const tryMs = 1500;
/** Between two hand-overs for slowness alone: where all are as slow, nothing is gained. */
const slowPauseMs = 30_000;
/** What a peer said of its disk holds no longer than that. */
const reportMs = 1200;

/** What a peer has said of itself. */
type Told = { readonly state: DiskState; readonly isDoubted: boolean; readonly atMs: number };

/** What may still be written: everything, only what makes room, or nothing. */
type Taking = 'all' | 'ways-out' | 'nothing';

export class DiskKeeper {
  readonly #options: DiskKeeperOptions;
  readonly #peers = new Map<MemberId, Told>();
  #looks = 0;
  #write: number | undefined;
  #writeLooks = 0;
  /** What was committed and not yet synced here, since when. */
  #behind: { readonly index: Index; readonly sinceMs: number } | undefined;
  #late: boolean[] = [];
  /** At the last look. */
  #commit: Index | undefined;
  /** A majority has gone on since then, and the own disk has not kept up. */
  #isOutrun = false;
  #taking: Taking = 'all';
  /** The own state that this was judged by. */
  #judgedOwn: DiskState = 'well';
  /** Did not take over in time: another one is asked, if there is any. */
  #tried: MemberId | undefined;
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  #slowNotBeforeMs = Number.NEGATIVE_INFINITY;
  #isTending = false;

  constructor(options: DiskKeeperOptions) {
    this.#options = options;
  }

  /** Of the own disk. */
  get state(): DiskState {
    const { persist, reserve } = this.#options;
    if (persist.isDiskFull || this.isHung) return 'unable';
    return reserve?.isLow ? 'low' : 'well';
  }

  /** A write has been under way for two seconds and more. */
  get isHung(): boolean {
    return this.#writeLooks >= hungLooks;
  }

  /** Five times a second. Looks are counted, not milliseconds: this process may have slept. */
  look(): void {
    this.#looks += 1;
    this.#watchWrite();
    this.#watchPace();
    this.#judge();
    this.#maybeHandOver();
    // What a leader applies is on the disks of others.
    const isStuck = this.state === 'unable' && this.#options.raft.role !== 'leader';
    if (isStuck) this.#options.barriers.refuseWaiting(behind);
    if (this.#looks % reserveEachLooks === 1) this.#tend();
  }

  /** An answer to the leader says how the own disk is, and whether the state is in doubt. */
  told(message: Message): Message {
    if (!isAnswer(message)) return message;
    const disk = this.state;
    const doubted = this.#options.isDoubted();
    if (disk === 'well' && !doubted) return message;
    return { ...message, ...(disk !== 'well' && { disk }), ...(doubted && { doubted }) };
  }

  heard(message: Message): void {
    if (!isAnswer(message)) return;
    const { from, disk: state = 'well', doubted: isDoubted = false } = message;
    const before = this.#peers.get(from)?.state;
    this.#peers.set(from, { state, isDoubted, atMs: this.#options.clock.monotonicMs() });
    if (state !== before) this.#judge();
  }

  /** Whom a leader names that leaves for good: a fit one, or whoever is linked. */
  successor(): MemberId | undefined {
    const { raft, transport } = this.#options;
    return this.soundSuccessor() ?? bestSuccessor(raft, transport);
  }

  /** One that is heard, whose state is sound and whose disk is as good as can be had. */
  soundSuccessor(): MemberId | undefined {
    const { raft, transport } = this.#options;
    const among = (...states: readonly DiskState[]): MemberId | undefined => {
      const isFit = (id: MemberId): boolean => {
        const said = this.#saidBy(id);
        return said !== undefined && !said.isDoubted && states.includes(said.state);
      };
      return bestSuccessor(raft, { isConnected: (id) => transport.isConnected(id) && isFit(id) });
    };
    return among('well') ?? among('low') ?? among('unable');
  }

  /** Why the leader does not take an entry now; undefined: it does. */
  refusal(envelope: Uint8Array): HoldfastError | undefined {
    // At once: what the reserve holds is soon written.
    if (this.state !== this.#judgedOwn) this.#judge();
    if (this.#taking === 'all') return undefined;
    const { isAdding } = this.#options;
    if (this.#taking === 'ways-out' && !isAdding?.(envelope)) return undefined;
    // An earlier try of a write in a session may have been taken.
    const outcome = hasSession(envelope) ? 'unknown' : 'not-applied';
    return new HoldfastError('disk-full', this.#sentence(), { outcome });
  }

  // ---------------------------------------------------------------- the own disk

  #watchWrite(): void {
    const { writing } = this.#options.persist;
    this.#writeLooks = writing !== undefined && writing === this.#write ? this.#writeLooks + 1 : 0;
    this.#write = writing;
  }

  #watchPace(): void {
    const { raft, clock } = this.#options;
    const { commit } = raft;
    const { persisted } = raft.marks();
    const nowMs = clock.monotonicMs();
    if (this.#behind && persisted >= this.#behind.index) this.#behind = undefined;
    if (!this.#behind && commit > persisted) this.#behind = { index: commit, sinceMs: nowMs };
    this.#late.push(this.#behind !== undefined && nowMs - this.#behind.sinceMs > lateMs);
    if (this.#late.length > lateWindow) this.#late.shift();
    this.#isOutrun = commit > persisted && commit !== this.#commit;
    this.#commit = commit;
  }

  /**
   * Where a majority stands still as well, its disks may have hung a moment ago and not said so
   * yet: a successor could not be elected, and even reads would stop.
   */
  get #isSlow(): boolean {
    return this.#isOutrun && this.#late.filter(Boolean).length >= lateLooks;
  }

  #tend(): void {
    const { reserve, snapshotBytes, onProblem } = this.#options;
    if (!reserve || this.#isTending) return;
    this.#isTending = true;
    reserve
      .tend(snapshotBytes())
      // The log writes to the same disk, and ends the member where it must.
      .catch((error: unknown) => onProblem('looking after the reserve on the disk', error))
      .finally(() => {
        this.#isTending = false;
      });
  }

  // ---------------------------------------------------------------- as a leader

  /** Of a peer that was heard lately. */
  #saidBy(id: MemberId): Told | undefined {
    const said = this.#peers.get(id);
    const fromMs = this.#options.clock.monotonicMs() - reportMs;
    return said && said.atMs >= fromMs ? said : undefined;
  }

  #stateOf(id: MemberId): DiskState | undefined {
    return id === this.#options.id ? this.state : this.#saidBy(id)?.state;
  }

  #judge(): void {
    this.#judgedOwn = this.state;
    this.#taking = this.#takingNow();
  }

  /** By the voters that are heard: if they are too few, that is not for want of room. */
  #takingNow(): Taking {
    if (this.#options.raft.role !== 'leader') return 'all';
    if (this.#isQuorum('well') || !this.#isQuorum('well', 'low', 'unable')) return 'all';
    return this.#isQuorum('well', 'low') ? 'ways-out' : 'nothing';
  }

  /** Whether the voters whose disks are known to be so are a majority. */
  #isQuorum(...states: readonly (DiskState | undefined)[]): boolean {
    const { configuration } = this.#options.raft;
    return hasQuorum(configuration, (id) => states.includes(this.#stateOf(id)));
  }

  #maybeHandOver(): void {
    const { raft, clock, transport, step } = this.#options;
    const nowMs = clock.monotonicMs();
    if (raft.role !== 'leader') {
      this.#tried = undefined;
      return;
    }
    const own = this.state;
    const isSlow = own === 'well' && this.#isSlow && nowMs >= this.#slowNotBeforeMs;
    if ((own === 'well' && !isSlow) || nowMs < this.#notBeforeMs) return;
    if (this.isHung && this.#writeLooks < leaveLooks) return;
    // Whoever comes to office needs a majority that writes: without it, even reads would stop.
    if (raft.status().hasCommittedInTerm && !this.#isQuorum('well', 'low')) return;
    const isBetter = (id: MemberId): boolean => {
      const said = this.#saidBy(id);
      // One in doubt would hand leadership back.
      if (!said || said.isDoubted) return false;
      return isSlow ? said.state === 'well' : rank[said.state] < rank[own];
    };
    const isAble = (id: MemberId): boolean => transport.isConnected(id) && isBetter(id);
    const to =
      bestSuccessor(raft, { isConnected: (id) => id !== this.#tried && isAble(id) }) ??
      bestSuccessor(raft, { isConnected: isAble });
    if (to === undefined) return;
    this.#tried = to;
    this.#notBeforeMs = nowMs + tryMs;
    if (isSlow) this.#slowNotBeforeMs = nowMs + slowPauseMs;
    // Never without a successor: where no disk answers, nobody could come to office.
    step({ type: 'transfer-leadership', to });
  }

  #sentence(): string {
    const { configuration } = this.#options.raft;
    const short = configuration.voters.filter((id) => {
      const state = this.#stateOf(id);
      return state === 'low' || state === 'unable';
    });
    const names = short.map((id) => this.#options.describeMember(id)).join(', ');
    const still =
      this.#taking === 'nothing' ? 'reads go on' : 'reads, deletes and compaction go on';
    return (
      `the disks of ${names} are full or do not answer, and no majority is left without them: ` +
      `nothing was written, and ${still}; make room there, and writes are taken again in seconds`
    );
  }
}

const behind = (): HoldfastError =>
  new HoldfastError(
    'stale-unknown',
    'the disk of this member is full or does not answer, and it lacks what the others have since ' +
      'acknowledged: read at another member, or with consistency=stale',
  );

const isAnswer = (message: Message): message is HeartbeatResponse | AppendEntriesResponse =>
  message.type === 'heartbeat-response' || message.type === 'append-entries-response';

const rank: Readonly<Record<DiskState, number>> = { well: 0, low: 1, unable: 2 };
