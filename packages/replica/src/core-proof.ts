// What a recording notes of a core now and then, and a replay must come to again: where it stands,
// and when it wants to be told that time has passed, which every timer and random number is behind.
import { utf8 } from '@holdfast/base/bytes';
import { crc32 } from '@holdfast/base/crc32';
import type { Raft } from '@holdfast/raft/raft';
import { toTaggedJson } from './tagged-json.ts';

export type CoreProof = { readonly crc: number; readonly words: string };

export function proveCore(raft: Pick<Raft, 'status' | 'describe' | 'nextTickMs'>): CoreProof {
  const { nextTickMs } = raft;
  const words = `${raft.describe()} tick=${nextTickMs.toFixed(3)}`;
  return { crc: crc32(utf8(toTaggedJson({ status: raft.status(), nextTickMs }))), words };
}
