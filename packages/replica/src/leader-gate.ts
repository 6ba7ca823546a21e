// What this member knows about who leads, and the gate that calls pass: open while there is a
// leader, waited at during an election, shut for good when the member stops. Owns the contacts.
import type { Clock } from '@holdfast/base/clock';
import { waitFor } from '@holdfast/base/deadline';
import { HoldfastError, isHoldfastError } from '@holdfast/base/errors';
import { index, type MemberId } from '@holdfast/base/ids';
import { membersOf } from '@holdfast/raft/configuration';
import type { Raft } from '@holdfast/raft/raft';
import type { RaftSettings } from '@holdfast/raft/settings';
import { Contacts } from './contacts.ts';
import { electionsMs, type LeaderView, LeaderWait, unheard } from './leader-wait.ts';
import type { PeerTransport } from './ports.ts';
import type { ReplicaSettings } from './settings.ts';
import { TimedWaiters } from './timed-waiters.ts';

export type LeaderGateOptions = {
  readonly id: MemberId;
  readonly clock: Clock;
  readonly transport: Pick<PeerTransport, 'isConnected'>;
  readonly settings: Pick<ReplicaSettings, 'reachableMs' | 'callsWaitingMax' | 'leaderWaitMs'>;
  /** How often a leader commits something even if nobody writes; 0: never. */
  readonly raftSettings: Pick<RaftSettings, 'idleCommitMs'>;
  /** The name that people know a member by, for refusals. */
  readonly describeMember: (id: MemberId) => string;
};

const retryMs = 20;
/** So many idle commits in a row must be missing before writes are said to be stuck. */
const missingCommits = 3;

/** Whom this member reaches, and whether writes get through, as far as it knows by itself. */
export type ContactStatus = {
  readonly quorumReachable: boolean;
  readonly missingVoters: readonly MemberId[];
  /** How long ago each member was last heard, as far as it was. */
  readonly silenceMs: ReadonlyMap<MemberId, number>;
  /**
   * There is a leader, and for so long nothing was committed: even an idle one commits more often.
   * Undefined: nothing is amiss.
   */
  readonly stalledMs: number | undefined;
  /** Why no leader is known here, in a sentence; undefined: one is, or an election is on. */
  readonly leaderUnheard: string | undefined;
};

export class LeaderGate {
  readonly #options: LeaderGateOptions;
  readonly #contacts = new Contacts();
  readonly #wait: LeaderWait;
  readonly #pauses: TimedWaiters;
  #core: Raft | undefined;
  #knownLeader: MemberId | undefined;
  #leaderLostMs: number;
  #leaderSinceMs = Number.NEGATIVE_INFINITY;
  #commit = index(0);
  #commitMs = Number.NEGATIVE_INFINITY;
  #isShut = false;

