// The way back from an image's bytes to a state. Whatever is wrong with them is an operating error
// (`corrupt`), found before anybody sees the state; it never breaks an invariant on the way.
import { crc32 } from '@holdfast/base/crc32';
import { HoldfastError } from '@holdfast/base/errors';
import { ChunkReader } from './chunk-reader.ts';
import { readImageEnd } from './image-end.ts';
import {
  checkImage,
  type ImageSection,
  imageEndBytes,
  imageFormat,
  imageHeaderBytes,
  imageHeaderSummedBytes,
  imageMagic,
  type LoadOptions,
  sectionHeaderBytes,
  sectionKinds,
} from './image-format.ts';
import { loadFirstFormat } from './image-loader-v1.ts';
import { ImageTables } from './image-tables.ts';
import { LeaseTable } from './lease-table.ts';
import { MemberTable } from './member-table.ts';
import { countAll } from './quota-count.ts';
import { QuotaTable } from './quota-table.ts';
import { RecordLoader } from './record-loader.ts';
import { recordBytes, recordHeaderBytes, tombstoneBit, wordAt } from './record-slab.ts';
import type { StateHeader } from './state-header.ts';
import { StoreState } from './store-state.ts';
import { TimeIndex } from './time-index.ts';

/** Beyond every limit of keys and values: such a length is damage. */
const recordBytesMax = 1 << 28;

type Loading = {
  readonly input: ChunkReader;
  readonly tables: ImageTables;
  readonly records: RecordLoader;
};

/** A state from an image's bytes, however they are cut into chunks. Throws `corrupt`. */
export async function loadImage(
  chunks: AsyncIterable<Uint8Array>,
  options: LoadOptions,
): Promise<StoreState> {
  const input = new ChunkReader(chunks, options.yieldNow);
  const format = await readFormat(input);
  if (format === 1) return loadFirstFormat(input, options);
  const head = await readHead(input);
  const tables = new ImageTables();
  const records = new RecordLoader(head, options);
  await readSections({ input, tables, records });
  checkImage(records.isComplete, 'revisions or keys are missing');
  const state = new StoreState(
    {
      records: await records.finish(),
      times: new TimeIndex(tables.times, head.timesIntervalMs),
      members: new MemberTable(tables.members, head.clusterVersion),
      leases: new LeaseTable(tables.leases),
      sessions: tables.sessions,
      quotas: new QuotaTable(tables.quotas),
    },
    head,
  );
  await countAll(state, options.yieldNow);
  return state;
}

async function readFormat(input: ChunkReader): Promise<number> {
  await input.need(imageHeaderBytes);
  checkImage(input.uint32(0) === imageMagic, 'it does not begin as a state image');
  const format = input.uint32(4);
  if (format >= 1 && format <= imageFormat) return format;
  throw new HoldfastError(
    'version-mismatch',
    `state image format ${format} is unknown (known: 1 to ${imageFormat})`,
  );
}

type Head = StateHeader & { readonly timesIntervalMs: number; readonly clusterVersion: number };

async function readHead(input: ChunkReader): Promise<Head> {
  const head = input.take(imageHeaderBytes);
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const checksum = crc32(head.subarray(0, imageHeaderSummedBytes));
  checkImage(view.getUint32(imageHeaderSummedBytes, true) === checksum, 'its header is damaged');
  return {
    appliedIndex: view.getFloat64(8, true),
    revision: view.getFloat64(16, true),
    compactRevision: view.getFloat64(24, true),
    lastProposedAtMs: view.getFloat64(32, true),
    stateHash: view.getBigUint64(40, true),
    timesIntervalMs: view.getFloat64(48, true),
    clusterVersion: view.getUint32(56, true),
  };
}

async function readSections(loading: Loading): Promise<void> {
  const { input, records } = loading;
  let kindBefore = 0;
  while (true) {
    const bytesBefore = input.consumed;
    const section = await readSectionHeader(input);
    checkImage(section.kind >= kindBefore, 'its sections are out of order');
    kindBefore = section.kind;
    if (section.kind === sectionKinds.end) {
      checkImage(section.payloadBytes === imageEndBytes, 'its end is damaged');
      return readImageEnd(input, { records: records.records, bytesBefore });
    }
    if (section.kind === sectionKinds.records) await readRecords(loading, section);
    else await readWhole(loading, section);
  }
}

type SectionHeader = Omit<ImageSection, 'payload'> & { readonly payloadBytes: number };

async function readSectionHeader(input: ChunkReader): Promise<SectionHeader> {
  await input.need(sectionHeaderBytes);
  const section = {
    kind: input.uint32(0),
    items: input.uint32(4),
    payloadBytes: input.uint32(8),
  };
  checkImage(input.uint32(12) === 0, 'a section begins with damage');
  checkImage(section.payloadBytes % 8 === 0, 'a section has an odd length');
  checkImage(section.payloadBytes <= recordBytesMax, 'a section is longer than any can be');
  input.take(sectionHeaderBytes);
  return section;
}

async function readWhole(
  { input, tables, records }: Loading,
  header: SectionHeader,
): Promise<void> {
  await input.need(header.payloadBytes);
  const { kind, items } = header;
  const payload = input.take(header.payloadBytes);
  if (kind === sectionKinds.order) records.takeOrder({ kind, items, payload });
  // Tables keep views of their bytes.
  else if (!tables.take({ kind, items, payload: payload.slice() })) throw unknownSection(kind);
}

const unknownSection = (kind: number): HoldfastError =>
  new HoldfastError(
    'version-mismatch',
    `the state image has a section of kind ${kind}, which this version does not know`,
  );

/** Takes records in as they come, without waiting for the whole section. */
async function readRecords({ input, records }: Loading, header: SectionHeader): Promise<void> {
  const recordsBefore = records.records;
  let left = header.payloadBytes;
  while (left > 0) {
    checkImage(left >= recordHeaderBytes, 'a record is cut short');
    await input.need(recordHeaderBytes);
    const size = sizeAt(input, 0);
    checkImage(size <= left, 'a record leaves its section');
    await input.need(size);
    const slab = records.roomFor(size);
    const run = input.take(runBytes(input, Math.min(left, input.available, slab.free)));
    records.take(slab, run);
    left -= run.length;
  }
  checkImage(records.records - recordsBefore === header.items, 'records are missing');
}

/** How many of the next `bytesMax` bytes are whole records. */
function runBytes(input: ChunkReader, bytesMax: number): number {
  let bytes = 0;
  while (bytes + recordHeaderBytes <= bytesMax) {
    const size = sizeAt(input, bytes);
    if (bytes + size > bytesMax) break;
    bytes += size;
  }
  return bytes;
}

/** Bytes of the record that begins `offset` from here; its header is there. */
function sizeAt(input: ChunkReader, offset: number): number {
  const keyLength = (input.uint32(offset + wordAt.keyLength * 4) & ~tombstoneBit) >>> 0;
  const valueLength = input.uint32(offset + wordAt.valueLength * 4);
  checkImage(keyLength + valueLength <= recordBytesMax, 'a record is longer than any can be');
  return recordBytes(keyLength, valueLength);
}
