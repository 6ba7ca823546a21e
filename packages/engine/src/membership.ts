// Who belongs to the cluster, and how that changes. Any member takes the wish and asks the leader
// (one hop, like every question); the leader judges it (member-plan.ts), announces newcomers to
// all, proposes the new configuration, and answers when it stands: committed, and no longer joint.
// A change that is asked for again finds done what was done, so a lost answer costs nothing.
import { type Clock, sleep } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';
import { type Index, index, type MemberId, memberId, type Term } from '@holdfast/base/ids';
import type { KvStore } from '@holdfast/mvcc/kv-store';
import { MemberStanding } from '@holdfast/proto/internal';
import { type Configuration, isJoint, membersOf } from '@holdfast/raft/configuration';
import type { MembershipTarget } from '@holdfast/raft/membership';
import type { RaftStatus } from '@holdfast/raft/raft';
import type { Replica } from '@holdfast/replica/replica';
import type { PeerPlaceName } from '@holdfast/storage/peers-file';
import type { CommandRequest } from './command-answer.ts';
import {
  decodeMembersAnswer,
  encodeMembersAnswer,
  encodeQuestion,
  type MembersQuestion,
} from './leader-question.ts';
import {
  type MemberChange,
  type MembershipView,
  type Newcomer,
  type PlannedMember,
  planChange,
} from './member-plan.ts';

/** A member, and where it is. */
export type KnownMember = PeerPlaceName & {
  /** Where else it may be, by what this member was started with. */
  readonly otherAddresses?: readonly string[];
};

export type MembershipOptions = {
  readonly clock: Clock;
  readonly store: KvStore;
  readonly replica: Replica;
  readonly self: MemberId;
  /** Whoever was not heard of for so long is not reachable: an election timeout. */
  readonly silenceMaxMs: number;
  readonly nameOf: (id: MemberId) => string;
  /** As this member knew them at its start. */
  readonly initialMembers: readonly KnownMember[];
  /** Throws `failed-precondition` while a member would not understand a change. */
  readonly awaitVersion: (signal?: AbortSignal) => Promise<void>;
  /** Into the own log in that term, never forwarded. */
  readonly propose: (term: Term, request: CommandRequest) => Promise<void>;
};

type Asking = { readonly signal?: AbortSignal | undefined };

const lookMs = 10;
/** The majority answers within milliseconds, or is not there. */
const settleMsMax = 5000;

export class Membership {
  readonly #options: MembershipOptions;
  /** Changes take turns. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the configuration stands and this member has applied it. Throws what planChange
   * throws, `failed-precondition` while a member is too old, `unavailable` while another change is
   * under way or no majority answers, and what any question to the leader throws.
   */
  async change(changes: readonly MemberChange[], { signal }: Asking = {}): Promise<void> {
    await this.#options.awaitVersion(signal);
    const answer = await this.#ask({ kind: 'change-members', changes }, signal);
    const { self, replica } = this.#options;
    // Whoever is removed is sent nothing any more.
    if (changes.some((one) => one.kind === 'remove' && one.id === self)) return;
    await replica.untilApplied(answer.index);
  }

