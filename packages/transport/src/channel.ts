// One connection to one peer that is kept up: dialled in the background, redialled at once when it
// ends (safety.md 12), with backoff while it cannot be had. Frames that are sent while a dial is
// under way wait for it; otherwise nobody ever waits for a peer. It keeps the record of its
// connections; what follows from that for the peer is decided in peer-link.ts.
import { Backoff } from '@holdfast/base/backoff';
import type { Timer } from '@holdfast/base/clock';
import { HoldfastError, messageOf } from '@holdfast/base/errors';
import type { MemberId } from '@holdfast/base/ids';
import type { Random } from '@holdfast/base/random';
import type { Frame } from './frame.ts';
import { closeWithin, type FrameLink } from './frame-link.ts';
import type { Hello, Purpose } from './handshake.ts';
import { isRefused, type LinkEnd } from './link.ts';
import { type LinkCounters, noLinkCounters, sumOfCounters } from './link-counters.ts';
import {
  type LinkHealth,
  newLinkHealth,
  withFailure,
  withLife,
  withRefusal,
  withSilence,
  withSuccess,
} from './link-health.ts';
import type { EvictionReason, LinkRecord } from './link-record.ts';
import { type DialledPeer, dialPeer, type MemberContext } from './peer-dialer.ts';
import { SilenceWatch } from './silence-watch.ts';

/** Of all channels to a peer; `on` tells which. One for both: a link should weigh little. */
export interface ChannelHandler {
  onOpen(on: Purpose, hello: Hello): void;
  /** A dial failed: refused (isRefused), too slow, or one of the two sides said no. */
  onDialFailed(on: Purpose, error: unknown): void;
  /** An open connection ended; it is already being redialled, unless the channel was stopped. */
  onLost(on: Purpose, reason: string): void;
  onHeard(): void;
  /** A ping was answered after all, or so many in a row were not; the record says how many. */
  onAnswer(on: Purpose): void;
  onSilence(on: Purpose): void;
  /** The health has another name now. */
  onHealth(on: Purpose, from: LinkHealth): void;
}

export type ChannelOptions = {
  readonly context: MemberContext;
  readonly random: Random;
  readonly peer: MemberId;
  readonly purpose: Purpose;
  readonly address: () => string;
  /** Bytes of frames that may wait for a dial. */
  readonly holdBytesMax: number;
  readonly handler: ChannelHandler;
};

type State =
  | { readonly name: 'stopped' }
  /** Not used for a while: dialled again for the next frame. */
  | { readonly name: 'parked' }
  | { readonly name: 'dialling'; readonly controller: AbortController; readonly held: Held[] }
  | { readonly name: 'waiting'; readonly timer: Timer }
  | OpenState;

type OpenState = {
  readonly name: 'open';
  readonly link: FrameLink;
  readonly watch: SilenceWatch;
  readonly sinceMs: number;
};

/** A ping goes out at the first of them, so it has had the time of two looks. */
const stillLooks = 3;

const stoppedState: State = { name: 'stopped' };
const unmet = newLinkHealth('');
const parkedState: State = { name: 'parked' };

type Held = Pick<Frame, 'kind' | 'payload'>;

export class Channel {
  readonly #options: ChannelOptions;
  /** Made with the first failure. */
  #backoff: Backoff | undefined;
  /** Of connections that are over. */
  #past: Readonly<LinkCounters> = noLinkCounters;
  #state: State = stoppedState;
  /** Without its address, which may change: see `record`. */
  #health: LinkHealth = unmet;
  #lastUseMs: number | undefined;
  /** Looks in a row at which a ping after what was sent here had not been answered. */
  #unansweredLooks = 0;
  /** When the peer was last heard here, or this channel began to look for it. */
  #aliveMs: number | undefined;
  /** Of a connection that was sound, until its last bytes have arrived. */
  #parting: Promise<void> | undefined;
  #heldBytes = 0;
  #dropped = 0;
  /** Connections in a row that ended as soon as they stood. */
  #briefLives = 0;
  /** Since the last connection that lasted. */
  #failedDials = 0;

  constructor(options: ChannelOptions) {
    this.#options = options;
  }

  get isOpen(): boolean {
    return this.#state.name === 'open';
  }

