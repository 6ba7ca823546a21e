// The snapshot image: a frozen state as bytes, and back. Taking one copies nothing but the list of
// slabs, because a record never changes once it is written; the bytes are encoded in slices while
// writes go on. Equal states give equal bytes. The format stands in docs/formats.md, "State image".
import { crc32 } from '@holdfast/base/crc32';
import { HoldfastError } from '@holdfast/base/errors';
import { type Index, index } from '@holdfast/base/ids';
import { BindMemberRequest } from '@holdfast/proto/internal';
import { MemberTable } from './member-table.ts';
import {
  doubleAt,
  type RecordSlab,
  recordBodyAt,
  recordBytes,
  tombstoneBit,
  wordAt,
} from './record-slab.ts';
import { StoreState } from './store-state.ts';
import { TimeIndex } from './time-index.ts';

export const imageFormat = 1;
const imageMagic = 0x49534648; // "HFSI"
const headerBytes = 80;
const footerBytes = 32;
const endMark = 0xffffffff;
const chunkBytes = 256 * 1024;
/** A chunk ends with the record that fills it; only a large one makes it grow. */
const spareBytes = 16 * 1024;
/** Beyond every limit of keys and values: such a length is damage. */
const recordBytesMax = 1 << 28;
const recordsPerSliceMax = 4096;

/** Lets other work run; resolves soon. */
export type YieldNow = () => Promise<void>;

/** How far a slab was written when the image was taken. */
type FrozenSlab = { readonly slab: RecordSlab; readonly used: number };

export class StoreImage {
  readonly appliedIndex: Index;
  readonly stateHash: bigint;
  readonly #revision: number;
  readonly #compactRevision: number;
  readonly #head: Uint8Array;
  readonly #yieldNow: YieldNow;
  #slabs: readonly FrozenSlab[];

  constructor(state: StoreState, yieldNow: YieldNow) {
    this.appliedIndex = index(state.appliedIndex);
    this.stateHash = state.hash.value;
    this.#revision = state.revision;
    this.#compactRevision = state.compactRevision;
    this.#head = encodeHead(state);
    this.#yieldNow = yieldNow;
    const slabs: FrozenSlab[] = [];
    for (let slab = state.heap.first; slab; slab = slab.after) {
      slabs.push({ slab, used: slab.used });
    }
    this.#slabs = slabs;
  }

  /** Lets go of the slabs; chunks() that run go on to their end. */
  release(): void {
    this.#slabs = [];
  }

  /** The image in order, in pieces of about a quarter of a megabyte. */
  async *chunks(): AsyncGenerator<Uint8Array, void, void> {
    const out = new ChunkWriter();
    let records = 0;
    out.write(this.#head);
    for (const { slab, used } of this.#slabs) {
      for (let at = 0; at < used; ) {
        const slice = this.#slice({ slab, used }, at, out);
        at = slice.end;
        records += slice.records;
        if (out.bytes >= chunkBytes) yield out.take();
        await this.#yieldNow();
      }
    }
    out.write(encodeFooter(records, out.total));
    yield out.takeSealed();
  }

  /** Writes records from `from` on until a chunk is full or enough have been looked at. */
  #slice(
    frozen: FrozenSlab,
    from: number,
    out: ChunkWriter,
  ): { readonly end: number; readonly records: number } {
    const { slab, used } = frozen;
    let at = from;
    let records = 0;
    for (let seen = 0; seen < recordsPerSliceMax && at < used; seen += 1) {
      const size = slab.sizeAt(at);
      if (this.#keeps(slab, at)) {
        out.writeRange(slab.bytes, at + recordBodyAt, at + size);
        records += 1;
      }
      at += size;
      if (out.bytes >= chunkBytes) break;
    }
    return { end: at, records };
  }

