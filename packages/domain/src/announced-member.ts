// Machines that a client of etcd's API has announced before they join: etcd takes a member in by
// its address alone, and a machine of Holdfast asks for that itself, under an id of its own. They
// stand in a keyspace of their own, which no door shows, each under every address that it may come
// from.
import { toText, utf8 } from '@holdfast/base/bytes';

import type { KeyRange } from './requests.ts';

export type AnnouncedMember = {
  /** What the client knows it by. */
  readonly id: bigint;
  /** HOST:PORT as members will reach it. */
  readonly peerAddresses: readonly string[];
  /** It is not to vote by itself. */
  readonly isLearner: boolean;
  /** Under which id it has joined; 0: not yet. */
  readonly memberId: bigint;
};

const keyspace = 18;

export const announcementKey = (peerAddress: string): KeyRange => ({
  keyspace,
  key: utf8(peerAddress),
});

const zero = new Uint8Array(1);

export const allAnnouncements: KeyRange = { keyspace, key: zero, rangeEnd: zero };

export function encodeAnnouncement(announced: AnnouncedMember): Uint8Array {
  const { id, peerAddresses, isLearner, memberId } = announced;
  const text = { id: `${id}`, peerAddresses, isLearner, memberId: `${memberId}` };
  return utf8(JSON.stringify(text));
}

/** Undefined for what is none: another version's, and then as if it were not there. */
export function decodeAnnouncement(value: Uint8Array): AnnouncedMember | undefined {
  try {
    const read = JSON.parse(toText(value)) as Record<keyof AnnouncedMember, unknown>;
    const { id, peerAddresses, isLearner, memberId } = read;
    if (!Array.isArray(peerAddresses)) return undefined;
    return {
      id: BigInt(String(id)),
      peerAddresses: peerAddresses.map(String),
      isLearner: isLearner === true,
      memberId: BigInt(String(memberId)),
    };
  } catch {
    return undefined; // As it says above.
  }
}