  /** The new leader; `to` undefined: whichever voter is best. Throws as change() does. */
  async transfer(to: MemberId | undefined, { signal }: Asking = {}): Promise<MemberId> {
    await this.#options.awaitVersion(signal);
    return (await this.#ask({ kind: 'transfer', to }, signal)).leader;
  }

  /** All of the configuration in effect here, committed or not. */
  configured(): readonly MemberId[] {
    const { marks } = this.#options.replica;
    return marks ? membersOf(marks.configuration) : [];
  }

  /**
   * The same, those of whom it is known where they are. One that has just joined goes through the
   * past first: until it stands in the configuration itself, that one may be of members who are
   * gone, without those who now send it the log, so that it keeps to whom it was told of.
   */
  members(): readonly KnownMember[] {
    const { nameOf, self, initialMembers } = this.#options;
    const configured = this.configured();
    const told = configured.includes(self) ? [] : initialMembers.map(({ memberId: id }) => id);
    return [...new Set([...configured, ...told])].flatMap((id) => {
      const [peerAddress, ...others] = this.#addressesOf(id);
      if (peerAddress === undefined) return [];
      return [{ memberId: id, name: nameOf(id), peerAddress, otherAddresses: others }];
    });
  }

  /** Whether the data directory `store` may speak for that member (safety.md 15). */
  acceptsStore(id: MemberId, store: bigint): boolean {
    const bound = this.#bound(id);
    return bound === undefined || bound.storeId === store;
  }

  /** Out of the cluster for good, as far as this member has applied. */
  isRemoved(id: MemberId): boolean {
    return this.#bound(id)?.standing === MemberStanding.REMOVED;
  }

  /** All members of a committed configuration; undefined while they change. */
  settled(): readonly MemberId[] | undefined {
    const { raft } = this.#options.replica;
    return raft && isSettled(raft) ? membersOf(raft.configuration) : undefined;
  }

  /** On the leader: what a member asks it. */
  async answer(question: MembersQuestion): Promise<Uint8Array> {
    const at =
      question.kind === 'change-members'
        ? await this.#inTurn(() => this.#perform(question.changes))
        : index(0);
    const leader =
      question.kind === 'transfer' ? await this.#handOn(question.to) : this.#options.self;
    return encodeMembersAnswer({ index: at, leader });
  }

  async #ask(question: MembersQuestion, signal: AbortSignal | undefined) {
    const bytes = await this.#options.replica.askLeader(encodeQuestion(question), signal);
    return decodeMembersAnswer(bytes);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    const over = (): void => undefined; // Whoever asked hears of it; the next one only waits.
    this.#last = turn.then(over, over);
    return turn;
  }

  // ---------------------------------------------------------------- on the leader

  async #perform(changes: readonly MemberChange[]): Promise<Index> {
    const { term } = await this.#untilSettled();
    const target = planChange(this.#view(), changes);
    // A leader that leaves would answer nobody: its successor makes the change.
    if (!target.voters.includes(this.#options.self)) {
      await this.#handOn(undefined);
      throw notLeader();
    }
    for (const change of changes) {
      if (change.kind === 'add') await this.#announce(term, change.newcomer);
    }
    const at = await this.#enter(term, target);
    for (const change of changes) {
      if (change.kind === 'remove') await this.#retire(term, change.id);
    }
    // With the marks of those that were removed, so that whoever asked knows them, too.
    return index(Math.max(at, this.#options.replica.status().applied?.index ?? at));
  }

  /** All members know where it is before the configuration tells them to care. */
  async #announce(term: Term, newcomer: Newcomer): Promise<void> {
    const { memberId: id, storeId, name, peerAddress, version } = newcomer;
    if (this.#bound(id)?.standing === MemberStanding.JOINED) return;
    await this.#options.propose(term, {
      $case: 'bindMember',
      value: {
        ...{ memberId: id, storeId, name, version },
        peerAddresses: [peerAddress],
        clientAddresses: [],
        standing: MemberStanding.EXPECTED,
      },
    });
  }

  async #retire(term: Term, id: MemberId): Promise<void> {
    const bound = this.#bound(id);
    if (!bound || bound.standing === MemberStanding.REMOVED) return;
    await this.#options.propose(term, { $case: 'retireMember', value: { memberId: id } });
  }

  /** The index of the configuration, once it is the target's. */
  async #enter(term: Term, target: MembershipTarget): Promise<Index> {
    for (;;) {
      const raft = await this.#untilSettled(term);
      if (isOf(raft.configuration, target)) return index(raft.configurationIndex);
      this.#options.replica.changeMembership(target);
      await sleep(this.#options.clock, lookMs);
    }
  }