  /**
   * Whether the frozen state still has the record: StoreState.isCompacted as it was then. What was
   * superseded since then was superseded above the frozen revision, and so not yet for the image.
   */
  #keeps(slab: RecordSlab, at: number): boolean {
    const double = at >>> 3;
    const modRevision = slab.doubles[double + doubleAt.modRevision] as number;
    if (modRevision >= this.#compactRevision) return modRevision <= this.#revision;
    if (((slab.words[(at >>> 2) + wordAt.keyLength] as number) & tombstoneBit) !== 0) return false;
    const superseded = slab.doubles[double + doubleAt.superseded] as number;
    return superseded === 0 || superseded > this.#compactRevision;
  }
}

/** Collects pieces into chunks, and the checksum of all that went through. */
class ChunkWriter {
  #chunk = newChunk(chunkBytes + spareBytes);
  #used = 0;
  #checksum = 0;
  /** Bytes of all chunks, the open one included. */
  total = 0;

  get bytes(): number {
    return this.#used;
  }

  write(piece: Uint8Array): void {
    this.#reserve(piece.length);
    this.#chunk.set(piece, this.#used);
    this.#wrote(piece.length);
  }

  /** Bytes [lo, hi) of `source`, without a view of them. */
  writeRange(source: Buffer, lo: number, hi: number): void {
    this.#reserve(hi - lo);
    source.copy(this.#chunk, this.#used, lo, hi);
    this.#wrote(hi - lo);
  }

  take(): Uint8Array {
    const taken = this.#chunk.subarray(0, this.#used);
    this.#checksum = crc32(taken, this.#checksum);
    this.#chunk = newChunk(chunkBytes + spareBytes);
    this.#used = 0;
    return taken;
  }

  /** The last chunk, its final eight bytes set to the checksum of everything before them. */
  takeSealed(): Uint8Array {
    const taken = this.#chunk.subarray(0, this.#used);
    const sealAt = this.#used - 8;
    const checksum = crc32(taken.subarray(0, sealAt), this.#checksum);
    new DataView(taken.buffer).setUint32(sealAt, checksum, true);
    return taken;
  }

  #reserve(length: number): void {
    if (this.#used + length <= this.#chunk.length) return;
    const grown = newChunk(this.#used + length);
    grown.set(this.#chunk.subarray(0, this.#used));
    this.#chunk = grown;
  }

  #wrote(length: number): void {
    this.#used += length;
    this.total += length;
  }
}

/** Memory of its own: chunks are handed over, and a shared pool would pin what others left in it. */
const newChunk = (length: number): Buffer<ArrayBuffer> => Buffer.from(new ArrayBuffer(length));

function encodeHead(state: StoreState): Uint8Array {
  const members = encodeMembers(state.members);
  const times = state.times.entries;
  const bytes = new Uint8Array(headerBytes + members.length + times.length * 16);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, imageMagic, true);
  view.setUint32(4, imageFormat, true);
  view.setFloat64(8, state.appliedIndex, true);
  view.setFloat64(16, state.revision, true);
  view.setFloat64(24, state.compactRevision, true);
  view.setFloat64(32, state.lastProposedAtMs, true);
  view.setBigUint64(40, state.hash.value, true);
  view.setFloat64(48, state.times.intervalMs, true);
  view.setUint32(56, state.members.clusterVersion, true);
  view.setUint32(60, state.members.members.length, true);
  view.setUint32(64, members.length, true);
  view.setUint32(68, times.length, true);
  view.setUint32(72, crc32(bytes.subarray(0, 72)), true);
  bytes.set(members, headerBytes);
  times.forEach((entry, n) => {
    view.setFloat64(headerBytes + members.length + n * 16, entry.revision, true);
    view.setFloat64(headerBytes + members.length + n * 16 + 8, entry.timeMs, true);
  });
  return bytes;
}

/** Each member as a length and an encoded BindMemberRequest; zeros up to a multiple of 8. */
function encodeMembers(table: MemberTable): Uint8Array {
  const encoded = table.members.map((member) => BindMemberRequest.encode(member).finish());
  const length = encoded.reduce((sum, bytes) => sum + 4 + bytes.length, 0);
  const bytes = new Uint8Array((length + 7) & ~7);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const member of encoded) {
    view.setUint32(at, member.length, true);
    bytes.set(member, at + 4);
    at += 4 + member.length;
  }
  return bytes;
}

function encodeFooter(records: number, bytesBefore: number): Uint8Array {
  const bytes = new Uint8Array(footerBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, endMark, true);
  view.setFloat64(8, records, true);
  view.setFloat64(16, bytesBefore, true);
  return bytes;
}

export type LoadOptions = { readonly yieldNow: YieldNow; readonly slabBytes: number };

/** A state from an image's bytes, however they are cut into chunks. Throws `corrupt`. */
export async function loadImage(
  chunks: AsyncIterable<Uint8Array>,
  options: LoadOptions,
): Promise<StoreState> {
  const input = new ChunkReader(chunks, options.yieldNow);
  const state = await readHead(input, options);
  let records = 0;
  while (true) {
    const count = loadBuffered(input, state);
    records += count;
    if (await atEnd(input)) break;
    await input.need(bodyBytes(input));
  }
  await readFooter(input, { records, state });
  return state;
}

/** Takes in the records that are wholly there; answers how many. */
function loadBuffered(input: ChunkReader, state: StoreState): number {
  let count = 0;
  while (input.available >= 8 && input.uint32(0) !== endMark) {
    const length = bodyBytes(input);
    if (input.available < length) break;
    const body = input.take(length);
    checkRecord(body, state);
    state.load(body);
    count += 1;
  }
  return count;
}

async function atEnd(input: ChunkReader): Promise<boolean> {
  await input.need(8);
  return input.uint32(0) === endMark;
}

/** Length of the record body that begins here; its first eight bytes are there. */
function bodyBytes(input: ChunkReader): number {
  const keyLength = (input.uint32(0) & ~tombstoneBit) >>> 0;
  const valueLength = input.uint32(4);
  check(keyLength + valueLength <= recordBytesMax, 'a record is longer than any can be');
  return recordBytes(keyLength, valueLength) - recordBodyAt;
}

function checkRecord(body: Uint8Array, state: StoreState): void {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const modRevision = view.getFloat64(40 - recordBodyAt, true);
  const next = state.revisions.last + 1;
  const known = modRevision < state.revisions.first ? next === state.revisions.first : true;
  check(
    Number.isSafeInteger(modRevision) && modRevision <= state.revision,
    'a revision is too high',
  );
  const ordered = modRevision >= state.revisions.last || modRevision < state.revisions.first;
  check(known && ordered && modRevision <= next, 'revisions are out of order');
  check(view.getUint32(32 - recordBodyAt, true) !== 0, 'a record has no keyspace');
}

async function readHead(input: ChunkReader, options: LoadOptions): Promise<StoreState> {
  await input.need(headerBytes);
  check(input.uint32(0) === imageMagic, 'it does not begin as a state image');
  const format = input.uint32(4);
  if (format !== imageFormat) {
    throw new HoldfastError(
      'version-mismatch',
      `state image format ${format} is unknown (known: ${imageFormat})`,
    );
  }
  const head = input.take(headerBytes);
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  check(view.getUint32(72, true) === crc32(head.subarray(0, 72)), 'its header is damaged');
  const membersBytes = view.getUint32(64, true);
  const timesCount = view.getUint32(68, true);
  await input.need(membersBytes + timesCount * 16);
  const members = decodeMembers(input.take(membersBytes), view.getUint32(60, true));
  const times = decodeTimes(input.take(timesCount * 16));
  return new StoreState(
    {
      slabBytes: options.slabBytes,
      times: new TimeIndex(times, view.getFloat64(48, true)),
      members: new MemberTable(members, view.getUint32(56, true)),
    },
    {
      appliedIndex: view.getFloat64(8, true),
      revision: view.getFloat64(16, true),
      compactRevision: view.getFloat64(24, true),
      lastProposedAtMs: view.getFloat64(32, true),
      stateHash: view.getBigUint64(40, true),
    },
  );
}

function decodeMembers(bytes: Uint8Array, count: number): BindMemberRequest[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const members: BindMemberRequest[] = [];
  let at = 0;
  for (let n = 0; n < count; n += 1) {
    check(at + 4 <= bytes.length, 'its members are cut short');
    const end = at + 4 + view.getUint32(at, true);
    check(end <= bytes.length, 'its members are cut short');
    members.push(decodeMember(bytes.subarray(at + 4, end)));
    at = end;
  }
  return members;
}

function decodeMember(bytes: Uint8Array): BindMemberRequest {
  try {
    return BindMemberRequest.decode(bytes);
  } catch (cause) {
    // The codec throws plain errors; here they mean damage.
    throw new HoldfastError('corrupt', 'the state image cannot be used: a member is damaged', {
      cause,
    });
  }
}

function decodeTimes(bytes: Uint8Array): { revision: number; timeMs: number }[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 16 }, (_, n) => ({
    revision: view.getFloat64(n * 16, true),
    timeMs: view.getFloat64(n * 16 + 8, true),
  }));
}

