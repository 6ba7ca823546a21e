// One direction to one peer: the control and the log connection that are kept up, snapshots on
// connections of their own, and the verdict on the peer's health. It owns what this member sends to
// the peer; what the peer sends comes in through peer-listener.ts.
import { HoldfastError, messageOf } from '@holdfast/base/errors';
import { formatId, type MemberId } from '@holdfast/base/ids';
import type { Random } from '@holdfast/base/random';
import type { SnapshotBegin } from '@holdfast/proto/peer';
import { Channel, type ChannelHandler } from './channel.ts';
import type { Hello, Purpose } from './handshake.ts';
import { isRefused } from './link.ts';
import {
  deadFailures,
  type Failure,
  type LinkHealth,
  newLinkHealth,
  withFailure,
  withRefusal,
  withSilence,
  withSuccess,
} from './link-health.ts';
import { dialPeer, type MemberContext } from './peer-dialer.ts';
import type { ChunksFrom } from './snapshot-receiver.ts';
import { sendSnapshot } from './snapshot-sender.ts';

export type PeerLinkEvent =
  | { readonly type: 'connected'; readonly peer: MemberId; readonly bootEpoch: number }
  /** What was in flight may be lost. `refused`: nobody listens there any more (safety.md 12). */
  | {
      readonly type: 'unreachable';
      readonly peer: MemberId;
      readonly refused: boolean;
      readonly reason: string;
    };

export type PeerLinkOptions = {
  readonly context: MemberContext;
  readonly random: Random;
  readonly peer: MemberId;
  readonly address: string;
  readonly onEvent: (event: PeerLinkEvent) => void;
};

export type PeerLinkStatus = {
  readonly peer: MemberId;
  /** A control connection to it stands. */
  readonly reachable: boolean;
  readonly health: LinkHealth;
  /** Monotonic time of the last byte from it, on any connection. */
  readonly lastHeardMs: number | undefined;
  readonly bootEpoch: number | undefined;
  readonly sent: { readonly frames: number; readonly bytes: number; readonly dropped: number };
};

export class PeerLink {
  readonly #options: PeerLinkOptions;
  readonly #control: Channel;
  readonly #log: Channel;
  readonly #closed = new AbortController();
  #health: LinkHealth;
  #lastHeardMs: number | undefined;
  #bootEpoch: number | undefined;
  #hello: Hello | undefined;
  #overflowing = false;

