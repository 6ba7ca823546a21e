// What a driver is given: by the process, and by the replica around it.
import type { Clock } from '@holdfast/base/clock';
import type { MemberId } from '@holdfast/base/ids';
import type { Random } from '@holdfast/base/random';
import type { TaskGroup } from '@holdfast/base/task-group';
import type { TraceEvent } from '@holdfast/raft/core';
import type { Entry } from '@holdfast/raft/entry';
import type { Input } from '@holdfast/raft/input';
import type { RaftSettings } from '@holdfast/raft/settings';
import type { Forwarding } from './forwarding.ts';
import type { Freshness } from './freshness.ts';
import type { LeaderGate } from './leader-gate.ts';
import type { LogTime } from './log-time.ts';
import type {
  CoreRecorder,
  LogStore,
  PeerTransport,
  SnapshotStore,
  SpaceReserve,
  StateDoubt,
  StateMachine,
  StatusStore,
} from './ports.ts';
import type { Proposals } from './proposals.ts';
import type { Proposer } from './proposer.ts';
import type { ReadBarriers } from './read-barriers.ts';
import type { Recovered } from './recovery.ts';
import type { RequestIds } from './request-ids.ts';
import type { ReplicaSettings } from './settings.ts';

/** What the process gives: the ports, and whom to tell. */
export type DriverOptions = {
  readonly id: MemberId;
  readonly clock: Clock;
  readonly random: Random;
  /** Runs the action after the events at hand: setImmediate, or the simulator's queue. */
  readonly nextTurn: (action: () => void) => void;
  readonly log: LogStore;
  readonly status: StatusStore;
  readonly snapshots: SnapshotStore;
  /** Absent: the disk is never low. */
  readonly reserve?: SpaceReserve | undefined;
  readonly stateMachine: StateMachine;
  readonly transport: PeerTransport;
  readonly raftSettings: RaftSettings;
  readonly settings: ReplicaSettings;
  /** Told before each input of the core. */
  readonly onInput?: (nowMs: number, input: Input) => void;
  readonly recorder?: CoreRecorder | undefined;
  /** Whether an entry needs room for good (safety.md 9). */
  readonly isAdding?: (envelope: Uint8Array) => boolean;
  /** The name that people know a member by, for refusals. */
  readonly describeMember: (id: MemberId) => string;
  /** Absent: the state is never in doubt. */
  readonly doubt?: StateDoubt | undefined;
  /** Somebody reads the whole state: a snapshot that nobody waits for has time. */
  readonly isStateRead?: () => boolean;
  /** After entries were applied: wakes watches and the like. */
  readonly onApplied?: (entries: readonly Entry[]) => void;
};

/** What the replica owns, and the driver feeds. */
export type DriverParts = {
  readonly recovered: Recovered;
  readonly tasks: TaskGroup;
  readonly gate: LeaderGate;
  readonly proposals: Proposals;
  readonly proposer: Proposer;
  readonly forwarding: Forwarding;
  readonly barriers: ReadBarriers;
  readonly freshness: Freshness;
  readonly requestIds: RequestIds;
  readonly logTime: LogTime;
  readonly onTrace: (event: TraceEvent) => void;
  readonly onProblem: (what: string, error: unknown) => void;
  readonly onFailure: (error: unknown) => void;
};
