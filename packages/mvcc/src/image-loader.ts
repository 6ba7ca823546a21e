// The way back from an image's bytes to a state. Whatever is wrong with them is an operating error
// (`corrupt`), found before anybody sees the state; it never breaks an invariant on the way.
import { crc32 } from '@holdfast/base/crc32';
import { HoldfastError } from '@holdfast/base/errors';
import { BindMemberRequest } from '@holdfast/proto/internal';
import {
  imageEndMark,
  imageFooterBytes,
  imageFormat,
  imageHeaderBytes,
  imageHeaderSummedBytes,
  imageMagic,
  type YieldNow,
} from './image-format.ts';
import { MemberTable } from './member-table.ts';
import { recordBodyAt, recordBytes, tombstoneBit } from './record-slab.ts';
import { StoreState } from './store-state.ts';
import { TimeIndex } from './time-index.ts';

/** Beyond every limit of keys and values: such a length is damage. */
const recordBytesMax = 1 << 28;

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
  while (input.available >= 8 && input.uint32(0) !== imageEndMark) {
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
  return input.uint32(0) === imageEndMark;
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
  await input.need(imageHeaderBytes);
  check(input.uint32(0) === imageMagic, 'it does not begin as a state image');
  const format = input.uint32(4);
  if (format !== imageFormat) {
    throw new HoldfastError(
      'version-mismatch',
      `state image format ${format} is unknown (known: ${imageFormat})`,
    );
  }
  const head = input.take(imageHeaderBytes);
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  check(
    view.getUint32(imageHeaderSummedBytes, true) ===
      crc32(head.subarray(0, imageHeaderSummedBytes)),
    'its header is damaged',
  );
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
  await input.need(imageFooterBytes);
  const checksum = input.checksumOf(imageFooterBytes - 8);
  const footer = input.take(imageFooterBytes);
  const view = new DataView(footer.buffer, footer.byteOffset, footer.byteLength);
  check(
    view.getUint32(imageFooterBytes - 8, true) === checksum,
    'its checksum does not fit its bytes',
  );
  check(view.getUint32(imageFooterBytes - 4, true) === 0, 'its last bytes are not zero');
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
