// All clients of a simulated cluster: plain ones, those with leases, those whose writes stand in
// sessions. They share who waits for which member, and end together.
import type { MemberId } from '@holdfast/base/ids';
import type { Random } from '@holdfast/base/random';
import { ClientCalls } from './client-calls.ts';
import type { ClientRecord } from './client-record.ts';
import type { ClusterMember } from './cluster-member.ts';
import type { EventQueue } from './event-queue.ts';
import { LeaseClients } from './lease-clients.ts';
import { SessionClients } from './session-clients.ts';
import { Workload } from './workload.ts';

export type ClientsOptions = {
  readonly queue: EventQueue;
  readonly members: ReadonlyMap<MemberId, ClusterMember>;
  readonly record: ClientRecord;
  readonly keys: number;
  /** A generator of its own for each kind of client. */
  readonly fork: () => Random;
  readonly onFailure: (error: unknown) => void;
};

/** With the leases' and the sessions', a little over twenty operations a simulated second. */
const plainCount = 4;
const plainGapMs = 240;
const lesseeCount = 2;
const sessionCount = 2;

export class Clients {
  readonly #calls: ClientCalls;
  readonly #plain: Workload;
  readonly #kinds: readonly (Workload | LeaseClients | SessionClients)[];

  constructor({ fork, ...shared }: ClientsOptions) {
    const calls = new ClientCalls(shared);
    const parts = (): typeof shared & { calls: ClientCalls; random: Random } => ({
      ...shared,
      calls,
      random: fork(),
    });
    this.#calls = calls;
    this.#plain = new Workload({ ...parts(), clients: plainCount, gapMs: plainGapMs });
    this.#kinds = [
      this.#plain,
      new LeaseClients({ ...parts(), count: lesseeCount }),
      new SessionClients({ ...parts(), count: sessionCount }),
    ];
  }

  start(): void {
    for (const kind of this.#kinds) kind.start();
  }

  /** No call begins after this; those in flight come to their end. */
  end(): void {
    for (const kind of this.#kinds) kind.end();
  }

  /** Operations that members were asked for, all kinds of clients together. */
  get operationCount(): number {
    return this.#calls.count;
  }

  get isIdle(): boolean {
    return this.#kinds.every((kind) => kind.isIdle);
  }

  /** One put through this very member; answers whether it was acknowledged. */
  probe(member: ClusterMember): Promise<boolean> {
    return this.#plain.probe(member);
  }

  memberDown(member: ClusterMember): void {
    this.#calls.memberDown(member);
  }
}
