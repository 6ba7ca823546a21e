// Makes the members of one world, those that it begins with and those that take another's place:
// with the same settings, small enough now and then that every limit is met.
import { clusterId, type MemberId } from '@holdfast/base/ids';
import { pick, type Random } from '@holdfast/base/random';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { newConfiguration } from '@holdfast/raft/configuration';
import {
  ClusterMember,
  type ClusterMemberOptions,
  type ClusterMemberWatcher,
} from './cluster-member.ts';
import type { EventQueue } from './event-queue.ts';
import { newMemberClock } from './member-clocks.ts';
import type { MemberNetwork } from './member-network.ts';
import type { WorldRecordings } from './world-recordings.ts';

export type MemberMakerOptions = {
  readonly queue: EventQueue;
  readonly random: Random;
  readonly network: MemberNetwork;
  readonly watcher: ClusterMemberWatcher;
  readonly founders: readonly MemberId[];
  readonly recordings: WorldRecordings | undefined;
};

type Settings = Pick<
  ClusterMemberOptions,
  'segmentBytes' | 'replicaSettings' | 'compactionSettings'
>;

export type MadeMember = Pick<ClusterMemberOptions, 'admit' | 'onEnded'>;

export class MemberMaker {
  readonly #options: MemberMakerOptions;
  readonly #settings: Settings;

  constructor(options: MemberMakerOptions) {
    this.#options = options;
    this.#settings = randomSettings(options.random);
  }

  /** A founder, or one that joins a cluster of which it knows nothing. */
  make(id: MemberId, { admit, onEnded }: MadeMember): ClusterMember {
    const { queue, random, network, watcher, founders, recordings } = this.#options;
    const own = new SeededRandom(random.integer(0, 2 ** 48));
    return new ClusterMember({
      ...this.#settings,
      id,
      clusterId: clusterId(1n),
      founders,
      admit,
      bootstrap: newConfiguration({ voters: admit ? [] : founders }),
      network,
      random: own,
      watcher,
      onEnded,
      recordings,
      newClock: () => newMemberClock(queue, own, { startMaxMs: 1_000_000 }),
    });
  }
}

function randomSettings(random: Random): Settings {
  return {
    segmentBytes: pick(random, [16_384, 65_536, 262_144]),
    replicaSettings: {
      snapshotEntriesMax: pick(random, [50, 200, 100_000]),
      snapshotIntervalMinMs: 500,
    },
    compactionSettings: pick(random, [
      {},
      { historyRevisionsMax: 150, historyRevisionsMin: 50, stepRevisionsMin: 10 },
    ]),
  };
}
