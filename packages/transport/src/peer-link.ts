// One direction to one peer: the control and the log connection that are kept up, snapshots on
// connections of their own, the verdict on the peer's health, and the breaker for calls to it
// (safety.md 17, 18). It owns what this member sends to the peer; what the peer sends comes in
// through peer-listener.ts.
import { codeOf, type ErrorCode, HoldfastError, messageOf } from '@holdfast/base/errors';
import type { MemberId } from '@holdfast/base/ids';
import type { Random } from '@holdfast/base/random';
import type { SnapshotBegin } from '@holdfast/proto/peer';
import { BulkStreams } from './bulk-streams.ts';
import { Channel, type ChannelHandler, type ChannelOptions } from './channel.ts';
import { type BreakerState, CircuitBreaker } from './circuit-breaker.ts';
import type { CheckedLink } from './connection-checker.ts';
import type { Hello, Purpose } from './handshake.ts';
import { isRefused } from './link.ts';
import type { HealthState } from './link-health.ts';
import type { LinkNote } from './link-note.ts';
import { type EvictionReason, type LinkRecord, whyOf } from './link-record.ts';
import { PathProbe, type PathVerdict } from './path-probe.ts';
import { type AskOptions, PeerCalls, type Presence } from './peer-calls.ts';
import type { MemberContext } from './peer-dialer.ts';
import type { PeerLinkEvent, PeerLinkStatus } from './peer-link-status.ts';
import { PeerPlace } from './peer-place.ts';
import type { ChunksFrom } from './snapshot-receiver.ts';

export type PeerLinkOptions = {
  readonly context: MemberContext;
  readonly random: Random;
  readonly peer: MemberId;
  readonly address: string;
  readonly onEvent: (event: PeerLinkEvent) => void;
  /** For log and metrics; called at once. */
  readonly onNote: (note: LinkNote) => void;
};

export class PeerLink {
  readonly #options: PeerLinkOptions;
  readonly #control: Channel;
  readonly #log: Channel;
  readonly #bulk: BulkStreams;
  readonly #calls: PeerCalls;
  readonly #breaker: CircuitBreaker;
  readonly #slowBreaker: CircuitBreaker;
  #isClosed = false;
  readonly #place: PeerPlace;
  readonly #presence: Presence = { lastHeardMs: undefined, hello: undefined };
  #bootEpoch: number | undefined;
  #overflowing = false;
  /** While a connection stands still. */
  #pathProbe: PathProbe | undefined;

