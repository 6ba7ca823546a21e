// A snapshot that was received in part: which one it is, and how far its blocks can be believed. A
// part is a snapshot file without its end, under a name that tells it from every other snapshot.
// What is found in one is never taken on trust: each block is verified again.
import { equalBytes } from '@holdfast/base/bytes';
import { joinCrc32 } from '@holdfast/base/crc32';
import type { Disk, DiskFile } from './disk.ts';
import { openIfThere } from './file-steps.ts';
import {
  blockDataBytes,
  encodeSnapshotHeader,
  hex,
  type SnapshotHead,
  type StoredSnapshot,
  snapshotName,
} from './snapshot-format.ts';
import { BlockReader } from './snapshot-reader.ts';

const suffix = '.part';

/** Begins with the snapshot's name, so that parts sort as snapshots do. */
export const partName = (snapshot: StoredSnapshot): string =>
  `${snapshotName(snapshot)}.${hex(snapshot.bytes)}-${hex(snapshot.checksum)}${suffix}`;

export const isPartName = (name: string): boolean => name.endsWith(suffix);

/** How far a part can be believed: whole blocks, and the checksum of what is in them. */
export type PartPlace = { readonly blocks: number; readonly checksum: number };

export type OpenedPart = PartPlace & { readonly file: DiskFile };

/** Opens the part under `path`, if it is one of this snapshot; undefined: begin anew. */
export async function openPart(
  disk: Disk,
  path: string,
  wanted: { readonly head: SnapshotHead; readonly imageBytes: number },
): Promise<OpenedPart | undefined> {
  const file = await openIfThere(disk, path);
  if (!file) return undefined;
  try {
    const header = encodeSnapshotHeader(wanted.head);
    if (equalBytes(await file.read(0, header.length), header)) {
      const place = { headerBytes: header.length, imageBytes: wanted.imageBytes };
      return { file, ...(await verifiedBlocks(file, place)) };
    }
  } catch (error) {
    await file.close();
    throw error;
  }
  await file.close();
  return undefined;
}

async function verifiedBlocks(
  file: DiskFile,
  place: { readonly headerBytes: number; readonly imageBytes: number },
): Promise<PartPlace> {
  const reader = new BlockReader(file, place);
  let checksum = 0;
  let blocks = 0;
  while (!reader.isAtEnd) {
    const block = await reader.next();
    // A short last block stands in a part only when its end was under way: it is sent again.
    if (block?.data.length !== blockDataBytes) break;
    checksum = joinCrc32(checksum, block.checksum, blockDataBytes);
    blocks += 1;
  }
  await reader.close();
  return { blocks, checksum };
}