  get record(): LinkRecord {
    const { purpose, address } = this.#options;
    const open = this.#state.name === 'open' ? this.#state : undefined;
    // Any byte is life, also between two looks of the silence watch.
    const lastSuccessMs = open ? open.watch.heardMs : this.#health.lastSuccessMs;
    return {
      purpose,
      health: { ...this.#health, address: address(), lastSuccessMs },
      openSinceMs: open?.sinceMs,
      lastUseMs: this.#lastUseMs,
    };
  }

  get health(): LinkHealth {
    return this.#health;
  }

  /** Frames that could not be sent or kept. */
  get dropped(): number {
    return this.#dropped;
  }

  get counters(): Readonly<LinkCounters> {
    const { name } = this.#state;
    return name === 'open' ? sumOfCounters(this.#past, this.#state.link.counters) : this.#past;
  }

  /** Keeps a connection up from now on; dials at once, also if a redial was to come later. One
   * that was parked stays so until it is needed. */
  start(): void {
    const { name } = this.#state;
    if (name === 'waiting' || name === 'stopped') this.#dial();
  }

  /** Ends the connection, and dials no more until start(). */
  stop(): void {
    this.#leave(stoppedState);
    this.#aliveMs = undefined;
    this.#forgetFailures();
  }

  /** Ends the connection, if any, and dials anew at once. */
  restart(): void {
    this.stop();
    this.#dial();
  }

  /**
   * Ends the connection that stands. A control connection is dialled again at once, another one for
   * the next frame. Where nothing speaks against it, all that was sent arrives first. False: none
   * stands.
   */
  evict(reason: EvictionReason): boolean {
    if (this.#state.name !== 'open') return false;
    if (reason === 'operator' || reason === 'idle') this.#part(this.#state);
    if (this.#options.purpose === 'control') this.#dial();
    else {
      this.#leave(parkedState);
      // What spoke against the connection says nothing of one that nobody needs now.
      this.#judged({ ...this.#health, state: unmet.state });
    }
    return true;
  }

  /** Asks the peer for a sign of life now. */
  ping(): void {
    if (this.#state.name === 'open') this.#state.watch.ask();
  }

  /** False: dropped and counted. */
  send(kind: number, payload: Uint8Array): boolean {
    const sent = this.sendNow(kind, payload) || this.#hold({ kind, payload });
    if (!sent) this.#dropped += 1;
    return sent;
  }

  /** All or nothing. False: not connected or full; they certainly did not leave and never will. */
  sendNow(kind: number, ...payloads: readonly Uint8Array[]): boolean {
    if (this.#state.name === 'parked') this.#dial();
    if (this.#state.name !== 'open' || !this.#state.link.send(kind, ...payloads)) return false;
    this.#lastUseMs = this.#nowMs;
    return true;
  }

  /**
   * Something was sent, then a ping, and two looks later that was not answered here, whatever else
   * was heard: an answer to an older one may have been on its way for as long as the way was dark.
   * It says nothing yet of the peer, which may just be busy.
   */
  get isStill(): boolean {
    return this.#unansweredLooks >= stillLooks && !this.#isAnswered;
  }

  /** To be called at a steady pace. A link in use is pinged sooner than the ping rule would. */
  look(): void {
    if (this.#state.name !== 'open') return;
    const { link, watch } = this.#state;
    if (this.#isAnswered) this.#unansweredLooks = 0;
    if (this.#unansweredLooks > 0) this.#unansweredLooks += 1;
    else if ((this.#lastUseMs ?? Number.NEGATIVE_INFINITY) > watch.heardMs && link.ping()) {
      this.#unansweredLooks = 1;
    }
  }

  /** Sends what waits and says goodbye, within the grace; nothing is dialled any more. */
  async close(): Promise<void> {
    if (this.#state.name !== 'open') return this.stop();
    const { link, watch } = this.#state;
    watch.close();
    this.#state = stoppedState;
    const { clock, settings } = this.#options.context;
    await closeWithin(clock, settings.closeGraceMs, link);
  }

  get #isAnswered(): boolean {
    return this.#state.name !== 'open' || this.#state.link.isAnswered;
  }

  get #nowMs(): number {
    return this.#options.context.clock.monotonicMs();
  }

  /** Until a peer of which nothing is heard is dead by the ping rule; below 0: it is. */
  get #leftToLiveMs(): number {
    const { silenceMs, pingWaitMs, failuresMax } = this.#options.context.settings.silence;
    return (this.#aliveMs ?? this.#nowMs) + silenceMs + pingWaitMs * failuresMax - this.#nowMs;
  }

  /** A dial that is on its way when the peer is dead by the ping rule ends with that. */
  #dialTimeoutMs(): number {
    const { connectTimeoutMs } = this.#options.context.settings;
    const leftMs = this.#leftToLiveMs;
    return leftMs < 1 ? connectTimeoutMs : Math.min(connectTimeoutMs, leftMs);
  }

  #hold(frame: Held): boolean {
    if (this.#state.name !== 'dialling') return false;
    if (this.#heldBytes + frame.payload.length > this.#options.holdBytesMax) return false;
    this.#state.held.push(frame);
    this.#heldBytes += frame.payload.length;
    return true;
  }

  #dial(): void {
    const { context, peer, purpose, address } = this.#options;
    const controller = new AbortController();
    const state: State = { name: 'dialling', controller, held: [] };
    this.#leave(state);
    this.#aliveMs ??= this.#nowMs;
    const isStale = (): boolean => this.#state !== state;
    const { signal } = controller;
    const timeoutMs = this.#dialTimeoutMs();
    const dial = (): Promise<DialledPeer> =>
      dialPeer(context, { peer, purpose, address: address(), timeoutMs, signal });
    // Before the old one is over, the new one would cut off what is still on its way there.
    (this.#parting?.then(dial) ?? dial()).then(
      (dialled) => {
        if (isStale()) dialled.link.destroy();
        else this.#opened(dialled, state.held);
      },
      (error: unknown) => {
        if (!isStale()) this.#failed(error);
      },
    );
  }

  #opened({ link, hello }: DialledPeer, held: readonly Held[]): void {
    const { context, handler, purpose } = this.#options;
    const watch = new SilenceWatch(context.clock, () => context.settings.silence, {
      ping: () => link.ping(),
      onLife: () => this.#judged(withLife(this.#health, this.#nowMs, watch.heardMs)),
      onAnswer: () => {
        this.#judged(withSuccess(this.#health, this.#nowMs));
        handler.onAnswer(purpose);
      },
      onFailure: (failures) => this.#silent(failures),
    });
    this.#leave({ name: 'open', link, watch, sinceMs: this.#nowMs });
    this.#judged(withSuccess(this.#health, this.#nowMs));
    for (const { kind, payload } of held) this.send(kind, payload);
    handler.onOpen(purpose, hello);
    link.trust({
      onFrame: (frame) => refuseFrame(frame),
      onHeard: () => {
        watch.heard();
        handler.onHeard();
      },
      onEnd: (end) => this.#ended(link, end),
    });
  }

  #failed(error: unknown): void {
    if (this.#state.name === 'dialling') this.#dropped += this.#state.held.length;
    // A dying process may still accept, and only then refuse: the first failure is looked at again.
    const refused = isRefused(error);
    const isFirst = this.#failedDials === 0 && !refused;
    this.#failedDials += 1;
    this.#wait(isFirst ? this.#options.context.settings.secondLookMs : this.#nextWaitMs());
    // Nothing was heard for as long as pings would have waited: that is as good as theirs.
    const isDead = refused || this.#leftToLiveMs < 1;
    const failure = { nowMs: this.#nowMs, reason: messageOf(error) };
    this.#judged((isDead ? withRefusal : withFailure)(this.#health, failure));
    this.#options.handler.onDialFailed(this.#options.purpose, error);
  }

  #silent(failures: number): void {
    const { handler, context, purpose } = this.#options;
    const reason = `${failures} pings in a row without an answer`;
    const deadAt = context.settings.silence.failuresMax;
    const health = withSilence(this.#health, failures, { nowMs: this.#nowMs, reason, deadAt });
    this.#unansweredLooks = stillLooks; // A ping that was not answered says the same.
    if (failures >= deadAt) this.#wait(this.#nextWaitMs());
    this.#judged(health);
    handler.onSilence(purpose);
  }

  #judged(health: LinkHealth): void {
    const from = this.#health;
    this.#health = health;
    const { handler, purpose } = this.#options;
    if (from.state.name !== health.state.name) handler.onHealth(purpose, from);
  }

  #ended(link: FrameLink, end: LinkEnd): void {
    if (this.#state.name !== 'open' || this.#state.link !== link) return;
    const { settings } = this.#options.context;
    const steady = this.#nowMs - this.#state.sinceMs >= settings.steadyMs;
    this.#briefLives = steady ? 0 : this.#briefLives + 1;
    if (steady) this.#forgetFailures();
    // A peer that hangs up on every connection is no reason to spin.
    if (this.#briefLives > 1) this.#wait(this.#nextWaitMs());
    else this.#dial();
    const reason = end.type === 'failed' ? end.reason : 'the peer hung up';
    this.#options.handler.onLost(this.#options.purpose, reason);
  }

  #forgetFailures(): void {
    this.#backoff = undefined;
    this.#failedDials = 0;
  }

  #nextWaitMs(): number {
    const { context, random } = this.#options;
    const { redialInitialMs: initialMs, redialMaxMs: maxMs } = context.settings;
    this.#backoff ??= new Backoff({ initialMs, maxMs }, random);
    return this.#backoff.nextMs();
  }

  #wait(delayMs: number): void {
    const { clock } = this.#options.context;
    const timer = clock.schedule(delayMs, () => this.#dial());
    this.#leave({ name: 'waiting', timer });
  }

  /** The only place where the state changes: what the old one owned is given back. */
  #leave(next: State): void {
    const old = this.#state;
    this.#state = next;
    this.#heldBytes = 0;
    this.#unansweredLooks = 0;
    if (old.name === 'waiting') old.timer.cancel();
    if (old.name === 'dialling') old.controller.abort(stopped());
    if (old.name !== 'open') return;
    this.#past = sumOfCounters(this.#past, old.link.counters);
    this.#aliveMs = old.watch.heardMs;
    old.watch.close();
    if (this.#parting === undefined) old.link.destroy();
  }

  /** Sends what waits and says goodbye; whoever dials meanwhile waits for the peer's. */
  #part({ link }: OpenState): void {
    const { clock, settings } = this.#options.context;
    this.#parting = closeWithin(clock, settings.closeGraceMs, link).then(() => {
      this.#parting = undefined;
    });
  }
}

const stopped = (): HoldfastError =>
  new HoldfastError('cancelled', 'the dial is not needed any more');

/** Answers to what is sent here come on the peer's own connections. */
function refuseFrame({ kind }: Frame): never {
  throw new HoldfastError(
    'corrupt',
    `the peer sent kind ${kind} on a connection that is not its own`,
  );
}
