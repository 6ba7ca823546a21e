// What stands between simulated members, as two kinds of network offer it: message-network.ts loses
// and reorders single messages, stream-network.ts carries the bytes of the production transport.
import type { MemberId } from '@holdfast/base/ids';
import type { Random } from '@holdfast/base/random';
import type { Message } from '@holdfast/raft/message';
import type { MemberIdentity, PeerTransport } from '@holdfast/replica/ports';
import type { CrashKind } from './fault.ts';
import type { LinkWeather } from './link-weather.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** One boot's process, as it joins. */
export type Joining = {
  readonly identity: MemberIdentity;
  readonly name: string;
  /** Whom it knows as it starts. */
  readonly peers: readonly MemberId[];
  readonly clock: VirtualClock;
  readonly random: Random;
  /** Whether this data directory may speak for that member (safety.md 15). */
  readonly acceptsStore: (member: MemberId, storeId: bigint) => boolean;
  /** Of every message as it leaves. */
  readonly onSent: (message: Message) => void;
};

export type Joined = {
  readonly transport: PeerTransport;
  /** The process is gone; of a process that dies its machine still speaks, of a dark one nobody. */
  readonly die: (how: CrashKind) => void;
  /** Whom it keeps connections to, from now on. */
  readonly setPeers: (peers: readonly MemberId[]) => void;
  /** What `acceptsStore` answers may have changed. */
  readonly judgeAgain: () => void;
};

export interface MemberNetwork {
  join(joining: Joining): Joined;
  /** It belongs to the cluster no more: nobody owes it a connection, whatever it does itself. */
  dismiss(member: MemberId): void;
  /** Frames or pieces that have arrived. */
  readonly arrivedCount: number;
  /** What is amiss with the links between the members now, in sentences. */
  readonly broken: readonly string[];
}

/** What faults do to the wires. */
export interface FaultyNetwork {
  weather: LinkWeather;
  /** Nothing passes from `from` to `to` any more; the other direction is untouched. */
  cut(from: MemberId, to: MemberId): void;
  heal(from: MemberId, to: MemberId): void;
  healAll(): void;
  /** What goes from `from` to `to` takes so much longer; 0: as everything else. */
  slowDown(from: MemberId, to: MemberId, byMs: number): void;
  /** The connections of a pair end, as a firewall or an operator ends them. */
  reset(a: MemberId, b: MemberId): void;
}

export const nameOf = (id: MemberId): string => `n${id}`;
export const addressOf = (id: MemberId): string => `n${id}:4654`;
