// The replicated state as data: records, indexes, revisions, times, members, leases, sessions, the
// rolling hash. It knows how to write a version of a key and how to find one; it knows no commands
// and checks nothing that a client could get wrong (applier.ts does). A load builds another.
//
//   key -> slot -> newest record -> previous -> previous ... -> 0
//   compacted <= revision; every record with superseded in (0, compacted], and every tombstone
//   below compacted, counts as gone, whether or not its bytes have been reclaimed yet
import { assert } from '@holdfast/base/assert';
import type { StateCheckRequest, StateReportRequest } from '@holdfast/proto/internal';
import { AccessGate, accessKeyspace, gateKey } from './access-gate.ts';
import { KeyIndex } from './key-index.ts';
import { KeyTable } from './key-table.ts';
import { LeaseTable } from './lease-table.ts';
import { MemberTable } from './member-table.ts';
import { countChange, countSlots } from './quota-count.ts';
import { QuotaTable } from './quota-table.ts';
import { RecordHeap } from './record-heap.ts';
import type { LoadedRecords } from './record-loader.ts';
import { recordBodyAt, recordBytes } from './record-slab.ts';
import { RevisionIndex } from './revision-index.ts';
import { SessionTable } from './session-table.ts';
import { hashTags, StateHash } from './state-hash.ts';
import { emptyHeader, type StateHeader } from './state-header.ts';
import { TimeIndex } from './time-index.ts';

export type KeyWrite = {
  readonly keyspace: number;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly lease: bigint;
};

/** Told of every mutation, in order; what it does must wait until the entry is applied. */
export type MutationListener = (address: number) => void;

export type StateParts = {
  readonly times: TimeIndex;
  readonly members: MemberTable;
  readonly leases: LeaseTable;
  readonly sessions: SessionTable;
  readonly quotas: QuotaTable;
  readonly slabBytes: number;
  /** Absent: none yet, and slabs of `slabBytes` for those to come. */
  readonly records: LoadedRecords;
};

export class StoreState {
  readonly heap: RecordHeap;
  readonly revisions: RevisionIndex;
  readonly times: TimeIndex;
  readonly members: MemberTable;
  readonly leases: LeaseTable;
  readonly sessions: SessionTable;
  readonly quotas: QuotaTable;
  readonly access = new AccessGate();
  readonly hash: StateHash;
  readonly #indexes: Map<number, KeyIndex>;
  readonly #table: KeyTable;
  #bytes: number;
  /** Bytes of the last revision's tombstones: a compaction above that revision sets them free. */
  #tombstoneBytes: number;
  #revision: number;
  #compactRevision: number;
  #writing = false;
  images = 0; // That are being encoded: under them no key loses its slot.
  appliedIndex: number;
  lastProposedAtMs: number;
  onMutation: MutationListener | undefined;
  /** Told of checks, and of what a member has found at one: neither is a part of the state. */
  onCheck: ((request: StateCheckRequest) => void) | undefined;
  onReport: ((report: StateReportRequest) => void) | undefined;

