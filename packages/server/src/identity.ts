// The ids of a cluster and its members, derived from what the operator wrote, so that all members
// agree on them without a word to each other. The same inputs give the same ids for ever.
import { createHash } from 'node:crypto';

import {
  type ClusterId,
  clusterId,
  type MemberId,
  memberId,
  type StoreId,
} from '@holdfast/base/ids';

import type { MemberAddress } from './setting-sources.ts';

/** From the token if there is one, else from the names and peer addresses in order of the names. */
export function deriveClusterId(
  members: readonly MemberAddress[],
  token: string | undefined,
): ClusterId {
  if (token !== undefined) return clusterId(digest(['cluster-token', token]));
  const lines = members.map(({ name, address }) => `${name}=${address}`).sort();
  return clusterId(digest(['cluster', ...lines]));
}

export const deriveMemberId = (cluster: ClusterId, name: string): MemberId =>
  memberId(digest(['member', cluster.toString(16), name]));

/** Of a member that joins later: another one for each data directory, as no id comes twice. */
export const deriveJoinedId = (cluster: ClusterId, store: StoreId): MemberId =>
  memberId(digest(['joined', cluster.toString(16), store.toString(16)]));

/** The first 64 bits of a SHA-256 over the parts, each ended by a zero byte; never zero. */
function digest(parts: readonly string[]): bigint {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`holdfast ${part}\0`);
  const value = hash.digest().readBigUInt64BE(0);
  return value === 0n ? 1n : value;
}
