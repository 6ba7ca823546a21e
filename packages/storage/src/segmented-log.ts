// The Raft log on disk. Owns the three marks (accepted, written, persisted) and the order of
// writes: encode a group, write it, sync, then say so. It never goes back in a file: a truncation
// is a group that begins at an earlier index. It has no timer: a group is what was accepted during
// the last sync.
import { assert, must } from '@holdfast/base/assert';
import { HoldfastError } from '@holdfast/base/errors';
import { type Index, index, minIndex, next, type Term } from '@holdfast/base/ids';
import type { ChainedId, Entry, LogId } from '@holdfast/raft/entry';
import type { Disk } from './disk.ts';
import { isDiskFull, toOperatingError } from './disk-error.ts';
import { EntryCache } from './entry-cache.ts';
import { Exclusive } from './exclusive.ts';
import { fillZero } from './file-steps.ts';
import { type EncodedGroup, GroupEncoder, soloGroupBytes } from './group-encoder.ts';
import { answerOf } from './log-answer.ts';
import { baseOfHeader, LogFiles, originBase } from './log-files.ts';
import type { LogPosition } from './log-group.ts';
import { LogIndex } from './log-index.ts';
import { readEntries } from './log-reader.ts';
import { chainAfter, chainStart, payloadBytesMax, recordBytes } from './log-record.ts';
import { recoverLog } from './log-recovery.ts';
import { type Pace, scrubLog } from './log-scrub.ts';
import type { LogSegment } from './log-segment.ts';
import {
  isWithin,
  type LogMarks,
  type LogRecovery,
  type OpenWatch,
  type SegmentedLogOptions,
} from './log-store.ts';
import { segmentDataOffset } from './segment-header.ts';

const megabyte = 1024 * 1024;
export const defaultSegmentBytes = 64 * megabyte;

