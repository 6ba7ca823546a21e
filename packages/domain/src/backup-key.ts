// Where the cluster keeps what it must know of its backups: in a keyspace of its own, which no door
// shows. Who makes the next one is a claim that hangs on a lease, so that one who dies frees it.
import { toText, utf8 } from '@holdfast/base/bytes';

export const backupKeyspace = 16;

export const backupKeys = {
  /** Held by the member that makes a scheduled backup now. */
  claim: utf8('claim'),
  /** The last scheduled one that was verified. */
  last: utf8('last'),
  /** Written by a restore that goes on at a later revision. */
  restored: utf8('restored'),
} as const;

/** A scheduled backup that stands on a disk, read back and found whole. */
export type BackupRecord = {
  /** By the clock of the member that made it. */
  readonly atMs: number;
  readonly member: string;
  readonly file: string;
  readonly revision: number;
  readonly bytes: number;
};

export const encodeRecord = (record: BackupRecord): Uint8Array => utf8(JSON.stringify(record));

/** Undefined for what is no record: another version's, and then as if there were none. */
export function decodeRecord(value: Uint8Array): BackupRecord | undefined {
  try {
    const { atMs, member, file, revision, bytes } = JSON.parse(toText(value)) as BackupRecord;
    const isOne = [atMs, revision, bytes].every(Number.isFinite);
    return isOne
      ? { atMs, member: String(member), file: String(file), revision, bytes }
      : undefined;
  } catch {
    return undefined; // As it says above.
  }
}