  constructor(options: LeaderGateOptions) {
    this.#options = options;
    this.#leaderLostMs = options.clock.monotonicMs();
    this.#wait = new LeaderWait({
      clock: options.clock,
      view: () => this.view(),
      describe: options.describeMember,
      callsMax: options.settings.callsWaitingMax,
    });
    this.#pauses = new TimedWaiters(options.clock);
  }

  /** Recovery is over: there is a core to look at. */
  begin(core: Raft): void {
    this.#core = core;
    // Nobody could be heard before: the silence begins now.
    this.#leaderLostMs = this.#options.clock.monotonicMs();
  }

  /** Whether a call may go on without waiting. */
  get isOpen(): boolean {
    return !this.#isShut && this.#core?.leader !== undefined;
  }

  /** Since when the present leader has been known; undefined while there is none. */
  get leaderSinceMs(): number | undefined {
    return this.#knownLeader === undefined ? undefined : this.#leaderSinceMs;
  }

  /** Resolves when there is a leader; rejects with `no-leader`, `no-quorum` or `shutting-down`. */
  async pass(untilMs: number, signal?: AbortSignal): Promise<void> {
    while (!this.isOpen) {
      this.throwIfShut();
      const waitMs = Math.max(0, untilMs - this.#options.clock.monotonicMs());
      await this.#wait.wait(waitMs, signal);
    }
  }

  /**
   * Makes a call of the leader, and makes it again for as long as a call waits for one where it is
   * refused with `not-leader`: that alone says for certain that it has had no effect. The signal
   * ends the wait, never the attempt.
   */
  async callLeader<T>(attempt: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const { clock, settings } = this.#options;
    const untilMs = clock.monotonicMs() + settings.leaderWaitMs;
    signal?.throwIfAborted();
    for (;;) {
      if (!this.isOpen) await this.pass(untilMs, signal);
      try {
        return await waitFor(attempt(), signal);
      } catch (error) {
        if (!isHoldfastError(error, 'not-leader')) throw error;
        if (clock.monotonicMs() >= untilMs) throw this.refusal();
        await this.pause(retryMs, signal);
      }
    }
  }

  /**
   * Waits before another try; cut short when the gate is shut. Rejects with the signal's reason.
   */
  async pause(delayMs: number, signal?: AbortSignal): Promise<void> {
    if (!this.#isShut) await this.#pauses.wait(delayMs, signal);
  }

  throwIfShut(): void {
    if (this.#isShut) throw new HoldfastError('shutting-down', 'this member is stopping');
  }

  refusal(): HoldfastError {
    return this.#wait.refusal();
  }

  /** Looks whether leader or commit index have changed; called after every turn of the core. */
  noteTurn(): void {
    const core = this.#core;
    const nowMs = this.#options.clock.monotonicMs();
    if (core && core.commit > this.#commit) [this.#commit, this.#commitMs] = [core.commit, nowMs];
    const leader = core?.leader;
    if (leader === this.#knownLeader) return;
    this.#knownLeader = leader;
    if (leader === undefined) this.#leaderLostMs = nowMs;
    else this.#leaderSinceMs = nowMs;
    if (leader !== undefined) this.#wait.release();
  }

  heard(peer: MemberId): void {
    this.#contacts.heard(peer, this.#options.clock.monotonicMs());
  }

  refused(peer: MemberId): void {
    this.#contacts.refused(peer);
  }

  contact(): ContactStatus {
    const { quorumReachable, missingVoters, leaderlessMs } = this.view();
    const silenceMs = this.#silenceMs();
    const isUnheard = quorumReachable && leaderlessMs > electionsMs;
    const leaderUnheard = isUnheard ? unheard(leaderlessMs) : undefined;
    const stalledMs = this.#stalledMs;
    return { quorumReachable, missingVoters, silenceMs, stalledMs, leaderUnheard };
  }

  get #leaderlessMs(): number {
    if (this.#core?.leader !== undefined) return 0;
    return this.#options.clock.monotonicMs() - this.#leaderLostMs;
  }

  get #stalledMs(): number | undefined {
    const { clock, raftSettings } = this.#options;
    const limitMs = raftSettings.idleCommitMs * missingCommits;
    if (limitMs === 0 || this.#knownLeader === undefined) return undefined;
    const sinceMs = Math.max(this.#commitMs, this.#leaderSinceMs);
    const stalledMs = clock.monotonicMs() - sinceMs;
    return stalledMs > limitMs ? stalledMs : undefined;
  }

  #silenceMs(): ReadonlyMap<MemberId, number> {
    const nowMs = this.#options.clock.monotonicMs();
    const silence = new Map<MemberId, number>();
    for (const id of this.#core ? membersOf(this.#core.configuration) : []) {
      const heardMs = this.#contacts.lastHeardMs(id);
      if (heardMs !== undefined) silence.set(id, nowMs - heardMs);
    }
    return silence;
  }

  view(): LeaderView {
    const core = this.#core;
    const leaderlessMs = this.#leaderlessMs;
    if (!core) return { leader: undefined, quorumReachable: true, missingVoters: [], leaderlessMs };
    const { configuration, leader } = core;
    const { id: self, clock, settings } = this.#options;
    const sinceMs = clock.monotonicMs() - settings.reachableMs;
    // Followers of a live leader do not talk to each other: silence counts from the leader's loss.
    const isRecent = leader !== undefined || this.#leaderLostMs >= sinceMs;
    return {
      leader,
      leaderlessMs,
      quorumReachable: isRecent || this.#contacts.reachQuorum(configuration, self, sinceMs),
      missingVoters: this.#contacts
        .missingVoters(configuration, self, sinceMs)
        .filter((peer) => !this.#isLinked(core, peer)),
    };
  }

  /** Whoever waits goes on, and is refused: the member stops. */
  shut(): void {
    this.#isShut = true;
    this.#wait.release();
    this.#pauses.release();
  }

  /** A follower of a live leader hears the others only through their links. */
  #isLinked(core: Raft, peer: MemberId): boolean {
    const isFollowing = core.role === 'follower' && core.leader !== undefined;
    return isFollowing && this.#options.transport.isConnected(peer);
  }
}
