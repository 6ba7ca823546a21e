// What is owed once every fault of a world has ended: the replacements come to their end, every
// member takes a write, and all become equal. Owns how long that may take.
import type { MemberId } from '@holdfast/base/ids';
import type { ClientRecord } from './client-record.ts';
import type { Clients } from './clients.ts';
import type { ClusterMember } from './cluster-member.ts';
import type { EventQueue } from './event-queue.ts';
import { Violation } from './judges/violation.ts';
import { type MemberNetwork, nameOf } from './member-network.ts';
import type { MemoryFlips } from './memory-flips.ts';
import type { Replacements } from './replacements.ts';
import type { Timeline } from './timeline.ts';
import type { Watchers } from './watchers.ts';

export type ProofOfLifeOptions = {
  readonly queue: EventQueue;
  readonly timeline: Timeline;
  readonly cluster: ReadonlyMap<MemberId, ClusterMember>;
  readonly network: MemberNetwork;
  readonly replacements: Replacements;
  readonly clients: Clients;
  readonly watchers: Watchers;
  readonly record: ClientRecord;
  readonly flips: MemoryFlips;
  /** Lets simulated time pass; throws what has failed meanwhile. */
  readonly runUntil: (endMs: number) => Promise<void>;
  readonly onFailure: (error: unknown) => void;
};

/** After the last fault, each of the steps may take so long. */
const stepMs = 30_000;

/** Throws a Violation of liveness. */
export async function proveLife(options: ProofOfLifeOptions): Promise<void> {
  const { clients, watchers, replacements } = options;
  await waitUntil(options, 'every replacement is over', () => replacements.areOver);
  await becomeLive(options);
  clients.end();
  watchers.hurry();
  await converge(options);
}

/** A write through each member is acknowledged. */
async function becomeLive(options: ProofOfLifeOptions): Promise<void> {
  const { cluster, clients, replacements, onFailure } = options;
  const served = new Set<ClusterMember>();
  await waitUntil(options, 'every member takes a write', () => {
    replacements.replaceStranded();
    for (const member of cluster.values()) {
      if (served.has(member) || !member.engine) continue;
      clients
        .probe(member)
        .then((isTaken) => isTaken && served.add(member))
        .catch(onFailure);
    }
    return [...cluster.values()].every((member) => served.has(member));
  });
}

/** Calls have ended, and all stand at one index with one state. */
async function converge(options: ProofOfLifeOptions): Promise<void> {
  const { cluster, clients, network, record, watchers, flips, onFailure } = options;
  await waitUntil(options, 'states were compared, and are equal', () => flips.isOver);
  await waitUntil(options, 'all members are equal, and linked', () => {
    if (!clients.isIdle || network.broken.length > 0) return false;
    const stores = [...cluster.values()].map(({ engine }) => engine?.store);
    const [first] = stores;
    return stores.every(
      (store) =>
        store?.appliedIndex === first?.appliedIndex && store?.stateHash === first?.stateHash,
    );
  });
  let isJudged = false;
  flips.judge().then(() => {
    isJudged = true;
  }, onFailure);
  await waitUntil(options, 'what lies in memory was compared', () => isJudged);
  await waitUntil(options, 'all leases have run out', () =>
    [...cluster.values()].every(({ store }) => store?.leases.size === 0),
  );
  const { last } = record.events;
  await waitUntil(options, 'watchers have heard of everything', () => watchers.reach(last));
}

async function waitUntil(
  { queue, timeline, cluster, runUntil }: ProofOfLifeOptions,
  what: string,
  isMet: () => boolean,
): Promise<void> {
  const startMs = queue.nowMs;
  while (!isMet()) {
    if (queue.nowMs > startMs + stepMs) throw notLive(what, [...cluster.values()]);
    await runUntil(queue.nowMs + 200);
  }
  timeline.note('-', 'reached', `${what} after ${(queue.nowMs - startMs).toFixed(0)} ms`);
}

function notLive(what: string, members: readonly ClusterMember[]): Violation {
  const states = members.map((member) => {
    const { raft } = member.engine?.replica.status() ?? {};
    const marks = raft && `last ${raft.last.index}@${raft.last.term} applied ${raft.applied}`;
    return `${nameOf(member.id)} ${raft?.role ?? 'starting'} term ${raft?.term} ${marks ?? ''}`;
  });
  return new Violation('liveness', [`after the heal, not: ${what}`, ...states].join('\n  '));
}