  constructor(options: PeerLinkOptions) {
    this.#options = options;
    this.#health = newLinkHealth(options.address);
    const { controlQueueBytesMax, logQueueBytesMax } = options.context.settings;
    const onHeard = (): void => this.noteHeard();
    this.#control = this.#newChannel('control', controlQueueBytesMax, {
      onOpen: (hello) => this.#connected(hello),
      onDialFailed: (error) => this.#dialFailed(error),
      onLost: (reason) => this.#unreachable(false, reason),
      onHeard,
      onAnswer: () => this.#answered(),
      onSilence: (failures) => this.#silent(failures),
    });
    this.#log = this.#newChannel('log', logQueueBytesMax, {
      onOpen: () => undefined,
      onDialFailed: (error) => this.#unreachable(false, messageOf(error)),
      onLost: (reason) => this.#unreachable(false, reason),
      onHeard,
      onAnswer: () => undefined,
      onSilence: (failures) => {
        if (failures >= deadFailures) this.#unreachable(false, 'the log connection is silent');
      },
    });
  }

  get peer(): MemberId {
    return this.#options.peer;
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

  /** Resolves when the peer says that the whole snapshot stands there. */
  async sendSnapshot(
    begin: SnapshotBegin,
    chunksFrom: ChunksFrom,
    signal: AbortSignal,
  ): Promise<void> {
    const { context, peer } = this.#options;
    if (this.#health.state.name === 'dead') throw deadPeer(peer, this.#health.state.reason);
    const either = AbortSignal.any([signal, this.#closed.signal]);
    const { address } = this.#health;
    const dialled = await dialPeer(context, { peer, address, purpose: 'bulk', signal: either });
    await sendSnapshot({ context, link: dialled.link, begin, chunksFrom, signal: either });
  }

  /** The peer was heard on a connection of its own. */
  noteHeard(): void {
    this.#lastHeardMs = this.#options.context.clock.monotonicMs();
  }

  /** The peer has just introduced itself, so it can be had: waits for no backoff. */
  probe(): void {
    this.#control.start();
  }

  /** The peer was started again: connections to its former process are worth nothing. */
  renew(): void {
    this.#log.stop();
    // A dial under way has met the new process itself, or will.
    if (this.#control.isOpen) this.#control.restart();
  }

  /**
   * The peer may be refused by what is known now: then its connections end, and are dialled anew.
   */
  judgeAgain(): void {
    if (!this.#hello || !this.#options.context.verifyPeer(this.#hello)) return;
    this.#hello = undefined;
    this.#log.stop();
    this.#control.restart();
  }

  moveTo(address: string): void {
    if (address === this.#health.address) return;
    this.#health = { ...this.#health, address };
    this.#log.stop();
    this.#control.restart();
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
      health: this.#health,
      lastHeardMs: this.#lastHeardMs,
      bootEpoch: this.#bootEpoch,
      sent: {
        frames: control.framesSent + log.framesSent,
        bytes: control.bytesSent + log.bytesSent,
        dropped: this.#control.dropped + this.#log.dropped,
      },
    };
  }

  /** Sends what waits and says goodbye; takes no longer than the settings' grace. */
  async close(): Promise<void> {
    this.#closed.abort(closing());
    await Promise.all([this.#control.close(), this.#log.close()]);
  }

  destroy(): void {
    this.#closed.abort(closing());
    this.#control.stop();
    this.#log.stop();
  }

  #newChannel(purpose: Purpose, holdBytesMax: number, handler: ChannelHandler): Channel {
    const { context, random, peer } = this.#options;
    const address = (): string => this.#health.address;
    return new Channel({ context, random, peer, purpose, address, holdBytesMax, handler });
  }

  #connected(hello: Hello): void {
    const { peer } = this.#options;
    const { bootEpoch } = hello;
    this.#hello = hello;
    this.#bootEpoch = bootEpoch;
    this.noteHeard();
    this.#succeed();
    this.#log.start();
    this.#emit({ type: 'connected', peer, bootEpoch });
  }

  #dialFailed(error: unknown): void {
    const refused = isRefused(error);
    const failure = this.#failure(messageOf(error));
    this.#health = (refused ? withRefusal : withFailure)(this.#health, failure);
    this.#unreachable(refused, failure.reason);
  }

  /** Whatever was thought of the peer meanwhile: behind an open control connection is a log one. */
  #answered(): void {
    this.#succeed();
    this.#log.start();
  }

  #silent(failures: number): void {
    const failure = this.#failure(`${failures} pings in a row without an answer`);
    this.#health = withSilence(this.#health, failures, failure);
    if (this.#health.state.name === 'dead') this.#unreachable(false, failure.reason);
  }

  #succeed(): void {
    this.#health = withSuccess(this.#health, this.#options.context.clock.monotonicMs());
  }

  #failure(reason: string): Failure {
    return { nowMs: this.#options.context.clock.monotonicMs(), reason };
  }

  #unreachable(refused: boolean, reason: string): void {
    if (this.#health.state.name === 'dead') this.#log.stop();
    this.#emit({ type: 'unreachable', peer: this.#options.peer, refused, reason });
  }

  /** Told when the turn ends: a send must not call its own caller back. */
  #emit(event: PeerLinkEvent): void {
    this.#options.context.network.endOfTurn(() => {
      if (!this.#closed.signal.aborted) this.#options.onEvent(event);
    });
  }
}

const closing = (): HoldfastError => new HoldfastError('shutting-down', 'this member is closing');

function deadPeer(peer: MemberId, reason: string): HoldfastError {
  return new HoldfastError('unavailable', `member ${formatId(peer)} is dead: ${reason}`);
}
