// Bits that turn in the memory of a member (safety.md 10), and their judge: nobody is named whose
// memory is as it was written, and when all is healed nobody is in quarantine, and all members have
// the same memory to the last bit. The bits are of a field of records that no reader looks at: what
// a client is told before the member is named is nobody's promise.
import { crc32 } from '@holdfast/base/crc32';
import type { MemberId } from '@holdfast/base/ids';
import { pick, type Random } from '@holdfast/base/random';
import type { IntegrityEvent } from '@holdfast/engine/integrity-status';
import type { StoreImage } from '@holdfast/mvcc/store-image';
import type { ClusterMember } from './cluster-member.ts';
import { Violation } from './judges/violation.ts';
import { keyspace } from './key-requests.ts';
import { nameOf } from './member-network.ts';
import type { Timeline } from './timeline.ts';

export type MemoryFlipsOptions = {
  readonly random: Random;
  readonly timeline: Timeline;
  /** By the place that a member takes. */
  readonly cluster: ReadonlyMap<MemberId, ClusterMember>;
  readonly onFailure: (error: unknown) => void;
};

/** Of a record: its header, and in it the word that is reserved, and covered by every hash. */
const headerBytes = 72;
const reservedAt = 36;

export class MemoryFlips {
  readonly #options: MemoryFlipsOptions;
  /** Whose memory turns, of a whole run: a majority stays sound. */
  readonly #victim: MemberId | undefined;
  /** Whose memory has turned, or was loaded since from files that may hold the turned bit. */
  readonly #suspects = new Set<MemberId>();
  #healedAt = 0;
  readonly #counters = {
    flips: 0,
    named: 0,
    replaced: 0,
    quarantinesEnded: 0,
    undecided: 0,
    scrubbed: 0,
  };

  constructor(options: MemoryFlipsOptions) {
    this.#options = options;
    const places = [...options.cluster.keys()];
    this.#victim = places.length < 3 ? undefined : pick(options.random, places);
  }

  get counters(): Readonly<Record<string, number>> {
    const { replaced: reseeded, ...rest } = this.#counters;
    return { ...rest, reseeded };
  }

  flip(): void {
    const { cluster, random, timeline } = this.#options;
    const member = this.#victim === undefined ? undefined : cluster.get(this.#victim);
    const value = member?.engine && someValue(member.engine.store, random);
    if (!member || !value) return;
    const { bytes, record } = value;
    const at = record + reservedAt + random.integer(0, 4);
    bytes[at] = (bytes[at] as number) ^ (1 << random.integer(0, 8));
    this.#counters.flips += 1;
    this.#suspects.add(member.id);
    timeline.note(nameOf(member.id), 'flip', `byte ${at} of a block in memory`);
  }

  /** The member has loaded an image, its own or that of another. */
  onRestore(member: ClusterMember): void {
    if (this.#suspects.size > 0) this.#suspects.add(member.id);
  }

  onIntegrity(member: ClusterMember, event: IntegrityEvent): void {
    this.#options.timeline.note(nameOf(member.id), ...this.#told(event));
    if (event.type !== 'state-odd' || this.#suspects.has(event.member)) return;
    const detail = `${nameOf(event.member)} was named, and its memory is as it was written`;
    this.#options.onFailure(new Violation('false-quarantine', detail));
  }

  /** No bit turns any more: what was compared before tells nothing. */
  healed(): void {
    this.#healedAt = Math.max(0, ...this.#engines.map(({ store }) => store.appliedIndex));
  }

  /** The last comparison of each member found all equal, or nobody can tell who is right. */
  get isOver(): boolean {
    return this.#engines.every(({ integrity }) => {
      const { verdict, quarantine, checkIndex, reports } = integrity.status;
      if ((checkIndex ?? 0) <= this.#healedAt) return false;
      if (reports.length < this.#engines.length) return false;
      // Where members are being replaced, a majority of all may not be one of the voters yet.
      if (verdict.kind === 'undecided') {
        const witnesses = new Set(reports.filter((one) => !one.unproven).map((one) => one.member));
        const counts = verdict.groups.map(
          (group) => group.filter((id) => witnesses.has(id)).length,
        );
        return counts.every((count) => count * 2 <= this.#engines.length);
      }
      return !quarantine && verdict.kind === 'decided' && verdict.odd.length === 0;
    });
  }

  /** Called at a moment at which all members stand at one index. Rejects with a Violation. */
  async judge(): Promise<void> {
    if (this.#engines.some(({ integrity }) => integrity.status.verdict.kind === 'undecided'))
      return;
    // By their images, and not by the digests that are on trial.
    const images = this.#engines.map(({ store }) => store.image());
    const sums = new Set(await Promise.all(images.map(sumOf)));
    if (sums.size > 1) {
      throw new Violation('equal-memory', `after the heal: ${[...sums].join(', ')}`);
    }
  }

  get #engines() {
    return [...this.#options.cluster.values()].flatMap(({ engine }) => engine ?? []);
  }

  #told(event: IntegrityEvent): [string, string] {
    switch (event.type) {
      case 'state-odd':
        this.#counters.named += 1;
        return ['odd', `${nameOf(event.member)} at ${event.odd.report.checkIndex}`];
      case 'states-differ':
        this.#counters.undecided += 1;
        return ['differ', event.text];
      case 'quarantine-ended':
        this.#counters.quarantinesEnded += 1;
        return ['sound', `at ${event.checkIndex}`];
      case 'state-replaced':
        this.#counters.replaced += 1;
        return ['replaced', `at ${event.index}`];
      case 'rot-found':
        this.#counters.scrubbed += 1;
        return ['rot found', event.what];
    }
  }
}

async function sumOf(image: StoreImage): Promise<number> {
  let sum = 0;
  for await (const chunk of image.chunks()) sum = crc32(chunk, sum);
  return sum;
}

/** A value as it lies in memory: the block around it, and where its record begins there. */
function someValue(store: ClusterMember['store'], random: Random) {
  const kvs = store?.range({
    keyspace,
    key: new Uint8Array([0]),
    rangeEnd: new Uint8Array([0]),
    limit: 50,
    revision: 0,
    keysOnly: false,
    countOnly: false,
  }).kvs;
  if (!kvs || kvs.length === 0) return undefined;
  const { key, value } = pick(random, kvs);
  const bytes = new Uint8Array(value.buffer);
  return { bytes, record: value.byteOffset - key.length - headerBytes };
}
