// The production transport between simulated members: dials, handshakes, frames, pings, health and
// snapshot streams as on sockets, over links that are ordered streams of bytes. A stream loses
// nothing in its middle: what is lost is late, with all that follows it, or ends the connection.
import type { Clock } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';
import type { MemberId } from '@holdfast/base/ids';
import { pick, type Random } from '@holdfast/base/random';
import { TcpPeerTransport } from '@holdfast/engine/peer-transport';
import type { Link, LinkHandler, LinkNetwork } from '@holdfast/transport/link';
import { MemoryNetwork } from '@holdfast/transport/memory-link';
import type { EventQueue } from './event-queue.ts';
import type { CrashKind } from './fault.ts';
import { brokenLinks } from './judges/healed-links.ts';
import { calmWeather, type LinkWeather } from './link-weather.ts';
import {
  addressOf,
  type FaultyNetwork,
  type Joined,
  type Joining,
  type MemberNetwork,
  nameOf,
} from './member-network.ts';
import type { VirtualClock } from './virtual-clock.ts';

export type StreamNetworkOptions = {
  readonly queue: EventQueue;
  readonly random: Random;
  readonly members: readonly MemberId[];
};

/** What TCP lost it sends again after this. */
const resendMs = 200;
/** Of losses: the connection does not survive them. */
const breakShare = 0.02;
/** A late answer holds up a whole stream: so much of its share is enough. */
const lateAnswersShare = 0.1;

export class StreamNetwork implements MemberNetwork, FaultyNetwork {
  weather: LinkWeather = calmWeather;
  readonly #queue: EventQueue;
  readonly #random: Random;
  readonly #wires: MemoryNetwork;
  readonly #cuts = new Set<string>();
  readonly #slow = new Map<string, number>();
  /** Hosts without power: their links end only when they are back to say so. */
  readonly #dark = new Set<string>();
  readonly #transports = new Map<MemberId, TcpPeerTransport>();
  /** All that were ever there. */
  readonly #hosts: Set<MemberId>;
  readonly #dismissed = new Set<MemberId>();
  #arrived = 0;