  constructor(options: PeerLinkOptions) {
    this.#options = options;
    this.#place = new PeerPlace(options.address);
    const { context, peer } = options;
    const { controlQueueBytesMax, logQueueBytesMax } = context.settings;
    this.#breaker = new CircuitBreaker({
      clock: context.clock,
      settings: context.partsNow.breaker,
      onChange: (from, to) => this.#breakerChanged(from, to),
    });
    this.#slowBreaker = new CircuitBreaker({
      clock: context.clock,
      settings: context.partsNow.slowBreaker,
      onChange: (from, to) => this.#noteSlow(from, to),
    });
    const address = (): string => this.#place.address;
    this.#bulk = new BulkStreams({ context, peer, address, breaker: this.#breaker });
    const parts = { address, handler: this.#newHandler() };
    this.#control = this.#newChannel('control', controlQueueBytesMax, parts);
    this.#log = this.#newChannel('log', logQueueBytesMax, parts);
    this.#calls = this.#newCalls();
  }

  start(): void {
    this.#control.start();
  }

  /** Best effort; what cannot be sent is dropped and counted. */
  sendControl(kind: number, payload: Uint8Array): void {
    this.#control.send(kind, payload);
  }

  /** As sendControl; the first loss of a row is told, so that Raft sends again. */
  sendLog(kind: number, payload: Uint8Array): void {
    const sent = this.#log.send(kind, payload);
    if (!sent && !this.#overflowing && this.#log.isOpen) {
      this.#unreachable(false, 'the send queue is full');
    }
    this.#overflowing = !sent;
  }

  /** All or nothing. False: no connection or no room; they did not leave (safety.md 21). */
  sendLogNow(kind: number, payloads: readonly Uint8Array[]): boolean {
    return this.#log.sendNow(kind, ...payloads);
  }

  /**
   * Resolves when the peer says that the whole snapshot stands there. Rejects at once while the
   * breaker is open.
   */
  async sendSnapshot(
    begin: SnapshotBegin,
    chunksFrom: ChunksFrom,
    signal: AbortSignal,
  ): Promise<void> {
    if (this.#isClosed) throw closing();
    await this.#bulk.send(begin, chunksFrom, signal);
  }

  /** See PeerCalls.ask. */
  ask(body: Uint8Array, options: AskOptions): Promise<Uint8Array> {
    return this.#calls.ask(body, options);
  }

  /** The peer has answered a question, on its own connection. */
  answered(payload: Uint8Array): void {
    this.#calls.answered(payload);
  }

  /** The peer was heard on a connection of its own. */
  noteHeard(): void {
    this.#presence.lastHeardMs = this.#options.context.clock.monotonicMs();
  }

  /** The peer has just introduced itself, so it can be had: waits for no backoff. */
  probe(): void {
    this.#control.start();
  }

  /** The peer was started again: connections to its former process are worth nothing. */
  renew(): void {
    this.#calls.lost('the peer was started again');
    this.#log.stop();
    // A dial under way has met the new process itself, or will.
    if (this.#control.isOpen) this.#control.restart();
  }

  /**
   * The peer may be refused by what is known now: then its connections end, and are dialled anew.
   */
  judgeAgain(): void {
    if (!this.#presence.hello || !this.#options.context.verifyPeer(this.#presence.hello)) return;
    this.#presence.hello = undefined;
    this.#dialAnew();
  }

  mayBeAt(addresses: readonly string[]): void {
    if (this.#place.mayBeAt(addresses)) this.#dialAnew();
  }

  moveTo(address: string): void {
    if (this.#place.isAt(address)) this.#dialAnew();
  }

  /** A control connection stands, as far as its pings tell. */
  get isConnected(): boolean {
    return this.#control.isOpen;
  }

  get status(): PeerLinkStatus {
    const [control, log] = [this.#control.counters, this.#log.counters];
    return {
      peer: this.#options.peer,
      reachable: this.isConnected,
      health: this.#control.record.health,
      links: this.checked.map(({ record }) => record),
      breaker: this.#breaker.state,
      slowBreaker: this.#slowBreaker.state,
      lastHeardMs: this.#presence.lastHeardMs,
      bootEpoch: this.#bootEpoch,
      sent: {
        frames: control.framesSent + log.framesSent,
        bytes: control.bytesSent + log.bytesSent,
        dropped: this.#control.dropped + this.#log.dropped,
      },
    };
  }

  /** Its links, for the checker. */
  get checked(): readonly CheckedLink[] {
    const [control, log] = [this.#control, this.#log];
    const bulk = this.#bulk.all.map(({ record, evict }) => ({
      record,
      ping: () => undefined,
      evict: (reason: EvictionReason) => {
        this.#evicted('bulk', reason, whyOf(record));
        evict(reason);
      },
    }));
    return [
      {
        record: control.record,
        ping: () => control.ping(),
        evict: (reason) => this.evict('control', reason),
      },
      {
        record: this.#logRecord,
        ping: () => log.ping(),
        evict: (reason) => this.evict('log', reason),
      },
      ...bulk,
    ];
  }

  /**
   * Ends that connection, if it stands; it is dialled anew at once, or when it is needed. `known`:
   * what is behind the reason, where that is another thing than what speaks against this link.
   */
  evict(purpose: 'control' | 'log', reason: EvictionReason, known?: string): void {
    const channel = purpose === 'control' ? this.#control : this.#log;
    const why = known ?? whyOf(channel.record);
    if (channel.evict(reason)) this.#evicted(purpose, reason, why);
  }

  /** To be called at a steady pace: finds connections that stand still, and what is behind it. */
  look(): void {
    this.#control.look();
    this.#log.look();
    if (!this.#control.isStill && !this.#log.isStill) this.#endProbe();
    else this.#pathProbe ??= this.#newProbe();
  }

  /** Lets calls through again. */
  resetBreaker(): void {
    this.#breaker.close();
    this.#slowBreaker.close();
  }

  /** Sends what waits and says goodbye; takes no longer than the settings' grace. */
  async close(): Promise<void> {
    this.#endCalls(closing());
    await Promise.all([this.#control.close(), this.#log.close()]);
  }

  destroy(): void {
    this.#endCalls(gone());
    this.#control.stop();
    this.#log.stop();
  }

  #dialAnew(): void {
    this.#log.stop();
    this.#control.restart();
  }

  #endCalls(reason: HoldfastError): void {
    this.#isClosed = true;
    this.#endProbe();
    this.#bulk.end(reason);
    this.#calls.lost(reason.message);
  }

  #newProbe(): PathProbe {
    const { context } = this.#options;
    const { network, clock, settings } = context;
    // Twice the pace of a dial: it takes several requests to know.
    const [address, againMs] = [this.#place.address, settings.dialAgainMs / 2];
    const onVerdict = (verdict: PathVerdict): void => {
      // Where it still stands still, the next look begins another one.
      this.#pathProbe = undefined;
      if (verdict === 'open') return;
      const why = 'the way to the peer gave no answer for a second, and does again';
      if (this.#control.isStill) this.evict('control', 'path', why);
      if (this.#log.isStill) this.evict('log', 'path', why);
    };
    return new PathProbe({ network, clock, address, againMs, onVerdict });
  }

  #endProbe(): void {
    this.#pathProbe?.close();
    this.#pathProbe = undefined;
  }

  #newHandler(): ChannelHandler {
    return {
      onOpen: (on, hello) => {
        if (on === 'control') this.#connected(hello);
      },
      onDialFailed: (on, error) => {
        this.#unreachable(on === 'control' && isRefused(error), messageOf(error), codeOf(error));
        if (on === 'control') this.#place.lookElsewhere();
      },
      onLost: (on, reason) => {
        if (on === 'control') this.#calls.lost(reason);
        this.#unreachable(false, reason);
      },
      onHeard: () => this.noteHeard(),
      // Whatever was thought of the peer meanwhile: behind an open control connection is a log one.
      onAnswer: (on) => {
        if (on === 'control') this.#log.start();
      },
      onSilence: (on) => this.#silent(on),
      onHealth: (on, from) => {
        if (on === 'control') this.#judged(from.state, this.#control.health.state);
      },
    };
  }

  /** No spread: each object would have a shape of its own, which weighs more than it does. */
  #newChannel(
    purpose: Purpose,
    holdBytesMax: number,
    { address, handler }: Pick<ChannelOptions, 'address' | 'handler'>,
  ): Channel {
    const { context, random, peer } = this.#options;
    return new Channel({ context, random, peer, purpose, address, holdBytesMax, handler });
  }

  #newCalls(): PeerCalls {
    const { context, random, peer } = this.#options;
    return new PeerCalls({
      clock: context.clock,
      random,
      peer,
      settings: context.partsNow.calls,
      breaker: this.#breaker,
      slowBreaker: this.#slowBreaker,
      control: this.#control,
      presence: this.#presence,
    });
  }

  /** A peer that is dead has no living link, whatever was last seen on it. */
  get #logRecord(): LinkRecord {
    const { record } = this.#log;
    const { state } = this.#control.health;
    return state.name === 'dead' ? { ...record, health: { ...record.health, state } } : record;
  }

  /** A finished handshake is the hello that takes the peer back (safety.md 18). */
  #connected(hello: Hello): void {
    const { peer } = this.#options;
    const { bootEpoch } = hello;
    this.#presence.hello = hello;
    this.#bootEpoch = bootEpoch;
    this.noteHeard();
    this.#breaker.close();
    this.#log.start();
    this.#emit({ type: 'connected', peer, bootEpoch });
  }

  #silent(on: Purpose): void {
    const { state } = (on === 'control' ? this.#control : this.#log).health;
    if (state.name === 'dead') this.#evicted(on, 'dead', state.reason);
  }

  #judged(from: HealthState, to: HealthState): void {
    const { peer, context, onNote } = this.#options;
    const heardMs = this.#presence.lastHeardMs;
    const silentMs = heardMs === undefined ? undefined : context.clock.monotonicMs() - heardMs;
    onNote({ type: 'health', peer, from, to, silentMs });
    if (to.name === 'dead') this.#breaker.trip(to.reason);
  }

  /**
   * behind an open breaker nothing is kept but the prober's control connection. Where calls
   * have failed and pings are answered, the log connection is made anew for what Raft sends next:
   * a breaker stops calls, never replication, votes or heartbeats (safety.md 18).
   */
  #breakerChanged(from: BreakerState, to: BreakerState): void {
    this.#options.onNote({ type: 'breaker', of: 'silence', peer: this.#options.peer, from, to });
    if (to.name !== 'open') return;
    this.#bulk.end(new HoldfastError('unavailable', `the peer is set aside: ${to.reason}`));
    this.evict('log', 'breaker', to.reason);
    if (this.#control.health.state.name === 'dead') this.#log.stop();
  }

  #noteSlow(from: BreakerState, to: BreakerState): void {
    const { peer, onNote } = this.#options;
    onNote({ type: 'breaker', of: 'slowness', peer, from, to });
  }

  #evicted(purpose: Purpose, reason: EvictionReason, why: string): void {
    const { peer, onNote } = this.#options;
    onNote({ type: 'evicted', peer, purpose, reason, why });
    if (purpose === 'control') this.#calls.lost(`the connection was ended: ${why}`);
    // What was on it may be lost; on one that nobody used nothing was.
    if (purpose === 'bulk' || reason === 'idle') return;
    const wanted = reason === 'operator' ? ({ isWanted: true } as const) : {};
    const text = `the ${purpose} connection was ended: ${why}`;
    this.#emit({ type: 'unreachable', peer, refused: false, reason: text, ...wanted });
  }

  #unreachable(refused: boolean, reason: string, code?: ErrorCode): void {
    const { peer } = this.#options;
    this.#emit({ type: 'unreachable', peer, refused, reason, ...(code ? { code } : {}) });
  }

  /** Told when the turn ends: a send must not call its own caller back. */
  #emit(event: PeerLinkEvent): void {
    this.#options.context.network.endOfTurn(() => {
      if (!this.#isClosed) this.#options.onEvent(event);
    });
  }
}

const closing = (): HoldfastError => new HoldfastError('shutting-down', 'this member is closing');

const gone = (): HoldfastError =>
  new HoldfastError('unavailable', 'the peer is no member any more');
