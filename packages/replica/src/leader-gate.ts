// What this member knows about who leads, and the gate that calls pass: open while there is a
// leader, waited at during an election, shut for good when the member stops. Owns the contacts.
import type { Clock } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';
import type { MemberId } from '@holdfast/base/ids';
import { membersOf } from '@holdfast/raft/configuration';
import type { Raft } from '@holdfast/raft/raft';
import { Contacts } from './contacts.ts';
import { type LeaderView, LeaderWait } from './leader-wait.ts';
import type { PeerTransport } from './ports.ts';

export type LeaderGateOptions = {
  readonly self: MemberId;
  readonly clock: Clock;
  readonly transport: Pick<PeerTransport, 'isConnected'>;
  /** Silence after which a voter does not count as reachable (safety.md 23). */
  readonly reachableMs: number;
  readonly describeMember: (id: MemberId) => string;
};

export class LeaderGate {
  readonly #options: LeaderGateOptions;
  readonly #contacts = new Contacts();
  readonly #wait: LeaderWait;
  #core: Raft | undefined;
  #knownLeader: MemberId | undefined;
  #leaderLostMs: number;
  #isShut = false;

  constructor(options: LeaderGateOptions) {
    this.#options = options;
    this.#leaderLostMs = options.clock.monotonicMs();
    this.#wait = new LeaderWait({
      clock: options.clock,
      view: () => this.view(),
      describe: options.describeMember,
    });
  }

  /** Recovery is over: there is a core to look at. */
  begin(core: Raft): void {
    this.#core = core;
  }

  /** Resolves when there is a leader; rejects with `no-leader`, `no-quorum` or `shutting-down`. */
  async pass(untilMs: number): Promise<void> {
    this.throwIfShut();
    if (this.#core?.leader !== undefined) return;
    await this.#wait.wait(Math.max(0, untilMs - this.#options.clock.monotonicMs()));
    this.throwIfShut();
  }

  throwIfShut(): void {
    if (this.#isShut) throw new HoldfastError('shutting-down', 'this member is stopping');
  }

  refusal(): HoldfastError {
    return this.#wait.refusal();
  }

  /** Looks whether the leader has changed; called after every turn of the core. */
  noteLeader(): void {
    const leader = this.#core?.leader;
    if (leader === this.#knownLeader) return;
    this.#knownLeader = leader;
    if (leader === undefined) this.#leaderLostMs = this.#options.clock.monotonicMs();
    else this.#wait.release();
  }

  heard(peer: MemberId): void {
    this.#contacts.heard(peer, this.#options.clock.monotonicMs());
  }

  refused(peer: MemberId): void {
    this.#contacts.refused(peer);
  }

  /** When each member was last heard, as far as it was. */
  lastHeardMs(): ReadonlyMap<MemberId, number> {
    const heard = new Map<MemberId, number>();
    for (const id of this.#core ? membersOf(this.#core.configuration) : []) {
      const heardMs = this.#contacts.lastHeardMs(id);
      if (heardMs !== undefined) heard.set(id, heardMs);
    }
    return heard;
  }

  view(): LeaderView {
    const core = this.#core;
    if (!core) return { leader: undefined, quorumReachable: true, missingVoters: [] };
    const { configuration, leader } = core;
    const { self, clock, reachableMs } = this.#options;
    const sinceMs = clock.monotonicMs() - reachableMs;
    // Followers of a live leader do not talk to each other: silence counts from the leader's loss.
    const isRecent = leader !== undefined || this.#leaderLostMs >= sinceMs;
    return {
      leader,
      quorumReachable: isRecent || this.#contacts.reachQuorum(configuration, self, sinceMs),
      missingVoters: this.#contacts
        .missingVoters(configuration, self, sinceMs)
        .filter((peer) => !this.#isLinked(core, peer)),
    };
  }

  /** Whoever waits goes on, and is refused: the member stops. */
  shut(): void {
    this.#isShut = true;
    this.#wait.close();
  }

  /** A follower of a live leader hears the others only through their links. */
  #isLinked(core: Raft, peer: MemberId): boolean {
    const isFollowing = core.role === 'follower' && core.leader !== undefined;
    return isFollowing && this.#options.transport.isConnected(peer);
  }
}
