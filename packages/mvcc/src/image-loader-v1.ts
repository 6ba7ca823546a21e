// Reads images of format 1, which the first releases wrote: records one by one, without links and
// without the order of the keys, so that each key is looked up and sorted in. Slow, and read only
// once: the next snapshot of the member has the present format.
import { crc32 } from '@holdfast/base/crc32';
import type { ChunkReader } from './chunk-reader.ts';
import { readImageEnd } from './image-end.ts';
import {
  checkImage,
  imageHeaderBytes,
  imageHeaderSummedBytes,
  type LoadOptions,
} from './image-format.ts';
import { decodeMembers, decodeTimes } from './image-tables.ts';
import { MemberTable } from './member-table.ts';
import { recordBodyAt, recordBytes, tombstoneBit } from './record-slab.ts';
import { StoreState } from './store-state.ts';
import { TimeIndex } from './time-index.ts';

/** Stands where a key length would: no more records follow. Four zeros come after it. */
const endMark = 0xffffffff;
const endMarkBytes = 8;
/** Beyond every limit of keys and values: such a length is damage. */
const recordBytesMax = 1 << 28;

/** The state; its header has been looked at, and not been taken yet. Throws `corrupt`. */
export async function loadFirstFormat(
  input: ChunkReader,
  options: LoadOptions,
): Promise<StoreState> {
  const state = await readHead(input, options);
  let records = 0;
  while (true) {
    records += loadBuffered(input, state);
    await input.need(8);
    if (input.uint32(0) === endMark) break;
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

/** Length of the record body that begins here; its first eight bytes are there. */
function bodyBytes(input: ChunkReader): number {
  const keyLength = (input.uint32(0) & ~tombstoneBit) >>> 0;
  const valueLength = input.uint32(4);
  checkImage(keyLength + valueLength <= recordBytesMax, 'a record is longer than any can be');
  return recordBytes(keyLength, valueLength) - recordBodyAt;
}

function checkRecord(body: Uint8Array, state: StoreState): void {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const modRevision = view.getFloat64(40 - recordBodyAt, true);
  const next = state.revisions.last + 1;
  const known = modRevision < state.revisions.first ? next === state.revisions.first : true;
  checkImage(
    Number.isSafeInteger(modRevision) && modRevision <= state.revision,
    'a revision is too high',
  );
  const ordered = modRevision >= state.revisions.last || modRevision < state.revisions.first;
  checkImage(known && ordered && modRevision <= next, 'revisions are out of order');
  checkImage(view.getUint32(32 - recordBodyAt, true) !== 0, 'a record has no keyspace');
}

async function readHead(input: ChunkReader, options: LoadOptions): Promise<StoreState> {
  const head = input.take(imageHeaderBytes).slice(); // Read on when more bytes have come.
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const checksum = crc32(head.subarray(0, imageHeaderSummedBytes));
  checkImage(view.getUint32(imageHeaderSummedBytes, true) === checksum, 'its header is damaged');
  const membersBytes = view.getUint32(64, true);
  const timesCount = view.getUint32(68, true);
  await input.need(membersBytes + timesCount * 16);
  const members = decodeMembers(input.take(membersBytes).slice(), view.getUint32(60, true));
  const times = decodeTimes(input.take(timesCount * 16), timesCount);
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

async function readFooter(
  input: ChunkReader,
  loaded: { readonly records: number; readonly state: StoreState },
): Promise<void> {
  const bytesBefore = input.consumed;
  input.take(endMarkBytes);
  await readImageEnd(input, { records: loaded.records, bytesBefore });
  const { revision, revisions } = loaded.state;
  checkImage(revisions.last === Math.max(revision, revisions.first - 1), 'revisions are missing');
}
