// What this member does while it leads, and as a leader only: keeps the leases, and sees to its
// duties. Owns neither the replica nor the store; proposes in its own term or not at all.
import { type Clock, pause } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';
import type { MemberId, Term } from '@holdfast/base/ids';
import {
  type CompactionSettings,
  defaultCompactionSettings,
} from '@holdfast/mvcc/compaction-policy';
import type { KvStore } from '@holdfast/mvcc/kv-store';
import { ownAuthRevision } from '@holdfast/proto/entry-envelope';
import type { CommandResult } from '@holdfast/proto/internal';
import type { Entry } from '@holdfast/raft/entry';
import type { Replica } from '@holdfast/replica/replica';
import { type CommandRequest, encodeCommand, grantedIn, responseOf } from './command-answer.ts';
import { LeaderDuties } from './leader-duties.ts';
import { defaultLessorSettings, type Leadership, Lessor, type LessorSettings } from './lessor.ts';

export type LeaderWorkOptions = {
  readonly clock: Clock;
  readonly store: KvStore;
  readonly replica: Replica;
  readonly configured: () => readonly MemberId[];
  readonly settled: () => readonly MemberId[] | undefined;
  /** Nothing is proposed from a state in doubt. */
  readonly isDoubted: () => boolean;
  readonly compactionSettings?: Partial<CompactionSettings>;
  readonly lessorSettings?: Partial<LessorSettings>;
  readonly yieldNow: () => Promise<void>;
  readonly onProblem: (what: string, error: unknown) => void;
};

const dutyIntervalMs = 1000;

export class LeaderWork {
  readonly lessor: Lessor;
  readonly #options: LeaderWorkOptions;
  readonly #duties: LeaderDuties;
  #leaseGeneration = 0;

  constructor(options: LeaderWorkOptions) {
    this.#options = options;
    this.lessor = new Lessor({
      ...options,
      leases: () => options.store.leases,
      leadership: this.#leadership,
      settings: { ...defaultLessorSettings, ...options.lessorSettings },
    });
    this.#duties = new LeaderDuties({
      ...options,
      compaction: { ...defaultCompactionSettings, ...options.compactionSettings },
      term: () => this.#term,
      propose: (term, request) => this.propose(term, request),
    });
  }

  /** Attends to the duties until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(this.#options.clock, dutyIntervalMs, signal);
      if (!signal.aborted) await this.#duties.attend();
    }
  }

  attendDuties(): Promise<void> {
    return this.#duties.attend();
  }

  /** A lease's time begins when its grant is applied. */
  noteApplied(entries: readonly Entry[]): void {
    const { generation } = this.#options.store.leases;
    if (generation === this.#leaseGeneration) return;
    this.#leaseGeneration = generation;
    if (this.#ledTerm === undefined) return;
    for (const id of grantedIn(entries)) this.lessor.granted(id);
  }

  get #term(): Term | undefined {
    return this.#options.isDoubted() ? undefined : this.#ledTerm;
  }

  get #ledTerm(): Term | undefined {
    const { replica } = this.#options;
    return replica.isLeader ? replica.term : undefined;
  }

  /**
   * A doubt ends no reign of the lessor, which would forget what it has proposed; it only has it
   * confirmed by nobody, and so do nothing, for as long as it lasts.
   */
  get #leadership(): Leadership {
    return {
      term: () => this.#ledTerm,
      confirm: async (signal) => {
        const term = await this.#options.replica.confirmLeadership(signal);
        return term === this.#term ? term : undefined;
      },
      propose: async (term, request) => {
        if (term !== this.#term) throw notLeader();
        await this.propose(term, request);
      },
    };
  }

  /** Into the own log in that term; rejects with what the command failed with. */
  async propose(term: Term, request: CommandRequest): Promise<void> {
    const envelope = encodeCommand(request, { actor: 'leader' }, ownAuthRevision);
    const { result } = await this.#options.replica.proposeIn(term, envelope);
    responseOf(result as CommandResult, request.$case);
  }
}

const notLeader = (): HoldfastError =>
  new HoldfastError(
    'not-leader',
    'the state of this member is in doubt, and nothing is done by it',
  );
