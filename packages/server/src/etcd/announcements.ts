// The members that clients of etcd's API have announced, in the replicated state: who they are
// known as, and whether they have come. Every change is a transaction on what was read, so that two
// who announce one address do not both succeed.
import {
  type AnnouncedMember,
  allAnnouncements,
  announcementKey,
  decodeAnnouncement,
  encodeAnnouncement,
} from '@holdfast/domain/announced-member';
import {
  compareModRevision,
  deleteOperation,
  putOperation,
  rangeRequest,
  txnRequest,
} from '@holdfast/domain/requests';
import type { Engine, PeerStatus, ReadOptions, WriteOptions } from '@holdfast/engine/engine';

/** As it was read. */
export type KeptAnnouncement = AnnouncedMember & {
  /** Of the newest of its keys. */
  readonly modRevision: number;
};

type AnnouncingEngine = Pick<Engine, 'range' | 'txn'>;

/** Each once, whatever its addresses are. */
export async function readAnnouncements(
  engine: AnnouncingEngine,
  options: ReadOptions,
): Promise<readonly KeptAnnouncement[]> {
  const { body } = await engine.range(rangeRequest(allAnnouncements), options);
  const byId = new Map<bigint, KeptAnnouncement>();
  for (const { value, modRevision } of body.kvs) {
    const announced = decodeAnnouncement(value);
    if (announced) byId.set(announced.id, { ...announced, modRevision });
  }
  return [...byId.values()];
}

export type AnnouncementChange = {
  /** What goes: as it was read. */
  readonly before: readonly KeptAnnouncement[];
  readonly after?: AnnouncedMember;
};

/** All of it or nothing; false: somebody else was faster. */
export async function changeAnnouncements(
  engine: AnnouncingEngine,
  { before, after }: AnnouncementChange,
  options: WriteOptions,
): Promise<boolean> {
  const known = new Map(
    before.flatMap(({ peerAddresses, modRevision }) =>
      peerAddresses.map((address) => [address, modRevision] as const),
    ),
  );
  const kept = after?.peerAddresses ?? [];
  const gone = [...known.keys()].filter((address) => !kept.includes(address));
  const request = txnRequest({
    compare: [...new Set([...known.keys(), ...kept])].map((address) =>
      compareModRevision(announcementKey(address), '=', known.get(address) ?? 0),
    ),
    success: [
      ...gone.map((address) => deleteOperation(announcementKey(address))),
      ...kept.map((address) =>
        putOperation(announcementKey(address), encodeAnnouncement(after as AnnouncedMember)),
      ),
    ],
  });
  return (await engine.txn(request, options)).body.succeeded;
}

/** Nobody has come from its addresses. */
export const isAwaited = (
  { memberId, peerAddresses }: AnnouncedMember,
  peers: readonly PeerStatus[],
): boolean => memberId === 0n && !peers.some((peer) => isAt(peer, peerAddresses));

/** The member that came of it, if it is still one. */
export const memberOf = (
  { memberId, peerAddresses }: AnnouncedMember,
  peers: readonly PeerStatus[],
): PeerStatus | undefined =>
  memberId === 0n
    ? peers.find((peer) => isAt(peer, peerAddresses))
    : peers.find((peer) => peer.memberId === memberId);

export const isAt = (peer: PeerStatus, addresses: readonly string[]): boolean =>
  peer.peerAddresses.some((address) => addresses.includes(address));

const triesMax = 5;

/**
 * A machine has joined from that address: whoever announced it finds it under both ids. Answers
 * whether it is not to vote by itself. May be asked again.
 */
export async function fulfilAnnouncement(
  engine: AnnouncingEngine,
  newcomer: { readonly memberId: bigint; readonly peerAddress: string },
  options: WriteOptions,
): Promise<boolean> {
  const { memberId, peerAddress } = newcomer;
  for (let tries = 0; tries < triesMax; tries += 1) {
    const all = await readAnnouncements(engine, options);
    const found = all.find(({ peerAddresses }) => peerAddresses.includes(peerAddress));
    if (!found || found.memberId === memberId) return found?.isLearner ?? false;
    // Of one that came and went: this is another machine.
    if (found.memberId !== 0n) return false;
    const { modRevision: _, ...announced } = found;
    const change = { before: [found], after: { ...announced, memberId } };
    if (await changeAnnouncements(engine, change, options)) return found.isLearner;
  }
  return false;
}
