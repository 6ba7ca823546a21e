// One connection that speaks HTTP/2: it has to introduce itself, shows now and then that somebody
// is there, and has its calls accounted for. What is wrong with it ends it, and harms nobody else.
import type { Socket } from 'node:net';

import type { Clock, Timer } from '@holdfast/base/clock';

import { ServerConnection } from '../http2/server-connection.ts';
import type { ServerStream } from '../http2/server-stream.ts';
import { ByteBudget } from './byte-budget.ts';
import type { CallPace, PacedConnection } from './call-pace.ts';
import { type CallAccounts, windowBytes } from './http2-stream.ts';
import { ConnectionAnswers, type UnreadAnswers } from './unread-answers.ts';

/** Of one connection at a time; a client that wants more waits, as the protocol says. */
const streamsMax = 4096;
/** Of all streams of a connection together that is taken in before it is worked on. */
const connectionWindowBytes = 8 * 1024 * 1024;
/** Of its calls together: 4,096 that idle take 32 MiB of it, one message is 2 MiB at the most. */
const heldBytesMax = 128 * 1024 * 1024;
/** Of those: by calls of which it is not known yet who makes them, 128 at a time. */
const heldBackBytesMax = heldBytesMax / 4;

/** From the first bytes to the end of the introduction, as for the first bytes themselves. */
const introductionMs = 3000;
/** Who has begun no call for so long is asked whether it is there, and has so long to say so. */
const quietMs = 30_000;
const pingWaitMs = 20_000;

export type GrpcConnectionOptions = {
  readonly clock: Clock;
  readonly pace: CallPace;
  /** What all connections hold. */
  readonly held: ByteBudget;
  /** And those of which it is not known yet who makes them. */
  readonly heldBack: ByteBudget;
  readonly unread: UnreadAnswers;
  readonly unreadMs: number;
  readonly onCall: (connection: GrpcConnection, stream: ServerStream) => void;
  /** With what was wrong with it, if anything was. */
  readonly onOver: (connection: GrpcConnection, reason: string | undefined) => void;
};

export class GrpcConnection implements PacedConnection {
  readonly socket: Socket;
  readonly accounts: CallAccounts;
  readonly #options: GrpcConnectionOptions;
  readonly #connection: ServerConnection;
  #timer: Timer;
  #hasBegunCall = false;
  #isEnding = false;
  #reason: string | undefined;

  /** Of a paused socket of which nothing was read. */
  constructor(socket: Socket, options: GrpcConnectionOptions) {
    this.#options = options;
    this.socket = socket;
    // HTTP/1.1 leaves its sockets half open: a client that has gone would be one that listens.
    socket.allowHalfOpen = false;
    const answers = (): ConnectionAnswers =>
      new ConnectionAnswers({
        whole: options.unread,
        clock: options.clock,
        unreadMs: options.unreadMs,
        sentBytes: () => this.#connection.sentBytes,
        giveUp: () => this.#end('it does not read its answers'),
      });
    this.accounts = {
      held: new ByteBudget(heldBytesMax, options.held),
      heldBack: new ByteBudget(heldBackBytesMax, options.heldBack),
      answers: answers(),
      longAnswers: answers(),
    };
    this.#timer = this.#endAfter(introductionMs, 'no settings in time');
    this.#connection = this.#open();
  }

  /** Calls that are under way are answered; new ones go elsewhere. */
  leave(): void {
    this.#connection.leave();
  }

  destroyWithin(leaveMs: number): void {
    this.leave();
    this.#timer.cancel();
    this.#isEnding = true;
    this.#timer = this.#options.clock.schedule(leaveMs, () => this.#connection.destroy());
  }

  pauseReading(): void {
    this.#connection.pauseReading();
  }

  resumeReading(): void {
    this.#connection.resumeReading();
  }

  /** What is told of it once it is over; the first such thing counts. */
  note(reason: string): void {
    this.#reason ??= reason;
  }

  #open(): ServerConnection {
    const { clock, pace, onCall, onOver } = this.#options;
    return new ServerConnection(this.socket, {
      ...{ clock, streamsMax, windowBytes, connectionWindowBytes },
      onStream: (stream) => {
        this.#hasBegunCall = true;
        pace.begin(this);
        onCall(this, stream);
      },
      onIntroduced: () => this.#scheduleLook(),
      onOver: (reason) => {
        this.#timer.cancel();
        pace.forget(this);
        this.accounts.answers.close();
        this.accounts.longAnswers.close();
        onOver(this, this.#reason ?? reason);
      },
    });
  }

  #scheduleLook(): void {
    if (this.#isEnding) return;
    this.#timer.cancel();
    this.#timer = this.#options.clock.schedule(quietMs, () => this.#look());
  }

  #look(): void {
    if (this.#hasBegunCall) {
      this.#hasBegunCall = false;
      this.#scheduleLook();
      return;
    }
    this.#timer = this.#endAfter(pingWaitMs, 'no answer to a ping');
    this.#connection.ping(() => this.#scheduleLook());
  }

  /** In parts: a member that was busy for as long reads what has come before it blames anybody. */
  #endAfter(waitMs: number, reason: string, parts = 4): Timer {
    return this.#options.clock.schedule(waitMs / parts, () => {
      if (parts === 1) this.#end(reason);
      else this.#timer = this.#endAfter(waitMs - waitMs / parts, reason, parts - 1);
    });
  }

  #end(reason: string): void {
    this.note(reason);
    this.#connection.destroy();
  }
}
