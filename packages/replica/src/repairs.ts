// Both sides of the repair from any peer (safety.md 5), put together from the parts of one member:
// its own lost range, which it asks for, and the lost ranges of others, which it answers.
import type { Clock } from '@holdfast/base/clock';
import type { Index, MemberId, RequestId } from '@holdfast/base/ids';
import type { Random } from '@holdfast/base/random';
import type { TaskGroup } from '@holdfast/base/task-group';
import { membersOf } from '@holdfast/raft/configuration';
import type { Input } from '@holdfast/raft/input';
import type { LogRange, LogRangeRequest, Message, WithoutSender } from '@holdfast/raft/message';
import type { Raft } from '@holdfast/raft/raft';
import { LogRepair, type RepairProgress } from './log-repair.ts';
import type { LogStore, PeerTransport } from './ports.ts';
import { RepairServer } from './repair-server.ts';
import type { Snapshotter } from './snapshotter.ts';

export type RepairsOptions = {
  readonly id: MemberId;
  readonly raft: Raft;
  readonly log: LogStore;
  readonly transport: Pick<PeerTransport, 'send' | 'isConnected'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly tasks: TaskGroup;
  readonly snapshotter: Pick<Snapshotter, 'newestIndex' | 'send' | 'take'>;
  readonly appliedIndex: () => Index;
  readonly newRequestId: () => RequestId;
  readonly step: (input: Input) => void;
  readonly persisted: (through: Index) => Promise<void>;
  readonly onReadFailed: (error: unknown) => void;
};

export class Repairs {
  readonly #options: RepairsOptions;
  readonly #own: LogRepair;
  readonly #server: RepairServer;

  constructor(options: RepairsOptions) {
    this.#options = options;
    const send = (message: WithoutSender<LogRangeRequest | LogRange>): void => this.#send(message);
    this.#own = new LogRepair({ ...options, send, peers: () => this.#peers() });
    this.#server = new RepairServer({
      log: options.log,
      core: options.raft,
      snapshotIndex: () => options.snapshotter.newestIndex,
      send,
      appliedIndex: options.appliedIndex,
      takeSnapshot: () => options.snapshotter.take(options.tasks.signal),
      sendSnapshot: (to) => options.snapshotter.send(to),
      onFailure: options.onReadFailed,
    });
  }

  /** How far the own repair is; undefined when there is none, or only a leader can do it. */
  get progress(): RepairProgress | undefined {
    return this.#own.progress;
  }

  /** Whether the message was about a repair, and is seen to. */
  take(message: Message): boolean {
    if (message.type === 'log-range') this.#own.take(message);
    else if (message.type === 'log-range-request') {
      this.#options.tasks.run(() => this.#server.answer(message));
    } else return false;
    return true;
  }

  /** Gets the own log back if it is damaged; ends when it is whole. */
  run(signal: AbortSignal): Promise<void> {
    return this.#own.run(signal);
  }

  /** A snapshot for `peer` arrived, or broke off. */
  sent(peer: MemberId): void {
    this.#server.sent(peer);
  }

  #peers(): readonly MemberId[] {
    const { id, raft, transport } = this.#options;
    const members = membersOf(raft.configuration);
    return members.filter((peer) => peer !== id && transport.isConnected(peer));
  }

  #send(message: WithoutSender<LogRangeRequest | LogRange>): void {
    const { id, raft, transport } = this.#options;
    transport.send({ ...message, from: id, term: raft.term } as Message);
  }
}