async function readFooter(
  input: ChunkReader,
  loaded: { readonly records: number; readonly state: StoreState },
): Promise<void> {
  const bytesBefore = input.consumed;
  await input.need(footerBytes);
  const checksum = input.checksumOf(footerBytes - 8);
  const footer = input.take(footerBytes);
  const view = new DataView(footer.buffer, footer.byteOffset, footer.byteLength);
  check(view.getUint32(footerBytes - 8, true) === checksum, 'its checksum does not fit its bytes');
  check(view.getUint32(footerBytes - 4, true) === 0, 'its last bytes are not zero');
  check(view.getFloat64(8, true) === loaded.records, 'records are missing');
  check(view.getFloat64(16, true) === bytesBefore, 'bytes are missing');
  check(await input.ended(), 'bytes follow its end');
  const { revision, revisions } = loaded.state;
  check(revisions.last === Math.max(revision, revisions.first - 1), 'revisions are missing');
}

function check(holds: boolean, otherwise: string): void {
  if (!holds) throw new HoldfastError('corrupt', `the state image cannot be used: ${otherwise}`);
}

/** Joins chunks where something spans two of them; yields to other work at every chunk. */
class ChunkReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #yieldNow: YieldNow;
  #bytes: Uint8Array = new Uint8Array(0);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;
  /** Up to where #checksum has come. */
  #summedAt = 0;
  #checksum = 0;
  consumed = 0;

  constructor(chunks: AsyncIterable<Uint8Array>, yieldNow: YieldNow) {
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.#yieldNow = yieldNow;
  }

  get available(): number {
    return this.#bytes.length - this.#at;
  }

  /** The number at `offset` from here; its bytes are there. */
  uint32(offset: number): number {
    return this.#view.getUint32(this.#at + offset, true);
  }

  take(length: number): Uint8Array {
    const taken = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    this.consumed += length;
    return taken;
  }

  /** Waits until `length` bytes are there. Throws `corrupt` if the image ends before. */
  async need(length: number): Promise<void> {
    if (this.available >= length) return;
    this.#sumUp();
    const parts = [this.#bytes.subarray(this.#at)];
    for (let have = this.available; have < length; ) {
      const chunk = await this.#next();
      check(chunk !== undefined, 'it ends too early');
      parts.push(chunk as Uint8Array);
      have += (chunk as Uint8Array).length;
    }
    this.#bytes =
      parts.length === 2 && parts[0]?.length === 0 ? (parts[1] as Uint8Array) : joined(parts);
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.length);
    this.#at = 0;
    this.#summedAt = 0;
  }

  /** The checksum of everything up to `length` bytes from here. */
  checksumOf(length: number): number {
    this.#sumUp();
    return crc32(this.#bytes.subarray(this.#at, this.#at + length), this.#checksum);
  }

  async ended(): Promise<boolean> {
    return this.available === 0 && (await this.#next()) === undefined;
  }

  async #next(): Promise<Uint8Array | undefined> {
    await this.#yieldNow();
    const next = await this.#chunks.next();
    return next.done ? undefined : next.value;
  }

  #sumUp(): void {
    this.#checksum = crc32(this.#bytes.subarray(this.#summedAt, this.#at), this.#checksum);
    this.#summedAt = this.#at;
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
