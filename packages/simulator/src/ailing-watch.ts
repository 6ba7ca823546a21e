// Judges a cluster whose disks alone ail (safety.md 9): reads are always answered by somebody, and
// a leader whose disk is full or stuck does not stay in office while all others' disks are well.
// Asked now and then; what it knows of reads it asks the members itself.
import { utf8 } from '@holdfast/base/bytes';
import type { ClusterMember } from './cluster-member.ts';
import { Violation } from './judges/violation.ts';

export type AilingWatchOptions = {
  readonly nowMs: () => number;
  /** Before that the cluster may still be looking for its first leader. */
  readonly fromMs: number;
};

/** What the issue asks for: leadership moves within five seconds; reads do not stop that long. */
const limitMs = 5000;
const anyKey = {
  keyspace: 1,
  key: utf8('none'),
  rangeEnd: new Uint8Array(0),
  limit: 0,
  revision: 0,
  keysOnly: false,
  countOnly: false,
};

export class AilingWatch {
  readonly #options: AilingWatchOptions;
  readonly #asked = new Set<ClusterMember>();
  #lastReadMs: number;
  #ailing: { readonly leader: ClusterMember; readonly sinceMs: number } | undefined;
  #longestMs = 0;
  #longestReadMs = 0;
  #moved = 0;

  constructor(options: AilingWatchOptions) {
    this.#options = options;
    this.#lastReadMs = options.fromMs;
  }

  /** How often leadership left an ailing disk, how long that took at most, and a read. */
  get counters(): Readonly<Record<string, number>> {
    return {
      ailingMoved: this.#moved,
      ailingLongestMs: this.#longestMs,
      ailingReadGapMs: this.#longestReadMs,
    };
  }

  /** Throws a Violation. */
  look(members: readonly ClusterMember[]): void {
    this.#read(members);
    this.#judgeReads();
    this.#judgeLeader(members);
  }

  #read(members: readonly ClusterMember[]): void {
    for (const member of members) {
      const { engine } = member;
      if (!engine || this.#asked.has(member)) continue;
      this.#asked.add(member);
      const done = (): void => void this.#asked.delete(member);
      const answered = (): void => {
        done();
        this.#lastReadMs = Math.max(this.#lastReadMs, this.#options.nowMs());
      };
      engine.range(anyKey, { actor: 'judge', subject: 'own' }).then(answered, done);
    }
  }

  #judgeReads(): void {
    const gapMs = this.#options.nowMs() - this.#lastReadMs;
    this.#longestReadMs = Math.max(this.#longestReadMs, gapMs);
    if (gapMs <= limitMs) return;
    throw new Violation('reads-stopped', `nobody answered a linearizable read for ${gapMs} ms`);
  }

  #judgeLeader(members: readonly ClusterMember[]): void {
    const leader = members.find(({ engine }) => engine?.replica.isLeader);
    const before = this.#ailing;
    const isOwed =
      leader !== undefined &&
      !isWell(leader) &&
      members.every((one) => one === leader || isWell(one));
    if (before && leader !== before.leader && leader && isWell(leader)) this.#moved += 1;
    if (!isOwed) {
      this.#ailing = undefined;
      return;
    }
    const nowMs = this.#options.nowMs();
    if (before?.leader !== leader) this.#ailing = { leader, sinceMs: nowMs };
    const tookMs = nowMs - (this.#ailing?.sinceMs ?? nowMs);
    this.#longestMs = Math.max(this.#longestMs, tookMs);
    if (tookMs <= limitMs) return;
    const { disk } = leader.engine?.status() ?? {};
    const detail = `n${leader.id}, whose disk is ${disk}, led on for ${tookMs} ms`;
    throw new Violation('ailing-leader', detail);
  }
}

const isWell = ({ engine }: ClusterMember): boolean => engine?.status().disk === 'well';
