// Which voters of a configuration answer now: a dial of their peer addresses, as the directory
// knows them. For a tool that is dangerous while a majority is there, and useless.
import { once } from 'node:events';
import { connect } from 'node:net';
import { formatId, type MemberId } from '@holdfast/base/ids';
import { hasQuorum } from '@holdfast/raft/configuration';
import { parseAddress } from '@holdfast/transport/address';

import type { MemberPast } from './member-past.ts';

export type VoterThere = {
  readonly memberId: MemberId;
  readonly name: string;
  /** Undefined: the directory does not say. */
  readonly address: string | undefined;
  /** Undefined for the member whose directory it is. */
  readonly answers: boolean | undefined;
};

/** Whether the cluster decides with those that answer and, where it can vote, this member. */
export function hasMajority(kept: MemberPast, voters: readonly VoterThere[]): boolean {
  const there = new Map(voters.map(({ memberId, answers }) => [memberId, answers]));
  return hasQuorum(kept.configuration, (id) => there.get(id) ?? !kept.isRepairing);
}

/** A machine that is up accepts within milliseconds; one that is dark never says a word. */
const dialMs = 2000;

export function votersThere({
  configuration,
  identity,
  peers,
  store,
}: MemberPast): Promise<readonly VoterThere[]> {
  const { voters, votersOutgoing } = configuration;
  return Promise.all(
    [...new Set([...voters, ...votersOutgoing])].map(async (memberId): Promise<VoterThere> => {
      const place = peers?.members.find((one) => one.memberId === memberId);
      const bound = store.members().find((one) => one.memberId === memberId);
      const address = bound?.peerAddresses[0] ?? place?.peerAddress;
      const isSelf = memberId === identity.memberId;
      const name = isSelf ? identity.name : (place?.name ?? bound?.name ?? formatId(memberId));
      const answers = isSelf ? undefined : address !== undefined && (await accepts(address));
      return { memberId, name, address, answers };
    }),
  );
}

async function accepts(address: string): Promise<boolean> {
  const { host, port } = parseAddress(address);
  const socket = connect(port, host);
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(dialMs) });
    return true;
  } catch {
    return false; // Refused, unreachable or silent: nobody is there.
  } finally {
    socket.destroy();
  }
}