  constructor({ queue, random, members }: StreamNetworkOptions) {
    this.#queue = queue;
    this.#random = random;
    this.#hosts = new Set(members);
    this.#wires = new MemoryNetwork(clockOf(queue), {
      latencyMs: (from, to) => this.#latencyMs(from, to),
      pieceBytesMax: pick(random, [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 700]),
      retransmits: true,
    });
  }

  get arrivedCount(): number {
    return this.#arrived;
  }

  get broken(): readonly string[] {
    const all = [...this.#transports].filter(([id]) => !this.#dismissed.has(id));
    return all.flatMap(([id, { status }]) => brokenLinks(id, status.peers));
  }

  join(joining: Joining): Joined {
    const { identity, name, clock, random, acceptsStore, onSent } = joining;
    this.#hosts.add(identity.memberId);
    this.#light(name);
    const transport = new TcpPeerTransport({
      network: this.#linksOf(name, clock),
      clock,
      random,
      identity,
      name,
      listenAddress: addressOf(identity.memberId),
      advertiseAddress: addressOf(identity.memberId),
      peers: joining.peers.map(placeOf),
      verifyPeer: (peer) =>
        acceptsStore(peer.memberId, peer.storeId) ? undefined : anotherStore(peer.name),
    });
    this.#transports.set(identity.memberId, transport);
    const send = transport.send.bind(transport);
    transport.send = (message) => {
      onSent(message);
      send(message);
    };
    return {
      transport,
      die: (how) => this.#die(name, how),
      setPeers: (peers) => transport.setPeers(peers.map(placeOf)),
      judgeAgain: () => transport.judgeAgain(),
    };
  }

  dismiss(member: MemberId): void {
    this.#dismissed.add(member);
  }

  cut(from: MemberId, to: MemberId): void {
    // The process may not have joined yet.
    this.#hosts.add(from).add(to);
    this.#cuts.add(arrowOf(nameOf(from), nameOf(to)));
    this.#update(nameOf(from), nameOf(to));
  }

  heal(from: MemberId, to: MemberId): void {
    this.#cuts.delete(arrowOf(nameOf(from), nameOf(to)));
    this.#update(nameOf(from), nameOf(to));
  }

  healAll(): void {
    this.#slow.clear();
    const cuts = [...this.#cuts];
    this.#cuts.clear();
    for (const cut of cuts) this.#update(...endsOf(cut));
  }

  slowDown(from: MemberId, to: MemberId, byMs: number): void {
    this.#slow.set(arrowOf(nameOf(from), nameOf(to)), byMs);
  }

  reset(a: MemberId, b: MemberId): void {
    this.#wires.reset(nameOf(a), nameOf(b));
  }

  #die(host: string, how: CrashKind): void {
    if (how === 'power') {
      this.#dark.add(host);
      this.#updateAll(host);
    }
    this.#wires.kill(host);
  }

  /** Whatever was cut, healed or went dark while nobody lived there: it is as it is now. */
  #light(host: string): void {
    this.#dark.delete(host);
    this.#updateAll(host);
  }

  #updateAll(host: string): void {
    for (const other of [...this.#hosts].map(nameOf)) {
      this.#update(host, other);
      this.#update(other, host);
    }
  }

  #update(from: string, to: string): void {
    if (from === to) return;
    const isDark = this.#dark.has(from) || this.#dark.has(to);
    const isBlocked = isDark || this.#cuts.has(arrowOf(from, to));
    if (isBlocked === this.#wires.isBlocked(from, to)) return;
    if (isBlocked) this.#wires.block(from, to);
    else this.#wires.unblock(from, to);
  }

  #latencyMs(from: string, to: string): number {
    this.#arrived += 1;
    const { latencyMinMs, latencyMaxMs, slowMinMs, slowMaxMs, dropShare } = this.weather;
    const slowShare = this.weather.slowShare + lateAnswersShare * this.weather.slowAnswerShare;
    const byMs = this.#slow.size > 0 ? (this.#slow.get(arrowOf(from, to)) ?? 0) : 0;
    let latencyMs = byMs + this.#between(latencyMinMs, latencyMaxMs);
    if (this.#chance(slowShare)) latencyMs += this.#between(slowMinMs, slowMaxMs);
    if (!this.#chance(dropShare)) return latencyMs;
    if (this.#chance(breakShare)) this.#queue.after(0, () => this.#wires.reset(from, to));
    return latencyMs + resendMs;
  }

  /** The wires as one process has them: whatever comes is heard in its own turns. */
  #linksOf(host: string, clock: VirtualClock): LinkNetwork {
    const wires = this.#wires.host(host);
    return {
      dial: (address, signal) =>
        new Promise((resolve, reject) => {
          wires.dial(address, signal).then(
            (link) => clock.post(0, () => resolve(inTurnsOf(clock, link))),
            (error: unknown) => clock.post(0, () => reject(error)),
          );
        }),
      listen: (address, onLink) =>
        wires.listen(address, (link) => clock.post(0, () => onLink(inTurnsOf(clock, link)))),
      endOfTurn: (action) => clock.post(0, action),
      afterEvent: (action) => clock.post(0, action),
    };
  }

  #chance(share: number): boolean {
    return share > 0 && this.#random.fraction() < share;
  }

  #between(lo: number, hi: number): number {
    return lo + (hi - lo) * this.#random.fraction();
  }
}

const endsOf = (arrow: string): [from: string, to: string] => {
  const [from = '', to = ''] = arrow.split('>');
  return [from, to];
};

const placeOf = (id: MemberId) => ({ memberId: id, address: addressOf(id) });

const arrowOf = (from: string, to: string): string => `${from}>${to}`;

const anotherStore = (name: string): HoldfastError =>
  new HoldfastError('failed-precondition', `the data directory of ${name} is not the bound one`);

/** A link whose process may be paused, held up or dead. */
function inTurnsOf(clock: VirtualClock, link: Link): Link {
  const inTurns = (handler: LinkHandler): LinkHandler => ({
    onBytes: (bytes) => clock.post(0, () => handler.onBytes(bytes)),
    onEnd: (end) => clock.post(0, () => handler.onEnd(end)),
  });
  let isDestroyed = false;
  return {
    remoteAddress: link.remoteAddress,
    get pendingBytes() {
      return link.pendingBytes;
    },
    open: (handler) =>
      link.open(
        inTurns({
          // A destroyed link is heard no more, also of what had arrived.
          onBytes: (bytes) => {
            if (!isDestroyed) handler.onBytes(bytes);
          },
          onEnd: (end) => {
            if (!isDestroyed) handler.onEnd(end);
          },
        }),
      ),
    send: (parts) => link.send(parts),
    close: () => link.close(),
    destroy: () => {
      isDestroyed = true;
      link.destroy();
    },
  };
}

/** The wires' own time: nobody's, and never paused. */
function clockOf(queue: EventQueue): Clock {
  return {
    monotonicMs: () => queue.nowMs,
    wallMs: () => queue.nowMs,
    schedule: (delayMs, action) => queue.after(delayMs, action),
  };
}
