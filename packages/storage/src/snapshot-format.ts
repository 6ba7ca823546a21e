// The bytes of a snapshot file: a header that says what it covers, numbered and checksummed blocks,
// and a footer with the totals (docs/formats.md). Pure; the files are snapshot-files.ts's.
import { crc32, joinCrc32 } from '@holdfast/base/crc32';
import { index, term } from '@holdfast/base/ids';
import { decodeConfiguration, encodeConfiguration } from '@holdfast/raft/configuration';
import type { SnapshotMeta } from '@holdfast/raft/message';
import { getCounter, putCounter, viewOf } from './byte-codec.ts';
import { checkVersion } from './twin-file.ts';

/** What is stored of a snapshot beside its image; `bytes` and `checksum` are the image's alone. */
export type StoredSnapshot = SnapshotMeta & {
  readonly bytes: number;
  readonly stateHash: bigint;
  /** CRC-32 of the whole image. */
  readonly checksum: number;
};

//  0 u32 crc of 4 to the end   4 u32 magic   8 u16 format version   10 u16 zero
// 12 u32 configuration length   16 u64 group id   24 u64 last index   32 u64 last term
// 40 u64 state hash   48 configuration
const headerFixedBytes = 48;
const headerMagic = 0x504e5348; // "HSNP"
const version = 1;

export type SnapshotHead = {
  readonly meta: SnapshotMeta;
  readonly stateHash: bigint;
  readonly groupId: number;
};

export function encodeSnapshotHeader({ meta, stateHash, groupId }: SnapshotHead): Uint8Array {
  const configuration = encodeConfiguration(meta.configuration);
  const bytes = new Uint8Array(headerFixedBytes + configuration.length);
  const view = viewOf(bytes);
  view.setUint32(4, headerMagic, true);
  view.setUint16(8, version, true);
  view.setUint32(12, configuration.length, true);
  putCounter(view, 16, groupId);
  putCounter(view, 24, meta.last.index);
  putCounter(view, 32, meta.last.term);
  view.setBigUint64(40, stateHash, true);
  bytes.set(configuration, headerFixedBytes);
  view.setUint32(0, crc32(bytes.subarray(4)), true);
  return bytes;
}

/** Bytes that are enough to hold any header: a configuration of some thousand members. */
export const snapshotHeaderBytesMax = 64 * 1024;

/** The header and its length, or undefined if damaged; throws `version-mismatch`. */
export function decodeSnapshotHeader(
  bytes: Uint8Array,
): (SnapshotHead & { readonly headerBytes: number }) | undefined {
  if (bytes.length < headerFixedBytes) return undefined;
  const view = viewOf(bytes);
  const end = headerFixedBytes + view.getUint32(12, true);
  if (view.getUint32(4, true) !== headerMagic || end > bytes.length) return undefined;
  if (crc32(bytes.subarray(4, end)) !== view.getUint32(0, true)) return undefined;
  checkVersion('snapshot', view.getUint16(8, true), version);
  return {
    groupId: getCounter(view, 16),
    meta: {
      last: { index: index(getCounter(view, 24)), term: term(getCounter(view, 32)) },
      configuration: decodeConfiguration(bytes.subarray(headerFixedBytes, end)),
    },
    stateHash: view.getBigUint64(40, true),
    headerBytes: end,
  };
}

//  0 u32 crc of 4 to the end   4 u32 length of the data   8 u32 number of the block   12 data
export const blockHeaderBytes = 12;
/** Data of one block; only the last may be shorter. */
export const blockDataBytes = 256 * 1024;
export const blockStrideBytes = blockHeaderBytes + blockDataBytes;

/** Fills in the header of a block whose data lies behind it; answers the checksum of the data. */
export function sealBlock(bytes: Uint8Array, number: number): number {
  const view = viewOf(bytes);
  const data = bytes.subarray(blockHeaderBytes);
  const checksum = crc32(data);
  view.setUint32(4, data.length, true);
  view.setUint32(8, number, true);
  const head = crc32(bytes.subarray(4, blockHeaderBytes));
  view.setUint32(0, joinCrc32(head, checksum, data.length), true);
  return checksum;
}

export type OpenedBlock = {
  readonly data: Uint8Array;
  /** Of the data alone; summed up once, together with the block's own. */
  readonly checksum: number;
};

/** The block, or undefined if it is not intact block `number`. */
export function openBlock(bytes: Uint8Array, number: number): OpenedBlock | undefined {
  if (bytes.length < blockHeaderBytes) return undefined;
  const view = viewOf(bytes);
  const data = bytes.subarray(blockHeaderBytes);
  const checksum = crc32(data);
  const head = crc32(bytes.subarray(4, blockHeaderBytes));
  const intact =
    joinCrc32(head, checksum, data.length) === view.getUint32(0, true) &&
    view.getUint32(4, true) === data.length &&
    view.getUint32(8, true) === number;
  return intact ? { data, checksum } : undefined;
}

//  0 u32 crc of 4 to 32   4 u32 magic   8 u64 image bytes   16 u32 crc of the whole image
// 20 u32 crc of the header   24 u64 blocks
export const footerBytes = 32;
const footerMagic = 0x444e4548; // "HEND"

/** Whether bytes that follow a block begin a footer; no block has so many bytes of data. */
export const beginsFooter = (bytes: Uint8Array): boolean =>
  viewOf(bytes).getUint32(4, true) === footerMagic;

export type SnapshotFooter = {
  readonly imageBytes: number;
  readonly imageCrc: number;
  /** Ties the footer to its header: no two halves of different snapshots make a whole one. */
  readonly headerCrc: number;
  readonly blocks: number;
};

export function encodeSnapshotFooter(footer: SnapshotFooter): Uint8Array {
  const bytes = new Uint8Array(footerBytes);
  const view = viewOf(bytes);
  view.setUint32(4, footerMagic, true);
  putCounter(view, 8, footer.imageBytes);
  view.setUint32(16, footer.imageCrc, true);
  view.setUint32(20, footer.headerCrc, true);
  putCounter(view, 24, footer.blocks);
  view.setUint32(0, crc32(bytes.subarray(4)), true);
  return bytes;
}

export function decodeSnapshotFooter(bytes: Uint8Array): SnapshotFooter | undefined {
  if (bytes.length !== footerBytes) return undefined;
  const view = viewOf(bytes);
  if (view.getUint32(4, true) !== footerMagic) return undefined;
  if (crc32(bytes.subarray(4)) !== view.getUint32(0, true)) return undefined;
  return {
    imageBytes: getCounter(view, 8),
    imageCrc: view.getUint32(16, true),
    headerCrc: view.getUint32(20, true),
    blocks: getCounter(view, 24),
  };
}

/** How long a file with such a header and image is. */
export function snapshotFileBytes(headerBytes: number, imageBytes: number): number {
  const blocks = Math.ceil(imageBytes / blockDataBytes);
  return headerBytes + imageBytes + blocks * blockHeaderBytes + footerBytes;
}

const suffix = '.snap';
export const hex = (value: number): string => value.toString(16).padStart(16, '0');

/** Names sort by age: index first, then term. */
export const snapshotName = ({ last }: SnapshotMeta): string =>
  `${hex(last.index)}-${hex(last.term)}${suffix}`;

export const isSnapshotName = (name: string): boolean =>
  /^[0-9a-f]{16}-[0-9a-f]{16}\.snap$/.test(name);