export class SegmentedLog {
  readonly #disk: Disk;
  #files: LogFiles;
  readonly #groupBytesMax: number;
  readonly #cacheBytesMax: number;
  readonly #encoder = new GroupEncoder();
  readonly #exclusive = new Exclusive();
  #log: LogIndex | undefined;
  #cache: EntryCache;
  /** The entry that the files end in; beyond #log.last while a truncation is not written yet. */
  #physical: ChainedId | undefined;
  #persisted: LogId = originBase.id;
  #durable: LogPosition = { segment: 0, offset: 0 };
  #commitHint = 0;
  /** End of the bytes that a write may have left behind when the disk was full. */
  #dirtyEnd = 0;
  #unsynced = false;
  #failure: HoldfastError | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: SegmentedLogOptions) {
    this.#disk = options.disk;
    this.#groupBytesMax = options.groupBytesMax ?? megabyte;
    this.#cacheBytesMax = options.cacheBytesMax ?? 32 * megabyte;
    this.#cache = new EntryCache(index(1), this.#cacheBytesMax);
    this.#files = new LogFiles({
      ...options,
      directory: options.directory ?? 'log',
      segmentBytes: options.segmentBytes ?? defaultSegmentBytes,
      groupId: options.groupId ?? 0,
    });
  }

  get marks(): LogMarks {
    const log = this.#opened;
    return { purged: log.base.id, accepted: this.#accepted, persisted: this.#persisted };
  }

  /**
   * Verified, repaired and synced when resolved (log-recovery.ts). Rejects with `version-mismatch`,
   * or with `disk-full`, after which it may be opened again.
   */
  async open(watch?: OpenWatch): Promise<LogRecovery> {
    assert(!this.#log, 'a log is opened once');
    try {
      const found = await recoverLog(this.#files, watch);
      this.#begin(found.log);
      this.#commitHint = found.commitHint;
      return answerOf(found);
    } catch (error) {
      this.#files = await this.#files.again();
      watch?.signal?.throwIfAborted();
      throw toOperatingError(error, 'opening the log');
    }
  }

  /** Takes entries in, at once readable; those already there (same index and term) stay. */
  accept(entries: readonly Entry[]): void {
    const { purged } = this.marks;
    for (const entry of entries) {
      // Purged entries were committed, so these are the same.
      if (entry.index <= purged.index) continue;
      if (entry.index <= this.#accepted.index) {
        if (this.#termAt(entry.index) === entry.term) continue;
        this.#truncate(index(entry.index - 1));
      }
      assert(entry.index === this.#accepted.index + 1, 'accepted entries leave no hole');
      assert(entry.term >= this.#accepted.term, 'terms never decrease along the log');
      assert(entry.payload.length <= payloadBytesMax, 'a payload fits its length field');
      this.#cache.push(entry);
    }
  }

  /**
   * Writes and syncs all that was accepted before the call. Rejects with `disk-full` while there is
   * no room (the entries stay, a later sync writes them), or with `unavailable` after any other
   * failure: the log is then finished (safety.md 1, 9).
   */
  sync(commitHint: Index): Promise<LogId> {
    const goal = this.#accepted;
    return this.#exclusive.run(async () => {
      this.#throwIfFinished();
      this.#commitHint = Math.max(this.#commitHint, commitHint);
      try {
        await this.#files.note.clear();
        await this.#cleanDirt();
        await this.#writeAccepted(goal);
        if (this.#unsynced) await this.#syncCurrent();
        this.#cache.shrink(next(this.#opened.last.index));
        return this.#persisted;
      } catch (error) {
        throw this.#failed(error, 'writing the log');
      }
    });
  }

  /** Entries [lo, hi): an array if all are cached, else read and verified (`corrupt`). */
  read(lo: Index, hi: Index, bytesMax: number): readonly Entry[] | Promise<readonly Entry[]> {
    assert(lo > this.#opened.base.id.index, 'purged entries are not read');
    assert(lo < hi && hi <= this.#accepted.index + 1, 'only accepted entries are read');
    if (lo >= this.#cache.first) return this.#cache.slice(lo, hi, bytesMax);
    return readEntries(this.#opened, { lo, hi: minIndex(hi, this.#cache.first), bytesMax });
  }

  /** The chain after these entries, wherever they come from, which was `chain` before them. */
  chainAfter(entries: readonly Entry[], chain: number): number {
    return chainAfter(entries, chain);
  }

  /** Reads all that is synced again; answers whether a copy was mended. Throws `corrupt`. */
  async scrub(pace: Pace): Promise<boolean> {
    await scrubLog(() => ({ log: this.#opened, durable: this.#durable }), pace);
    return await this.#files.base.scrub();
  }

  /** Drops whole segments at or below `through`; the new purge mark is durable before they go. */
  async purge(through: Index): Promise<LogId> {
    const dead = await this.#exclusive.run(() => this.#movePurgeMark(through));
    for (const segment of dead) await this.#removeSegment(segment);
    return this.#opened.base.id;
  }

  /**
   * Empties the log, which then begins after `last`. The new segment's appearance is the switch:
   * before it the old log is whole, after it gone (safety.md 6).
   */
  reset(last: LogId): Promise<void> {
    return this.#exclusive.run(async () => {
      this.#throwIfFinished();
      const old = this.#opened;
      try {
        const segment = await this.#files.maker.make({
          sequence: old.current.sequence + 1,
          previousEnd: old.current.end,
          previous: last,
          previousChain: chainStart(last),
          startsLog: true,
          length: 'short',
        });
        this.#files.maker.prepare();
        const log = new LogIndex(baseOfHeader(segment.header));
        log.addSegment(segment);
        this.#begin(log);
        this.#commitHint = last.index;
        this.#writeMark();
        await this.#files.mark.sync();
        await this.#files.base.save(log.base);
        for (const dead of old.segments) await this.#removeSegment(dead);
      } catch (error) {
        throw this.#failed(error, 'beginning the log anew');
      }
    });
  }

  /** Idempotent. What was accepted and not synced is dropped. */
  close(): Promise<void> {
    this.#closing ??= this.#exclusive.run(async () => {
      // Without the mark the next open only has more to check.
      if (this.#log && !this.#failure) await this.#markCleanStop().catch(() => undefined);
      this.#failure ??= new HoldfastError('shutting-down', 'the log is closed');
      await this.#files.close();
      for (const segment of this.#log?.segments ?? []) await segment.close();
    });
    return this.#closing;
  }

  get #opened(): LogIndex {
    return must(this.#log, 'the log is open');
  }

  get #accepted(): LogId {
    const last = this.#cache.at(index(Math.max(0, this.#cache.end - 1)));
    return last ? { index: last.index, term: last.term } : this.#opened.last;
  }

  #begin(log: LogIndex): void {
    this.#log = log;
    this.#cache = new EntryCache(next(log.last.index), this.#cacheBytesMax);
    this.#physical = { id: log.last, chain: log.chainAt(log.last.index) };
    this.#persisted = log.last;
    this.#durable = { segment: log.current.sequence, offset: log.current.end };
    this.#dirtyEnd = 0;
    this.#unsynced = false;
  }

  #termAt(at: Index): Term {
    return this.#cache.at(at)?.term ?? this.#opened.termAt(at);
  }

  #truncate(last: Index): void {
    const log = this.#opened;
    assert(last >= log.base.id.index, 'purged entries are never replaced');
    this.#cache.truncate(last);
    if (log.last.index > last) log.truncate(last);
    if (this.#persisted.index > last) this.#persisted = log.idAt(last);
  }

  /**
   * Nothing of a newer term than the goal's: it was accepted since, and its term may not be saved
   * yet (safety.md 4).
   */
  async #writeAccepted(goal: LogId): Promise<void> {
    // Measured anew each time: while a roll waits, an accept may truncate.
    for (let first = this.#firstUnwritten(); first && isWithin(first, goal); ) {
      if (soloGroupBytes(first) > this.#opened.current.roomBytes) {
        await this.#roll(soloGroupBytes(first));
      } else {
        this.#writeGroup(first, goal);
      }
      first = this.#firstUnwritten();
    }
  }

  #firstUnwritten(): Entry | undefined {
    return this.#cache.at(next(this.#opened.last.index));
  }

  /** One group from `first` on, as long as the goal, the limit and the segment allow. */
  #writeGroup(first: Entry, goal: LogId): void {
    const log = this.#opened;
    const segment = log.current;
    const bytesMax = Math.min(this.#groupBytesMax, segment.roomBytes);
    const previousChain = log.chainAt(log.last.index);
    const group = this.#encode(first, { goal, bytesMax, previousChain });
    try {
      segment.file.writeNow(segment.end, group.bytes);
    } catch (error) {
      this.#dirtyEnd = segment.end + group.bytes.length;
      throw error;
    }
    this.#unsynced = true;
    this.#indexGroup(segment, group);
    segment.end += group.bytes.length;
    this.#physical = { id: log.last, chain: this.#encoder.chain };
    if (segment.roomBytes < segment.header.size / 2) this.#files.maker.prepare();
  }

  #encode(
    first: Entry,
    limits: { readonly goal: LogId; readonly bytesMax: number; readonly previousChain: number },
  ): EncodedGroup {
    const encoder = this.#encoder;
    const places: EncodedGroup['places'] = [];
    encoder.begin(this.#opened.current.end, first.index, limits.previousChain);
    for (let entry: Entry | undefined = first; entry; entry = this.#cache.at(next(entry.index))) {
      const end = encoder.end + recordBytes(entry.payload.length);
      if (encoder.count > 0 && (end > limits.bytesMax || !isWithin(entry, limits.goal))) break;
      const at = encoder.add(entry);
      places.push({ entry, at, chain: encoder.chain });
    }
    return { bytes: encoder.finish(this.#durable, this.#commitHint), places };
  }

  #indexGroup(segment: LogSegment, { places }: EncodedGroup): void {
    for (const { entry, at, chain } of places) {
      const payloadLength = entry.payload.length;
      this.#opened.append(entry, { offset: segment.end + at, payloadLength, chain });
    }
  }

  /** Syncs and leaves the current segment; the log goes on in a new one. */
  async #roll(groupBytes: number): Promise<void> {
    await this.#syncCurrent();
    await this.#files.mark.sync();
    const old = this.#opened.current;
    const before = must(this.#physical, 'the log is open');
    const segment = await this.#files.maker.make({
      sequence: old.sequence + 1,
      previousEnd: old.end,
      previous: before.id,
      previousChain: before.chain,
      startsLog: false,
      bytesMin: segmentDataOffset + groupBytes,
    });
    this.#opened.addSegment(segment);
    this.#durable = { segment: segment.sequence, offset: segment.end };
  }

  /** What was written before the call is durable after it. */
  async #syncCurrent(): Promise<void> {
    const log = this.#opened;
    const segment = log.current;
    try {
      await segment.file.sync();
    } catch (error) {
      // Never repeated: the kernel may have dropped the pages, and then calls it a success.
      throw this.#finish(error, 'syncing the log');
    }
    this.#unsynced = false;
    this.#durable = { segment: segment.sequence, offset: segment.end };
    // Nothing was written meanwhile, but an accept may have truncated: then this is less than was
    // synced.
    this.#persisted = log.last;
    this.#writeMark();
  }

  #writeMark(clean = false): void {
    const last = must(this.#physical, 'the log is open');
    // While a truncation is not written, the files still hold what it drops: that was never
    // committed.
    const commitHint = Math.min(this.#commitHint, this.#opened.last.index);
    try {
      this.#files.mark.writeNow({ end: this.#durable, last, commitHint, clean });
    } catch (error) {
      // The mark is a hint that may be old, and its blocks exist: a full disk does not need it.
      if (!isDiskFull(error)) throw error;
    }
  }

  /** Zeros over what a full disk cut off: a later crash must not mix two writes. */
  async #cleanDirt(): Promise<void> {
    const { current } = this.#opened;
    if (this.#dirtyEnd <= current.end) return;
    const end = Math.min(this.#dirtyEnd, current.header.size);
    await fillZero(current.file, current.end, end);
    this.#unsynced = true;
    await this.#syncCurrent();
    this.#dirtyEnd = 0;
  }

  async #movePurgeMark(through: Index): Promise<readonly LogSegment[]> {
    this.#throwIfFinished();
    const log = this.#opened;
    const truncating = must(this.#physical, 'the log is open').id.index !== log.last.index;
    const base = log.baseAfterPurge(minIndex(through, this.#persisted.index));
    if (truncating || base.start.segment === log.base.start.segment) return [];
    try {
      await this.#files.base.save(base);
    } catch (error) {
      throw this.#failed(error, 'purging the log');
    }
    this.#cache.purge(base.id.index);
    return log.purge(base);
  }

  /** A file that stays is removed at the next open: it lies before the base. */
  #removeSegment(segment: LogSegment): Promise<void> {
    return segment.remove(this.#disk).catch(() => undefined);
  }

  async #markCleanStop(): Promise<void> {
    // What was written and not synced is no part of the log that the mark calls whole.
    this.#writeMark(!this.#unsynced && this.#dirtyEnd <= this.#opened.current.end);
    await this.#files.mark.sync();
  }

  #throwIfFinished(): void {
    if (this.#failure) throw this.#failure;
  }

  /** A full disk is told and survived; anything else finishes the log. */
  #failed(error: unknown, doing: string): HoldfastError {
    const full = error instanceof HoldfastError ? error.code === 'disk-full' : isDiskFull(error);
    return full && !this.#failure ? toOperatingError(error, doing) : this.#finish(error, doing);
  }

  #finish(error: unknown, doing: string): HoldfastError {
    this.#failure ??= new HoldfastError('unavailable', toOperatingError(error, doing).message, {
      outcome: 'unknown',
      cause: error,
    });
    return this.#failure;
  }
}
