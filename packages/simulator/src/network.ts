// The wires between simulated members. Owns who is attached in which boot, what is cut in which
// direction, and the fate of each frame: lost, late, twice, out of order. Frames of an older boot,
// and those on a connection that broke, never arrive. Knows nothing of what a frame says.
import type { MemberId } from '@holdfast/base/ids';
import type { Random } from '@holdfast/base/random';
import type { EventQueue } from './event-queue.ts';
import { calmWeather, type LinkWeather } from './link-weather.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** The three connections of a pair (safety.md 16): order is kept within each, not across. */
export type Connection = 'control' | 'log' | 'bulk';

/** What an attached member hears of its peers. */
export type PeerNews =
  | { readonly type: 'connected'; readonly peer: MemberId; readonly bootEpoch: number }
  | { readonly type: 'unreachable'; readonly peer: MemberId; readonly refused: boolean };

export type Attachment = {
  readonly member: MemberId;
  readonly bootEpoch: number;
  readonly clock: VirtualClock;
  /** Its data directory, which each handshake shows (safety.md 15). */
  readonly storeId: bigint;
  readonly admits: (peer: Pick<Attachment, 'member' | 'storeId'>) => boolean;
  readonly onNews: (news: PeerNews) => void;
};

export type Frame = {
  readonly from: Attachment;
  readonly to: MemberId;
  readonly connection: Connection;
  /**
   * Consensus bears frames that come twice or out of order; the others rely on their connection.
   */
  readonly mayRepeat: boolean;
  /** An answer to a request of the receiver. */
  readonly isAnswer: boolean;
  readonly bytes: number;
  /** Runs in the receiver's process. */
  readonly deliver: (receiver: Attachment) => void;
};

/** What TCP lost it sends again after this, and after twice as long if that was lost as well. */
const resendMs = 200;
/** Of losses: the connection does not survive them. */
const breakShare = 0.02;
/** A background prober redials within this time (safety.md 18). */
const redialMs = [250, 2000] as const;
/** A dial that need not wait for the prober. */
const atOnceMs = [1, 20] as const;

type Pair = {
  /** Both sides believe in it. */
  up: boolean;
  /** Increases when its connections break: what was on the way is gone. */
  generation: number;
};

/** One direction of a pair. */
type Arrow = {
  readonly from: MemberId;
  readonly to: MemberId;
  readonly pair: Pair;
  isCut: boolean;
  /** Milliseconds that its frames take more. */
  slowByMs: number;
  /** When the last frame of a connection arrives: a later one must not arrive before. */
  readonly lastArrivalMs: Record<Connection, number>;
};

export class Network {
  readonly #queue: EventQueue;
  readonly #random: Random;
  readonly #attached = new Map<MemberId, Attachment>();
  readonly #arrows = new Map<MemberId, Map<MemberId, Arrow>>();
  readonly counters = { sent: 0, answers: 0, bytes: 0, lost: 0, delivered: 0, repeated: 0 };
  weather: LinkWeather = calmWeather;

  constructor(options: { readonly queue: EventQueue; readonly random: Random }) {
    this.#queue = options.queue;
    this.#random = options.random;
  }

  /** A member's process listens. Its peers' probers find it. */
  attach(attachment: Attachment): void {
    const { member } = attachment;
    for (const other of this.#attached.keys()) {
      // A new boot has no connections; what its peers had with the old one ends now.
      if (other !== member) this.#breakPair(member, other);
      this.#dialSoon(member, other, atOnceMs);
    }
    this.#attached.set(member, attachment);
  }