  /**
   * This leader has proved itself, and no change is under way. Throws `leadership-lost`, and
   * `unavailable` when that takes too long.
   */
  async #untilSettled(term?: Term): Promise<RaftStatus> {
    const { clock } = this.#options;
    const untilMs = clock.monotonicMs() + settleMsMax;
    for (;;) {
      const raft = this.#leading(term);
      if (isSettled(raft)) return raft;
      if (clock.monotonicMs() >= untilMs) throw unsettled(raft);
      await sleep(clock, lookMs);
    }
  }

  #leading(term: Term | undefined): RaftStatus {
    const { raft } = this.#options.replica;
    if (raft?.role === 'leader' && (term === undefined || raft.term === term)) return raft;
    if (term === undefined) throw notLeader();
    throw new HoldfastError(
      'leadership-lost',
      'the leader changed while the members did: look at them, and ask again for what is missing',
      { outcome: 'unknown' },
    );
  }

  async #handOn(to: MemberId | undefined): Promise<MemberId> {
    const { clock, replica, self, nameOf, silenceMaxMs } = this.#options;
    const raft = this.#leading(undefined);
    if (to === self) return self;
    const able = this.#view().members.filter(
      ({ id, isReachable }) => id !== self && isReachable && raft.configuration.voters.includes(id),
    );
    const successor = to ?? bestOf(raft, able);
    if (successor === undefined || !able.some(({ id }) => id === successor)) {
      const what = to === undefined ? 'no other voter' : `${nameOf(to)} is no voter that`;
      throw new HoldfastError('failed-precondition', `${what} can be reached now to lead`);
    }
    replica.transferLeadership(successor);
    const untilMs = clock.monotonicMs() + silenceMaxMs * 2;
    while (clock.monotonicMs() < untilMs) {
      const leader = replica.raft?.leader;
      if (leader !== undefined && leader !== self) return leader;
      await sleep(clock, lookMs);
    }
    throw new HoldfastError(
      'unavailable',
      `${nameOf(successor)} did not take over in time, and nothing has changed: try again`,
    );
  }

  #view(): MembershipView {
    const { replica, store } = this.#options;
    const { raft, silenceMs } = replica.status();
    const removed = store.members().filter(({ standing }) => standing === MemberStanding.REMOVED);
    return {
      voters: raft?.configuration.voters ?? [],
      learners: raft?.configuration.learners ?? [],
      members: raft
        ? membersOf(raft.configuration).map((id) => this.#planned(raft, silenceMs, id))
        : [],
      removed: new Set(removed.map((one) => memberId(one.memberId))),
    };
  }

  #planned(
    raft: RaftStatus,
    silenceMs: ReadonlyMap<MemberId, number>,
    id: MemberId,
  ): PlannedMember {
    const { self, silenceMaxMs, nameOf } = this.#options;
    const progress = raft.peers.find((peer) => peer.id === id);
    const isSelf = id === self;
    return {
      id,
      name: nameOf(id),
      peerAddresses: this.#bound(id)?.peerAddresses ?? this.#addressesOf(id),
      isReachable: isSelf || (silenceMs.get(id) ?? Number.POSITIVE_INFINITY) <= silenceMaxMs,
      // What it was found to have is not known before it has answered once.
      lag: isSelf
        ? 0
        : progress && progress.match > 0
          ? raft.last.index - progress.match
          : undefined,
    };
  }

  /** As it has said itself, then as this member was told at its start. */
  #addressesOf(id: MemberId): readonly string[] {
    const initial = this.#options.initialMembers.find((member) => member.memberId === id);
    const said = this.#bound(id)?.peerAddresses ?? [];
    return [...new Set([...said, ...(initial ? [initial.peerAddress] : [])])];
  }

  #bound(id: MemberId) {
    return this.#options.store.members().find((one) => one.memberId === id);
  }
}

const isSettled = (raft: RaftStatus): boolean =>
  raft.hasCommittedInTerm && !isJoint(raft.configuration) && raft.configurationIndex <= raft.commit;

const isOf = (configuration: Configuration, target: MembershipTarget): boolean =>
  isSame(configuration.voters, target.voters) && isSame(configuration.learners, target.learners);

const isSame = (a: readonly MemberId[], b: readonly MemberId[]): boolean =>
  a.length === b.length && a.every((id) => b.includes(id));

/** Of the longest agreeing log. */
const bestOf = (raft: RaftStatus, able: readonly PlannedMember[]): MemberId | undefined =>
  raft.peers
    .filter(({ id, repairing }) => !repairing && able.some((one) => one.id === id))
    .sort((a, b) => b.match - a.match)[0]?.id;

const notLeader = (): HoldfastError =>
  new HoldfastError('not-leader', 'this member does not lead (any more)');

const unsettled = (raft: RaftStatus): HoldfastError =>
  new HoldfastError(
    'unavailable',
    isJoint(raft.configuration) || raft.configurationIndex > raft.commit
      ? 'another change of members is under way, and no majority has confirmed it yet: try again'
      : 'this leader is new and has committed nothing yet: try again in a moment',
    { outcome: 'unknown' },
  );
