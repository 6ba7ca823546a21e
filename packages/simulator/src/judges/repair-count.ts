// A member that repairs counts for nothing (safety.md 5): from the moment that it says so, no
// leader takes any of its entries for held.
import type { Index, MemberId } from '@holdfast/base/ids';
import { Violation } from './violation.ts';

export type TrackedPeer = {
  readonly id: MemberId;
  readonly match: Index;
  readonly repairing: boolean;
};

export function judgeRepairCount(leader: MemberId, peers: readonly TrackedPeer[]): void {
  const counted = peers.find(({ match, repairing }) => repairing && match > 0);
  if (!counted) return;
  const detail = `leader ${leader} counts ${counted.id} up to ${counted.match}, which repairs`;
  throw new Violation('repair-count', detail);
}
