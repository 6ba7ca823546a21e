// The bytes of a backup file, which are also those that a member sends (docs/formats.md): a header
// that says whose state it is and of which moment, then the blocks and the footer of a snapshot
// file. Pure; who writes, sends and reads them is elsewhere.
import { toText, utf8 } from '@holdfast/base/bytes';
import { crc32 } from '@holdfast/base/crc32';
import {
  type ClusterId,
  clusterId,
  index,
  type MemberId,
  memberId,
  term,
} from '@holdfast/base/ids';
import type { LogId } from '@holdfast/raft/entry';
import { getCounter, putCounter, viewOf } from './byte-codec.ts';
import { checkVersion } from './twin-file.ts';

/** Whose state a backup holds, and of which moment. */
export type BackupHead = {
  readonly clusterId: ClusterId;
  /** Who made it. */
  readonly memberId: MemberId;
  /** Kinds of entries up to this version may have formed the state. */
  readonly clusterVersion: number;
  readonly revision: number;
  readonly last: LogId;
  readonly stateHash: bigint;
  /** By the clock of the member that made it. */
  readonly createdAtMs: number;
  /** Bytes of all records: about as many as the whole file has. For progress alone. */
  readonly storeBytes: number;
  /** Of Holdfast. */
  readonly version: string;
};

//  0 u32 crc of 4 to the end   4 u32 magic   8 u16 format version   10 u16 zero
// 12 u32 bytes of the header   16 u64 cluster id   24 u64 member id   32 u32 cluster version
// 36 u32 zero   40 u64 revision   48 u64 last index   56 u64 last term   64 u64 state hash
// 72 u64 created at   80 u64 store bytes   88 version (UTF-8)
// Bytes 0 to 15 mean the same in every format: a newer file is told from a damaged one.
const fixedBytes = 88;
const magic = 0x4b414248; // "HBAK"
const plainVersion = 1;
/** The same with a seal behind it (backup-seal.ts). */
const sealedVersion = 2;

/** Of a header: what says how long it is. */
export const backupPrefixBytes = 16;
/** Longer than any that was ever written. */
const headerBytesMax = 4096;

export function encodeBackupHeader(head: BackupHead, isSealed = false): Uint8Array {
  const version = utf8(head.version);
  const bytes = new Uint8Array(fixedBytes + version.length);
  const view = viewOf(bytes);
  view.setUint32(4, magic, true);
  view.setUint16(8, isSealed ? sealedVersion : plainVersion, true);
  view.setUint32(12, bytes.length, true);
  view.setBigUint64(16, head.clusterId, true);
  view.setBigUint64(24, head.memberId, true);
  view.setUint32(32, head.clusterVersion, true);
  putCounter(view, 40, head.revision);
  putCounter(view, 48, head.last.index);
  putCounter(view, 56, head.last.term);
  view.setBigUint64(64, BigInt.asUintN(64, head.stateHash), true);
  putCounter(view, 72, Math.max(0, Math.floor(head.createdAtMs)));
  putCounter(view, 80, head.storeBytes);
  bytes.set(version, fixedBytes);
  view.setUint32(0, crc32(bytes.subarray(4)), true);
  return bytes;
}

/** Whether the bytes begin as a backup does; there are `backupPrefixBytes` of them. */
export const isBackupPrefix = (bytes: Uint8Array): boolean =>
  bytes.length >= backupPrefixBytes && viewOf(bytes).getUint32(4, true) === magic;

/** How long the header is that begins so; undefined: no header is. */
export function backupHeaderBytes(prefix: Uint8Array): number | undefined {
  const bytes = viewOf(prefix).getUint32(12, true);
  return bytes >= backupPrefixBytes && bytes <= headerBytesMax ? bytes : undefined;
}

/** Whether a seal follows, by a header that is whole. */
export const isSealed = (header: Uint8Array): boolean =>
  viewOf(header).getUint16(8, true) === sealedVersion;

/** The head, or undefined if it is damaged; throws `version-mismatch` for a newer format. */
export function decodeBackupHeader(bytes: Uint8Array): BackupHead | undefined {
  const view = viewOf(bytes);
  if (crc32(bytes.subarray(4)) !== view.getUint32(0, true)) return undefined;
  const version = view.getUint16(8, true);
  checkVersion('backup', version, version === plainVersion ? plainVersion : sealedVersion);
  if (bytes.length < fixedBytes) return undefined;
  return {
    clusterId: clusterId(view.getBigUint64(16, true)),
    memberId: memberId(view.getBigUint64(24, true)),
    clusterVersion: view.getUint32(32, true),
    revision: getCounter(view, 40),
    last: { index: index(getCounter(view, 48)), term: term(getCounter(view, 56)) },
    stateHash: view.getBigUint64(64, true),
    createdAtMs: getCounter(view, 72),
    storeBytes: getCounter(view, 80),
    version: toText(bytes.subarray(fixedBytes)),
  };
}