  constructor(parts: Partial<StateParts> = {}, header: StateHeader = emptyHeader) {
    const { records } = parts;
    this.heap = records?.heap ?? new RecordHeap(parts.slabBytes);
    this.#table = records?.table ?? new KeyTable(this.heap);
    this.#indexes = records?.indexes ?? new Map();
    this.#bytes = records?.bytes ?? 0;
    this.#tombstoneBytes = records?.tombstoneBytes ?? 0;
    this.#revision = header.revision;
    this.#compactRevision = header.compactRevision;
    this.appliedIndex = header.appliedIndex;
    this.lastProposedAtMs = header.lastProposedAtMs;
    this.hash = new StateHash(header.stateHash);
    this.revisions = records?.revisions ?? new RevisionIndex(Math.max(2, header.compactRevision));
    this.times = parts.times ?? new TimeIndex();
    this.members = parts.members ?? new MemberTable();
    this.leases = parts.leases ?? new LeaseTable();
    this.sessions = parts.sessions ?? new SessionTable();
    this.quotas = parts.quotas ?? new QuotaTable();
    for (const slot of records?.leased ?? []) this.#moveLease(slot, 0, this.#table.newest(slot));
    const gate = this.newest(accessKeyspace, gateKey);
    if (gate !== 0) this.access.note(this.heap, gate);
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

  /** Those that hold keys, in order. */
  get keyspaces(): readonly number[] {
    return [...this.#indexes.keys()].sort((a, b) => a - b);
  }

  /** All slots of keys are below it. */
  get slots(): number {
    return this.#table.slots;
  }

  keyTextOf(slot: number): string {
    return this.heap.keyText(this.#table.newest(slot));
  }

  indexOf(keyspace: number): KeyIndex | undefined {
    return this.#indexes.get(keyspace);
  }

  /** The key's newest record, tombstone or not, or 0. */
  newest(keyspace: number, key: Uint8Array): number {
    const slot = this.#table.find(keyspace, key);
    return slot < 0 ? 0 : this.#table.newest(slot);
  }

  newestOf(slot: number): number {
    return this.#table.newest(slot);
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
  current(keyspace: number, key: Uint8Array): number {
    const newest = this.newest(keyspace, key);
    return newest === 0 || this.heap.isTombstone(newest) ? 0 : newest;
  }

  put(write: KeyWrite): void {
    const newest = this.newest(write.keyspace, write.key);
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
    this.#mutated(address, newest);
  }

  /** Deletes the key whose living record is `newest`. */
  erase(newest: number): void {
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
    this.#mutated(address, newest);
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

  /** All there is was compacted; the next write makes revision `to`, which is later. */
  skipTo(to: number): void {
    this.#revision = this.revisions.leap(to);
  }

  memberBound(encoded: Uint8Array): void {
    this.hash.mixNumber(hashTags.member, encoded.length);
    this.hash.mixBytes(encoded);
  }

  memberRetired(id: bigint): void {
    this.hash.mixId(hashTags.memberRetired, id);
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

  /** Takes in a record of an image of format 1; its place in its chain follows from their order. */
  load(body: Uint8Array): void {
    const address = this.heap.appendBody(body);
    this.#link(address, this.newest(this.heap.keyspace(address), this.heap.key(address)));
  }

  /** Points the key's slot at the place to which its newest record has moved. */
  moveNewest(slot: number, address: number): void {
    this.#table.setNewest(slot, address);
  }

  /** Takes a deleted key whose tombstone is compacted out of the index. */
  forget(address: number): void {
    this.#indexes.get(this.heap.keyspace(address))?.delete(this.heap.keyText(address));
    this.#table.remove(this.heap.slot(address));
  }

  #mutated(address: number, newest: number): void {
    this.#writing = true;
    this.#link(address, newest);
    const slab = this.heap.slabOf(address);
    const at = this.heap.placeOf(address);
    this.hash.mixWords(slab.words, (at + recordBodyAt) >>> 2, (at + slab.sizeAt(at)) >>> 2);
    this.onMutation?.(address);
  }

  /** Puts a record that stands in the heap into its chain, the indexes and the sums. */
  #link(address: number, newest: number): void {
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
    this.#enterIndex(address, newest);
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

  #enterIndex(address: number, newest: number): void {
    const heap = this.heap;
    const keyspace = heap.keyspace(address);
    const slot = newest === 0 ? this.#table.add(keyspace, heap.key(address)) : heap.slot(newest);
    heap.setSlot(address, slot);
    this.#table.setNewest(slot, address);
    this.#moveLease(slot, newest, address);
    countChange(this.quotas, heap, { old: newest, address });
    if (keyspace === accessKeyspace) this.access.note(heap, address);
    const live = !heap.isTombstone(address);
    if (newest !== 0 && live === !heap.isTombstone(newest)) return;
    let index = this.#indexes.get(keyspace);
    if (!index) {
      index = new KeyIndex((one) => this.keyTextOf(one));
      this.#indexes.set(keyspace, index);
    }
    index.set(heap.keyText(address), slot, live);
  }

  /** The key hangs on the lease that its newest record names; a deleted one on none. */
  #moveLease(slot: number, before: number, now: number): void {
    const heap = this.heap;
    const had = before !== 0 && heap.hasLease(before);
    if (!had && !heap.hasLease(now)) return;
    this.leases.move(slot, had ? heap.lease(before) : 0n, heap.lease(now));
  }

  /** Whole-state check for tests and the simulator. */
  validate(): void {
    this.heap.validate();
    let bytes = 0;
    let leased = 0;
    for (let slab = this.heap.first; slab; slab = slab.after) {
      for (let at = 0; at < slab.used; at += slab.sizeAt(at)) {
        const address = this.heap.addressOf(slab, at);
        if (this.isCompacted(address)) continue;
        assert(!this.heap.isDead(address), 'a record that can be read is not dead');
        bytes += slab.sizeAt(at);
        this.#validateLinks(address);
        if (this.#validateLease(address)) leased += 1;
      }
    }
    assert(leased === this.leases.keyCount, 'nothing hangs on a lease but living keys');
    assert(bytes === this.#bytes, `bytes count the records (${bytes}, ${this.#bytes})`);
    const counted = new QuotaTable();
    countSlots(this, counted, { lo: 0, hi: this.slots });
    this.quotas.validate(counted);
    for (const index of this.#indexes.values()) index.validate();
  }

  /** Whether the record is a living key's newest and names a lease. */
  #validateLease(address: number): boolean {
    const heap = this.heap;
    if (heap.next(address) !== 0 || !heap.hasLease(address)) return false;
    const slots = this.leases.slots(heap.lease(address));
    assert(slots.has(heap.slot(address)), 'a key hangs on the lease that its record names');
    return true;
  }

  #validateLinks(address: number): void {
    const heap = this.heap;
    const next = heap.next(address);
    const newest = this.newest(heap.keyspace(address), heap.key(address));
    const slot = this.#indexes.get(heap.keyspace(address))?.slot(heap.keyText(address));
    assert(slot === heap.slot(newest), 'table and index give a key the same slot');
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