  /** The process is gone. `refused`: its machine still answers, and says that nobody listens. */
  detach(attachment: Attachment, how: 'refused' | 'dark'): void {
    if (this.#attached.get(attachment.member) !== attachment) return;
    this.#attached.delete(attachment.member);
    for (const other of this.#attached.values()) this.#lose(other, attachment.member, how);
  }

  isAttached(attachment: Attachment): boolean {
    return this.#attached.get(attachment.member) === attachment;
  }

  /** Whether `from` believes that it has a connection to `to`. */
  believesUp(from: MemberId, to: MemberId): boolean {
    return this.#pair(from, to).up;
  }

  /** Nothing passes from `from` to `to` any more; the other direction is untouched. */
  cut(from: MemberId, to: MemberId): void {
    const arrow = this.#arrow(from, to);
    if (arrow.isCut) return;
    arrow.isCut = true;
    const { generation } = arrow.pair;
    this.#queue.after(this.#darkNoticeMs(), () => this.#noticeDark(arrow, generation));
  }

  heal(from: MemberId, to: MemberId): void {
    const arrow = this.#arrow(from, to);
    if (!arrow.isCut) return;
    arrow.isCut = false;
    this.#dialSoon(from, to, redialMs);
  }

  healAll(): void {
    for (const arrows of this.#arrows.values()) {
      for (const arrow of arrows.values()) {
        this.heal(arrow.from, arrow.to);
        arrow.slowByMs = 0;
      }
    }
  }

  /** Frames from `from` to `to` take so much longer; 0: as all others. */
  slowDown(from: MemberId, to: MemberId, byMs: number): void {
    this.#arrow(from, to).slowByMs = byMs;
  }

  isCut(from: MemberId, to: MemberId): boolean {
    return this.#arrow(from, to).isCut;
  }

  /** The connections of a pair break, as a firewall or an operator ends them, and are redialled. */
  reset(a: MemberId, b: MemberId): void {
    const pair = this.#pair(a, b);
    if (!pair.up) return;
    this.#breakPair(a, b);
    this.#dialSoon(a, b, atOnceMs);
  }

  /** Ends the connections of `attachment` to those that it no longer admits. */
  judgeAgain(attachment: Attachment): void {
    for (const other of this.#attached.values()) {
      if (other !== attachment && !attachment.admits(other)) {
        this.reset(attachment.member, other.member);
      }
    }
  }

  /** Takes a frame; whether and when it arrives, the weather and the cuts decide. */
  carry(frame: Frame): void {
    this.#count(frame);
    const { from, to, mayRepeat } = frame;
    const receiver = this.#attached.get(to);
    const arrow = this.#arrow(from.member, to);
    const { up, generation } = arrow.pair;
    const isCut = !up || arrow.isCut;
    const isLost = this.#chance(this.weather.dropShare);
    if (!receiver || isCut || (isLost && (mayRepeat || this.#breaks(from.member, to)))) {
      this.counters.lost += 1;
      return;
    }
    const arrive = (): void => this.#arrive(frame, { arrow, receiver, generation });
    this.#queue.at(this.#arrivalMs(frame, arrow, isLost ? this.#resendDelayMs() : 0), arrive);
    if (!mayRepeat || !this.#chance(this.weather.duplicateShare)) return;
    this.counters.repeated += 1;
    this.#queue.after(this.#latencyMs(frame, arrow) + this.#between(0, 50), arrive);
  }

  #count({ isAnswer, bytes }: Frame): void {
    this.counters.sent += 1;
    this.counters.bytes += bytes;
    if (isAnswer) this.counters.answers += 1;
  }

  /** A loss that TCP does not get over: it ends the connection. */
  #breaks(from: MemberId, to: MemberId): boolean {
    if (!this.#chance(breakShare)) return false;
    this.reset(from, to);
    return true;
  }

  #resendDelayMs(): number {
    const again = this.#chance(this.weather.dropShare);
    return again ? 3 * resendMs : resendMs;
  }

  #arrive(
    frame: Frame,
    sent: {
      readonly arrow: Arrow;
      readonly receiver: Attachment;
      readonly generation: number;
    },
  ): void {
    const { arrow, receiver, generation } = sent;
    const sender = this.#attached.get(frame.from.member);
    const isOfOldBoot = sender !== undefined && sender !== frame.from;
    const isBroken = arrow.pair.generation !== generation;
    const isGone = this.#attached.get(frame.to) !== receiver;
    if (isOfOldBoot || isBroken || isGone || arrow.isCut) {
      this.counters.lost += 1;
      return;
    }
    this.counters.delivered += 1;
    receiver.clock.post(0, () => frame.deliver(receiver));
  }

  #arrivalMs(frame: Frame, arrow: Arrow, resendMs: number): number {
    const { connection, mayRepeat, isAnswer } = frame;
    const atMs = this.#queue.nowMs + this.#latencyMs(frame, arrow) + resendMs;
    const { reorderShare, slowAnswerShare } = this.weather;
    const isFree = (isAnswer && slowAnswerShare > 0) || this.#chance(reorderShare);
    if (mayRepeat && isFree) return atMs;
    const orderedMs = Math.max(atMs, arrow.lastArrivalMs[connection]);
    arrow.lastArrivalMs[connection] = orderedMs;
    return orderedMs;
  }

  #latencyMs({ isAnswer }: Frame, { slowByMs }: Arrow): number {
    const { latencyMinMs, latencyMaxMs, slowShare, slowAnswerShare } = this.weather;
    const latencyMs = this.#between(latencyMinMs, latencyMaxMs) + slowByMs;
    if (!this.#chance(isAnswer ? slowAnswerShare : slowShare)) return latencyMs;
    return latencyMs + this.#between(this.weather.slowMinMs, this.weather.slowMaxMs);
  }

  #dialSoon(a: MemberId, b: MemberId, [minMs, maxMs]: readonly [number, number]): void {
    this.#queue.after(this.#between(minMs, maxMs), () => this.#dial(a, b));
  }

