// The replicated state as data: records, indexes, revisions, times, members, the rolling hash. It
// knows how to write a version of a key and how to find one; it knows no commands and checks nothing
// that a client could get wrong (applier.ts does). A restore builds a new one beside the old.
//
//   key text -> slot -> newest record -> previous -> previous ... -> 0
//   compacted <= revision; every record with superseded in (0, compacted], and every tombstone
//   below compacted, counts as gone, whether or not its bytes have been reclaimed yet
import { assert } from '@holdfast/base/assert';
import { KeyIndex } from './key-index.ts';
import { keyText } from './key-range.ts';
import { MemberTable } from './member-table.ts';
import { RecordHeap } from './record-heap.ts';
import { recordBodyAt, recordBytes } from './record-slab.ts';
import { RevisionIndex } from './revision-index.ts';
import { StateHash } from './state-hash.ts';
import { TimeIndex } from './time-index.ts';

/** What a hash mixes in beside records, so that no two kinds of change look alike. */
const hashTags = { revision: 1, compact: 2, member: 3, clusterVersion: 4 } as const;

export type KeyWrite = {
  readonly keyspace: number;
  readonly key: Uint8Array;
  /** `keyText(key)`, which the caller has already made. */
  readonly text: string;
  readonly value: Uint8Array;
  readonly lease: bigint;
};

/** Told of every mutation, in order; what it does must wait until the entry is applied. */
export type MutationListener = (keyspace: number, key: string, revision: number) => void;

/** What a restore knows before the first record. */
export type StateHeader = {
  readonly appliedIndex: number;
  readonly revision: number;
  readonly compactRevision: number;
  readonly lastProposedAtMs: number;
  readonly stateHash: bigint;
};

const emptyHeader: StateHeader = {
  appliedIndex: 0,
  revision: 1,
  compactRevision: 0,
  lastProposedAtMs: 0,
  stateHash: 0n,
};

export class StoreState {
  readonly heap = new RecordHeap();
  readonly revisions: RevisionIndex;
  readonly times: TimeIndex;
  readonly members: MemberTable;
  readonly hash: StateHash;
  readonly #indexes = new Map<number, KeyIndex>();
  readonly #freeSlots: number[] = [];
  #newest = new Uint32Array(1024);
  #slotsUsed = 0;
  #bytes = 0;
  /** Bytes of the last revision's tombstones: a compaction above that revision sets them free. */
  #tombstoneBytes = 0;
  #revision: number;
  #compactRevision: number;
  #writing = false;
  appliedIndex: number;
  lastProposedAtMs: number;
  onMutation: MutationListener | undefined;

  constructor(
    header: StateHeader = emptyHeader,
    parts: { readonly times: TimeIndex; readonly members: MemberTable } = {
      times: new TimeIndex(),
      members: new MemberTable(),
    },
  ) {
    this.#revision = header.revision;
    this.#compactRevision = header.compactRevision;
    this.appliedIndex = header.appliedIndex;
    this.lastProposedAtMs = header.lastProposedAtMs;
    this.hash = new StateHash(header.stateHash);
    this.revisions = new RevisionIndex(Math.max(2, header.compactRevision));
    this.times = parts.times;
    this.members = parts.members;
  }

  /** Of the last command that wrote; 1 before the first. */
  get revision(): number {
    return this.#revision;
  }

  /** The revision that reads see now: inside a writing transaction, its own. */
  get readRevision(): number {
    return this.#revision + (this.#writing ? 1 : 0);
  }

  /** The oldest revision that can be read; 0 before the first compaction. */
  get compactRevision(): number {
    return this.#compactRevision;
  }

