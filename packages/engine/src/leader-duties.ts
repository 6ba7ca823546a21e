// What the leader alone sees to, once a second at most: compaction, idle sessions, the version of
// the cluster. Each is a proposal like any other; apply judges it, and knows no clock. (Leases have
// a keeper of their own: lessor.ts.)
import type { Clock } from '@holdfast/base/clock';
import { isHoldfastError } from '@holdfast/base/errors';
import type { MemberId, Term } from '@holdfast/base/ids';
import { type CompactionSettings, proposeCompaction } from '@holdfast/mvcc/compaction-policy';
import type { KvStore } from '@holdfast/mvcc/kv-store';
import { MemberStanding } from '@holdfast/proto/internal';
import { membersVersion, raisedVersion } from './cluster-version.ts';
import type { CommandRequest } from './command-answer.ts';

export type LeaderDutiesOptions = {
  readonly clock: Clock;
  readonly store: KvStore;
  readonly compaction: CompactionSettings;
  /** The term in which this member leads; undefined where it does not. */
  readonly term: () => Term | undefined;
  /** All of the configuration, observers too: an entry that one does not know would stop it. */
  readonly configured: () => readonly MemberId[];
  /** The same, of a committed configuration; undefined while members change. */
  readonly settled: () => readonly MemberId[] | undefined;
  /** Into the own log in that term, never forwarded; rejects with what the command failed with. */
  readonly propose: (term: Term, request: CommandRequest) => Promise<void>;
  readonly onProblem: (what: string, error: unknown) => void;
};

/** Sessions that one entry ends. */
const expiredMax = 500;

export class LeaderDuties {
  readonly #options: LeaderDutiesOptions;

  constructor(options: LeaderDutiesOptions) {
    this.#options = options;
  }

  async attend(): Promise<void> {
    const term = this.#options.term();
    if (term === undefined) return;
    await this.#try(term, 'raising the version of the cluster', () => this.#newVersion());
    await this.#try(term, 'retiring members that were removed', () => this.#removed());
    await this.#try(term, 'ending idle sessions', () => this.#idleSessions());
    await this.#try(term, 'compaction', () => this.#compaction());
  }

  /** Proposes what is due, if anything is. The next second tries again what failed. */
  async #try(term: Term, what: string, due: () => CommandRequest | undefined): Promise<void> {
    const request = due();
    if (!request) return;
    try {
      await this.#options.propose(term, request);
    } catch (error) {
      // Whoever leads no more has nothing to see to.
      if (!isHoldfastError(error, 'not-leader')) this.#options.onProblem(what, error);
    }
  }

  #newVersion(): CommandRequest | undefined {
    const { store, configured } = this.#options;
    const memberIds = [...configured()];
    const version = raisedVersion(store, memberIds);
    if (version === undefined) return undefined;
    return { $case: 'clusterVersion', value: { version, memberIds } };
  }

  /** Who took part and stands in no configuration any more, one at a time. */
  #removed(): CommandRequest | undefined {
    const { store, settled } = this.#options;
    const members = settled();
    if (!members || store.clusterVersion < membersVersion) return undefined;
    const here = new Set<bigint>(members);
    const gone = store
      .members()
      .find(({ memberId, standing }) => standing === MemberStanding.JOINED && !here.has(memberId));
    return gone && { $case: 'retireMember', value: { memberId: gone.memberId } };
  }

  #idleSessions(): CommandRequest | undefined {
    const { store, clock } = this.#options;
    // As the log will stamp it, at least: its time never goes back.
    const nowMs = Math.max(clock.wallMs(), store.lastProposedAtMs);
    const ids = store.sessions.overdue(nowMs, expiredMax);
    return ids.length === 0 ? undefined : { $case: 'sessionExpire', value: { ids } };
  }

  #compaction(): CommandRequest | undefined {
    const { store, clock, compaction } = this.#options;
    const revision = proposeCompaction(store, compaction, clock.wallMs());
    return revision === undefined ? undefined : { $case: 'compact', value: { revision } };
  }
}
