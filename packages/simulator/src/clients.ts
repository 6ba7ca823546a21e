// All clients of a simulated cluster: plain ones, those with leases, those whose writes stand in
// sessions. They share who waits for which member, and end together.
import type { MemberId } from '@holdfast/base/ids';
import type { Random } from '@holdfast/base/random';
import { SeededRandom } from '@holdfast/base/seeded-random';
import type { ProvenUser } from '@holdfast/domain/subject';
import { AccessClients } from './access-clients.ts';
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
  /** Of the run. */
  readonly seed: number;
  /** A generator of its own for each kind of client. */
  readonly fork: () => Random;
  readonly onFailure: (error: unknown) => void;
};

/** With the leases' and the sessions', a little over twenty operations a simulated second. */
const plainCount = 4;
const plainGapMs = 240;
const lesseeCount = 2;
const sessionCount = 2;
const userCount = 3;
/** Of runs: with users whose rights come and go. */
const accessShare = 0.4;

export class Clients {
  readonly #calls: ClientCalls;
  readonly #plain: Workload;
  readonly #kinds: readonly (Workload | LeaseClients | SessionClients | AccessClients)[];

  constructor({ fork, seed, ...shared }: ClientsOptions) {
    const accessRandom = accessRandomOf(seed);
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
      ...(accessRandom
        ? [new AccessClients({ ...shared, calls, random: accessRandom, count: userCount })]
        : []),
    ];
  }

  start(): void {
    for (const kind of this.#kinds) kind.start();
  }

  /** No call begins after this; those in flight come to their end. */
  end(): void {
    for (const kind of this.#kinds) kind.end();
  }

  /** Who all but those of access-clients.ts are proven to be. */
  get subject(): ProvenUser | undefined {
    return this.#calls.subject;
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

/** A generator of its own: runs without users stay what they were. */
function accessRandomOf(seed: number): Random | undefined {
  const random = new SeededRandom(seed + 2 ** 32);
  return random.fraction() < accessShare ? random : undefined;
}
