// A file that a later version of Holdfast would have written.
import { readFileSync, writeFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';

/** Both copies of a twin file (docs/formats.md) get a version that nobody has written yet. */
export function raiseVersion(file: string): void {
  const bytes = readFileSync(file);
  for (const at of [0, 4096]) {
    const payloadBytes = bytes.readUInt32LE(at + 12);
    bytes.writeUInt16LE(99, at + 8);
    bytes.writeUInt32LE(crc32(bytes.subarray(at + 4, at + 24 + payloadBytes)), at);
  }
  writeFileSync(file, bytes);
}