  /** Bytes of every record that is not compacted away, the same on every member. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes that a compaction at the current revision would set free. */
  get garbageBytes(): number {
    return this.revisions.freed - this.revisions.freedAt(this.#compactRevision);
  }

  get keyCount(): number {
    let count = 0;
    for (const index of this.#indexes.values()) count += index.live;
    return count;
  }

  /** Keys in the index, those included that are deleted and not yet reclaimed. */
  get indexedKeys(): number {
    let count = 0;
    for (const index of this.#indexes.values()) count += index.size;
    return count;
  }

  indexOf(keyspace: number): KeyIndex | undefined {
    return this.#indexes.get(keyspace);
  }

  /** The key's newest record, tombstone or not, or 0. */
  newest(keyspace: number, text: string): number {
    const slot = this.#indexes.get(keyspace)?.slot(text) ?? -1;
    return slot < 0 ? 0 : this.newestOf(slot);
  }

  newestOf(slot: number): number {
    return this.#newest[slot] as number;
  }

  /** The record that a reader at `revision` sees, starting from a key's newest one, or 0. */
  visibleAt(newest: number, revision: number): number {
    let address = newest;
    while (address !== 0 && this.heap.modRevision(address) > revision) {
      address = this.heap.previous(address);
    }
    return address === 0 || this.heap.isTombstone(address) ? 0 : address;
  }

  /** The living record of a key now, or 0. */
  current(keyspace: number, text: string): number {
    const newest = this.newest(keyspace, text);
    return newest === 0 || this.heap.isTombstone(newest) ? 0 : newest;
  }

  put(write: KeyWrite): void {
    const newest = this.newest(write.keyspace, write.text);
    const exists = newest !== 0 && !this.heap.isTombstone(newest);
    const modRevision = this.#revision + 1;
    const address = this.heap.append({
      keyspace: write.keyspace,
      key: write.key,
      value: write.value,
      lease: write.lease,
      modRevision,
      createRevision: exists ? this.heap.createRevision(newest) : modRevision,
      version: exists ? this.heap.version(newest) + 1 : 1,
    });
    this.#mutated(address, newest, write.text);
  }

  /** Deletes the key whose living record is `newest`. */
  erase(newest: number, text: string): void {
    assert(!this.heap.isTombstone(newest), 'only a living key is deleted');
    const address = this.heap.append({
      keyspace: this.heap.keyspace(newest),
      key: this.heap.key(newest),
      value: undefined,
      lease: 0n,
      modRevision: this.#revision + 1,
      createRevision: 0,
      version: 0,
    });
    this.#mutated(address, newest, text);
  }

  /** Ends a command: what it wrote becomes a revision. */
  seal(timeMs: number): void {
    if (!this.#writing) return;
    this.#writing = false;
    this.#revision += 1;
    this.times.note(this.#revision, timeMs);
    this.hash.mixNumber(hashTags.revision, timeMs);
  }

  /** Moves the compact revision; the bytes follow later (reclaimer.ts). */
  compact(revision: number): void {
    assert(revision > this.#compactRevision && revision <= this.#revision, 'compaction moves on');
    this.#bytes -= this.revisions.freedAt(revision) - this.revisions.freedAt(this.#compactRevision);
    this.#compactRevision = revision;
    this.revisions.dropBelow(revision);
    this.times.dropBelow(revision);
    this.hash.mixNumber(hashTags.compact, revision);
  }

  memberBound(encoded: Uint8Array): void {
    this.hash.mixNumber(hashTags.member, encoded.length);
    this.hash.mixBytes(encoded);
  }

  clusterVersionRaised(): void {
    this.hash.mixNumber(hashTags.clusterVersion, this.members.clusterVersion);
  }

  /** Whether a compaction at `revision` takes the record, reclaimed or not. */
  isCompacted(address: number, revision = this.#compactRevision): boolean {
    if (this.heap.modRevision(address) >= revision) return false;
    if (this.heap.isTombstone(address)) return true;
    const superseded = this.heap.superseded(address);
    return superseded !== 0 && superseded <= revision;
  }

  /** Takes in one record of an image; its place in the chains follows from the order of records. */
  load(body: Uint8Array): void {
    const address = this.heap.appendBody(body);
    const text = this.heap.keyText(address);
    this.#link(address, this.newest(this.heap.keyspace(address), text), text);
  }

  /** Points the key's slot at the place to which its newest record has moved. */
  moveNewest(slot: number, address: number): void {
    this.#newest[slot] = address;
  }

  /** Takes a deleted key whose tombstone is compacted out of the index. */
  forget(address: number): void {
    const slot = this.heap.slot(address);
    this.#indexes.get(this.heap.keyspace(address))?.delete(this.heap.keyText(address));
    this.#newest[slot] = 0;
    this.#freeSlots.push(slot);
  }

  #mutated(address: number, newest: number, text: string): void {
    this.#writing = true;
    const keyspace = this.heap.keyspace(address);
    this.#link(address, newest, text);
    const slab = this.heap.slabOf(address);
    const at = this.heap.placeOf(address);
    this.hash.mixWords(slab.words, (at + recordBodyAt) >>> 2, (at + slab.sizeAt(at)) >>> 2);
    this.onMutation?.(keyspace, text, this.#revision + 1);
  }

  /** Puts a record that stands in the heap into its chain, the indexes and the sums. */
  #link(address: number, newest: number, text: string): void {
    const heap = this.heap;
    const slab = heap.slabOf(address);
    const size = heap.sizeOf(address);
    const modRevision = heap.modRevision(address);
    this.#enterRevision(modRevision, address);
    this.#bytes += size;
    if (newest !== 0) this.#supersede(newest, address);
    if (heap.isTombstone(address)) {
      slab.garbage += size;
      if (modRevision >= this.revisions.first) this.#tombstoneBytes += size;
    }
    this.#enterIndex(address, newest, text);
  }

  #enterRevision(modRevision: number, address: number): void {
    if (modRevision < this.revisions.first || modRevision === this.revisions.last) return;
    this.revisions.push(modRevision, address);
    this.revisions.addFreed(this.#tombstoneBytes);
    this.#tombstoneBytes = 0;
  }

  #supersede(old: number, by: number): void {
    const heap = this.heap;
    heap.setPrevious(by, old);
    heap.setNext(old, by);
    heap.setSuperseded(old, heap.modRevision(by));
    if (heap.isTombstone(old)) return; // Counted when it was written.
    const size = heap.sizeOf(old);
    heap.slabOf(old).garbage += size;
    this.revisions.addFreed(size);
  }

  #enterIndex(address: number, newest: number, text: string): void {
    const heap = this.heap;
    const live = !heap.isTombstone(address);
    const slot = newest === 0 ? this.#newSlot() : heap.slot(newest);
    heap.setSlot(address, slot);
    this.#newest[slot] = address;
    const wasLive = newest !== 0 && !heap.isTombstone(newest);
    if (newest !== 0 && live === wasLive) return;
    const keyspace = heap.keyspace(address);
    let index = this.#indexes.get(keyspace);
    if (!index) {
      index = new KeyIndex();
      this.#indexes.set(keyspace, index);
    }
    index.set(text, slot, live);
  }

  #newSlot(): number {
    const free = this.#freeSlots.pop();
    if (free !== undefined) return free;
    if (this.#slotsUsed === this.#newest.length) {
      const grown = new Uint32Array(this.#newest.length * 2);
      grown.set(this.#newest);
      this.#newest = grown;
    }
    this.#slotsUsed += 1;
    return this.#slotsUsed - 1;
  }

  /** Whole-state check for tests and the simulator. */
  validate(): void {
    this.heap.validate();
    let bytes = 0;
    for (let slab = this.heap.first; slab; slab = slab.after) {
      for (let at = 0; at < slab.used; at += slab.sizeAt(at)) {
        const address = this.heap.addressOf(slab, at);
        if (this.isCompacted(address)) continue;
        assert(!this.heap.isDead(address), 'a record that can be read is not dead');
        bytes += slab.sizeAt(at);
        this.#validateLinks(address);
      }
    }
    assert(bytes === this.#bytes, `bytes count the records (${bytes}, ${this.#bytes})`);
    for (const index of this.#indexes.values()) index.validate();
  }

  #validateLinks(address: number): void {
    const heap = this.heap;
    const next = heap.next(address);
    const newest = this.newest(heap.keyspace(address), keyText(heap.key(address)));
    assert(next !== 0 || newest === address, 'the newest record of a key stands in its slot');
    if (next !== 0) {
      assert(heap.previous(next) === address, 'neighbours of a chain point at each other');
      assert(
        heap.superseded(address) === heap.modRevision(next),
        'superseded is the next revision',
      );
    }
    const size = recordBytes(heap.key(address).length, heap.value(address).length);
    assert(heap.sizeOf(address) === size, 'a record says its size');
  }
}