  /** A handshake needs both directions. */
  #dial(a: MemberId, b: MemberId): void {
    const [one, other] = [this.#attached.get(a), this.#attached.get(b)];
    const pair = this.#pair(a, b);
    if (!one || !other || pair.up || this.isCut(a, b) || this.isCut(b, a)) return;
    // Turned away, as whoever has another's name; tried again for ever.
    if (!one.admits(other) || !other.admits(one)) return this.#dialSoon(a, b, redialMs);
    pair.up = true;
    this.#tell(one, { type: 'connected', peer: b, bootEpoch: other.bootEpoch });
    this.#tell(other, { type: 'connected', peer: a, bootEpoch: one.bootEpoch });
  }

  /** `gone` vanished: at once, if its machine says so; else after the pings. */
  #lose(witness: Attachment, gone: MemberId, how: 'refused' | 'dark'): void {
    const { member } = witness;
    const { generation } = this.#pair(member, gone);
    const refused = how === 'refused' && !this.isCut(member, gone) && !this.isCut(gone, member);
    const delayMs = refused ? this.#between(0.5, 5) : this.#darkNoticeMs();
    this.#queue.after(delayMs, () => {
      if (this.#pair(member, gone).generation !== generation) return;
      this.#breakPair(member, gone);
      if (refused && !this.#attached.has(gone)) {
        this.#tell(witness, { type: 'unreachable', peer: gone, refused: true });
      }
      // It may have come back before its end was noticed.
      this.#dialSoon(member, gone, atOnceMs);
    });
  }

  #noticeDark({ from, to, isCut, pair }: Arrow, generation: number): void {
    if (isCut && pair.generation === generation) this.#breakPair(from, to);
  }

  /** Both ends, where they still live, see their connections end. */
  #breakPair(a: MemberId, b: MemberId): void {
    const pair = this.#pair(a, b);
    pair.generation += 1;
    const wasUp = pair.up;
    pair.up = false;
    if (!wasUp) return;
    for (const [end, peer] of [
      [this.#attached.get(a), b],
      [this.#attached.get(b), a],
    ] as const) {
      if (end) this.#tell(end, { type: 'unreachable', peer, refused: false });
    }
  }

  #tell(attachment: Attachment, news: PeerNews): void {
    attachment.clock.post(0, () => {
      if (this.isAttached(attachment)) attachment.onNews(news);
    });
  }

  #pair(a: MemberId, b: MemberId): Pair {
    return this.#arrow(a, b).pair;
  }

  #arrow(from: MemberId, to: MemberId): Arrow {
    return this.#arrows.get(from)?.get(to) ?? this.#newArrow(from, to);
  }

  #newArrow(from: MemberId, to: MemberId): Arrow {
    const pair = this.#arrows.get(to)?.get(from)?.pair ?? { up: false, generation: 0 };
    const lastArrivalMs = { control: 0, log: 0, bulk: 0 };
    const arrow: Arrow = { from, to, pair, isCut: false, slowByMs: 0, lastArrivalMs };
    const arrows = this.#arrows.get(from) ?? new Map<MemberId, Arrow>();
    this.#arrows.set(from, arrows.set(to, arrow));
    return arrow;
  }

  #darkNoticeMs(): number {
    return this.#between(this.weather.deadNoticeMinMs, this.weather.deadNoticeMaxMs);
  }

  #chance(share: number): boolean {
    return share > 0 && this.#random.fraction() < share;
  }

  #between(lo: number, hi: number): number {
    return lo + (hi - lo) * this.#random.fraction();
  }
}
