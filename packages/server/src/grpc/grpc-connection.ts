// One connection that speaks HTTP/2: it has to introduce itself, shows now and then that somebody
// is there, and has its calls accounted for. What is wrong with it ends it, and harms nobody else.
import {
  type IncomingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Socket } from 'node:net';

import type { Clock, Timer } from '@holdfast/base/clock';

import { ByteBudget } from './byte-budget.ts';
import type { CallPace, PacedConnection } from './call-pace.ts';
import { type CallAccounts, windowBytes } from './http2-stream.ts';
import { ConnectionAnswers, type UnreadAnswers } from './unread-answers.ts';

const settings = {
  // Of one connection at a time; a client that wants more waits, as the protocol says.
  maxConcurrentStreams: 4096,
  initialWindowSize: windowBytes,
  // As HTTP/1.1 has it at this door.
  maxHeaderListSize: 16 * 1024,
  enablePush: false,
};
/** Of all streams of a connection together that is taken in before it is worked on. */
const connectionWindowBytes = 8 * 1024 * 1024;
/** Of its calls together: 4,096 that idle take 32 MiB of it, one message is 2 MiB at the most. */
const heldBytesMax = 128 * 1024 * 1024;

/** From the first bytes to the end of the introduction, as for the first bytes themselves. */
const introductionMs = 3000;
/** Who has begun no call for so long is asked whether it is there, and has so long to say so. */
const quietMs = 30_000;
const pingWaitMs = 20_000;
/** In such a time; each costs a turn through node, and no client has a use for more. */
const settingsMax = 1000;

/** node:http2 has no word for a connection that is not to be read from for a moment. */
type WithHandle = { readonly _handle?: { readStop(): number; readStart(): number } | null };

export type GrpcConnectionOptions = {
  readonly clock: Clock;
  readonly pace: CallPace;
  /** What all connections hold. */
  readonly held: ByteBudget;
  readonly unread: UnreadAnswers;
  readonly unreadMs: number;
  readonly onCall: (
    connection: GrpcConnection,
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
  ) => void;
  /** With what was wrong with it, if anything was. */
  readonly onOver: (connection: GrpcConnection, reason: string | undefined) => void;
};

export class GrpcConnection implements PacedConnection {
  readonly socket: Socket;
  readonly accounts: CallAccounts;
  readonly #options: GrpcConnectionOptions;
  readonly #session: ServerHttp2Session;
  #timer: Timer;
  #hasBegunCall = false;
  #isEnding = false;
  #settingsHeard = 0;
  #reason: string | undefined;

  /** Of a paused socket of which nothing was read. */
  constructor(socket: Socket, options: GrpcConnectionOptions) {
    this.#options = options;
    this.socket = socket;
    const session = performServerHandshake(socket, { settings });
    this.#session = session;
    this.accounts = {
      held: new ByteBudget(heldBytesMax, options.held),
      answers: new ConnectionAnswers({
        whole: options.unread,
        clock: options.clock,
        unreadMs: options.unreadMs,
        writtenBytes: () => socket.bytesWritten,
        giveUp: () => this.#end('it does not read its answers'),
      }),
    };
    this.#timer = this.#endAfter(introductionMs, 'no settings in time');
    this.#listen();
  }

  /** Calls that are under way are answered; new ones go elsewhere. */
  leave(): void {
    this.#session.close();
  }

  destroyWithin(leaveMs: number): void {
    this.leave();
    this.#timer.cancel();
    this.#isEnding = true;
    this.#timer = this.#options.clock.schedule(leaveMs, () => this.#session.destroy());
  }

  pauseReading(): void {
    (this.socket as WithHandle)._handle?.readStop();
  }

  resumeReading(): void {
    (this.socket as WithHandle)._handle?.readStart();
  }

  /** What is told of it once it is over; the first such thing counts. */
  note(reason: string): void {
    this.#reason ??= reason;
  }

  #listen(): void {
    const session = this.#session;
    session.once('connect', () => session.setLocalWindowSize(connectionWindowBytes));
    session.on('remoteSettings', () => {
      this.#settingsHeard += 1;
      if (this.#settingsHeard > settingsMax) this.#end('it sends settings without an end');
    });
    // It has heard ours, for which it has to have sent its own.
    session.once('localSettings', () => this.#scheduleLook());
    session.on('stream', (stream, headers) => {
      this.#hasBegunCall = true;
      this.#options.pace.begin(this);
      this.#options.onCall(this, stream, headers);
    });
    session.on('error', (error: Error) => this.note(error.message));
    session.once('close', () => {
      this.#timer.cancel();
      this.#options.pace.forget(this);
      this.accounts.answers.close();
      this.#options.onOver(this, this.#reason);
    });
  }

  #scheduleLook(): void {
    if (this.#isEnding) return;
    this.#settingsHeard = 0;
    this.#timer.cancel();
    this.#timer = this.#options.clock.schedule(quietMs, () => this.#look());
  }

  /** Bytes alone show nobody: a session that node has given up reads, and answers nothing. */
  #look(): void {
    if (this.#hasBegunCall) {
      this.#hasBegunCall = false;
      this.#scheduleLook();
      return;
    }
    this.#timer = this.#endAfter(pingWaitMs, 'no answer to a ping');
    this.#session.ping((error) => {
      if (!error) this.#scheduleLook();
    });
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
    this.#session.destroy();
  }
}
