// The server's side of a connection of HTTP/2 (RFC 9113), with as much of it as gRPC needs: calls
// come in, nothing is pushed, priorities are heard and not heeded. What is wrong with a connection
// ends it, what is wrong with a stream ends that one; what costs a client less than us it may say
// so often and no more.
import type { Socket } from 'node:net';
import type { Clock } from '@holdfast/base/clock';
import { SteadyMap } from '@holdfast/base/steady-map';

import { ClientBounds } from './client-bounds.ts';
import {
  type ErrorCode,
  errorCodes,
  frameFlags,
  frameOf,
  frameTypes,
  goAwayFrame,
  Http2Error,
  numberFrame,
  protocolError,
  settingIds,
  settingsFrame,
  windowAtFirst,
} from './frame.ts';
import type { FrameReader } from './frame-reader.ts';
import { type HeaderList, listBytesMax } from './header-list.ts';
import { type FrameListener, Incoming } from './incoming.ts';
import { Outgoing } from './outgoing.ts';
import { PeerSettings } from './peer-settings.ts';
import { ReceiveWindow } from './receive-window.ts';
import { ServerStream, type StreamHost } from './server-stream.ts';

export type ConnectionOptions = {
  readonly clock: Clock;
  /** At a time; a client that begins more is refused those. */
  readonly streamsMax: number;
  /** What a client may send on a stream, and on all together, before it was taken in. */
  readonly windowBytes: number;
  readonly connectionWindowBytes: number;
  /** A call has begun: it has to be opened at once, or ended. */
  readonly onStream: (stream: ServerStream) => void;
  /** The client has said its settings, and heard ours. */
  readonly onIntroduced: () => void;
  /** With what was wrong, if anything was. All of its streams are gone. */
  readonly onOver: (reason: string | undefined) => void;
};

/** Of settings, in frames that say nothing. */
const settingsCost = 10;
/** For the last words to be read. */
const lingerMs = 1000;
const settingsAck = frameOf({ type: frameTypes.settings, flags: frameFlags.ack, stream: 0 });

export class ServerConnection implements StreamHost, FrameListener {
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #incoming: Incoming;
  readonly #outgoing: Outgoing;
  readonly #peer = new PeerSettings();
  readonly #bounds: ClientBounds;
  readonly #window: ReceiveWindow;
  readonly #streams = new SteadyMap<number, ServerStream>();
  readonly #pings: (() => void)[] = [];
  #lastStream = 0;
  #isIntroduced = false;
  #isPaused = false;
  #isLeaving = false;
  #isOver = false;

  /** Of a paused socket of which nothing was read. */
  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#window = new ReceiveWindow(options.connectionWindowBytes);
    this.#bounds = new ClientBounds(options.clock);
    this.#incoming = new Incoming(this);
    this.#outgoing = new Outgoing({
      socket,
      onSent: (stream) => this.#heedSent(stream),
      onIdle: () => this.#maybeEnd(),
      onOverflow: () => this.destroy('it reads nothing that it is told'),
    });
    socket.on('error', () => undefined); // Its close follows, and is what counts.
    socket.once('close', () => this.#finish(undefined));
    socket.on('data', (bytes: Buffer) => this.#take(bytes));
    this.#greet();
    socket.resume();
  }

  /** Of messages: what was given to the socket, of which little waits there (see `Outgoing`). */
  get sentBytes(): number {
    return this.#outgoing.sentBytes;
  }

  ping(onAnswer: () => void): void {
    this.#pings.push(onAnswer);
    const payload = Buffer.alloc(8, 'holdfast');
    this.#outgoing.say(frameOf({ type: frameTypes.ping, flags: 0, stream: 0 }, payload));
  }

  /** No frame is heeded before `resumeReading`. */
  pauseReading(): void {
    this.#isPaused = true;
    this.#socket.pause();
  }

  /** Not at once: whoever calls this may be asked to pause again. */
  resumeReading(): void {
    this.#isPaused = false;
    process.nextTick(() => this.#resume());
  }

  /** Streams that are open go on; the connection ends with the last of them. */
  leave(): void {
    if (this.#isLeaving || this.#isOver) return;
    this.#isLeaving = true;
    this.#outgoing.say(goAwayFrame(this.#lastStream, errorCodes.noError));
  }

  destroy(reason?: string): void {
    this.#finish(reason);
    this.#socket.destroy();
  }

  wake(stream: ServerStream): void {
    if (!this.#isOver) this.#outgoing.wake(stream);
  }

  widen(stream: ServerStream, bytes: number): void {
    this.#outgoing.say(numberFrame(frameTypes.windowUpdate, stream.id, bytes));
  }

  reset(stream: ServerStream, code: ErrorCode): void {
    this.#sayReset(stream.id, code);
    this.#drop(stream);
  }

  heedHead(id: number, list: HeaderList, isEnd: boolean): void {
    const open = this.#streams.get(id);
    if (open) return this.#heedTrailers(open, list, isEnd);
    if (id <= this.#lastStream) return this.#heedLateHead(id, list);
    if (this.#isLeaving) return; // It was told that this one is not heard.
    this.#lastStream = id;
    if (list.isTooLarge) return this.#refuse(id, errorCodes.enhanceYourCalm);
    if (!list.isRequest) return this.#refuse(id, errorCodes.protocolError);
    const { streamsMax, windowBytes, onStream } = this.#options;
    if (this.#streams.size >= streamsMax) return this.#refuse(id, errorCodes.refusedStream);
    const parts = { host: this, windowBytes, sendWindow: this.#peer.streamWindow };
    const stream = new ServerStream({ id, headers: list }, parts);
    this.#streams.set(id, stream);
    onStream(stream);
    if (isEnd) this.#heedEnd(stream);
  }

  heedData({ stream: id, wholeBytes, bytes, lo, hi }: FrameReader, isEnd: boolean): void {
    const back = this.#window.take(wholeBytes);
    if (back > 0) this.#outgoing.say(numberFrame(frameTypes.windowUpdate, 0, back));
    const stream = this.#streams.get(id);
    if (!stream) return this.#heedLate(id);
    if (stream.hasEnded) return this.#break(stream, errorCodes.streamClosed);
    if (lo === hi && !isEnd) this.#countIdle();
    if (!stream.take(bytes.subarray(lo, hi), wholeBytes)) {
      this.#break(stream, errorCodes.flowControlError);
    } else if (isEnd) this.#heedEnd(stream);
  }

  heedReset(id: number): void {
    const stream = this.#streams.get(id);
    if (!stream) return this.#heedLate(id);
    this.#bounds.countReset();
    this.#drop(stream);
  }

  heedWindow(id: number, bytes: number): void {
    this.#countIdle();
    if (id === 0) return this.#growAll(bytes);
    const stream = this.#streams.get(id);
    if (!stream) return this.#checkBegun(id);
    if (bytes === 0) this.#break(stream, errorCodes.protocolError);
    else if (stream.grow(bytes)) this.#outgoing.wake(stream);
    else this.#break(stream, errorCodes.flowControlError);
  }

  heedSettings(payload: Buffer): void {
    this.#countIdle(settingsCost);
    const before = this.#peer.streamWindow;
    this.#peer.take(payload);
    this.#outgoing.frameBytesMax = this.#peer.frameBytesMax;
    this.#growStreams(this.#peer.streamWindow - before);
    this.#outgoing.say(settingsAck);
  }

  heedSettingsAck(): void {
    this.#countIdle();
    if (this.#isIntroduced) return;
    this.#isIntroduced = true;
    this.#options.onIntroduced();
  }

  heedPing(payload: Buffer): void {
    this.#countIdle();
    const head = { type: frameTypes.ping, flags: frameFlags.ack, stream: 0 };
    this.#outgoing.say(frameOf(head, payload));
  }

  heedPingAck(): void {
    this.#countIdle();
    this.#pings.shift()?.();
  }

  heedGoAway(): void {
    this.leave();
  }

  heedIdle(): void {
    this.#countIdle();
  }

  #greet(): void {
    const { streamsMax, windowBytes, connectionWindowBytes } = this.#options;
    this.#outgoing.say(
      settingsFrame([
        [settingIds.maxConcurrentStreams, streamsMax],
        [settingIds.initialWindowSize, windowBytes],
        [settingIds.maxHeaderListSize, listBytesMax],
      ]),
    );
    const more = connectionWindowBytes - windowAtFirst;
    this.#outgoing.say(numberFrame(frameTypes.windowUpdate, 0, more));
  }

  #take(chunk: Buffer): void {
    if (this.#isOver) return; // It was told why.
    this.#guarded(() => {
      this.#incoming.push(chunk);
      this.#goOn();
    });
  }

  #resume(): void {
    if (this.#isPaused || this.#isOver) return;
    this.#guarded(() => this.#goOn());
    if (!this.#isPaused) this.#socket.resume();
  }

  #goOn(): void {
    while (!this.#isPaused && !this.#isOver && this.#incoming.heedNext());
  }

  #guarded(heed: () => void): void {
    try {
      heed();
    } catch (error) {
      if (!(error instanceof Http2Error)) throw error;
      this.#fail(error);
    }
  }

  #heedTrailers(stream: ServerStream, list: HeaderList, isEnd: boolean): void {
    if (stream.hasEnded) return this.#break(stream, errorCodes.streamClosed);
    const isGood = isEnd && !list.isTooLarge && list.isTrailers;
    if (isGood) this.#heedEnd(stream);
    else this.#break(stream, errorCodes.protocolError);
  }

  #heedEnd(stream: ServerStream): void {
    if (stream.isGone) return;
    if (!stream.takeEnd()) this.#break(stream, errorCodes.protocolError);
  }

  /**
   * Trailers of a stream that is over: the client may not have known, which is counted as a call
   * that breaks. No call may begin there (section 5.1.1). What a list too long held nobody knows.
   */
  #heedLateHead(id: number, list: HeaderList): void {
    if (!list.isTooLarge && !list.isTrailers) throw protocolError('a call on a stream of before');
    this.#refuse(id, errorCodes.streamClosed);
  }

  /** About a stream that is over: the client may not know yet. */
  #heedLate(id: number): void {
    this.#checkBegun(id);
    this.#countIdle();
  }

  /** A frame about a stream that was never begun. */
  #checkBegun(id: number): void {
    // Those that a leaving member does not hear have been begun, too.
    const isBegun = id % 2 === 1 && (id <= this.#lastStream || this.#isLeaving);
    if (!isBegun) throw protocolError('a frame about a stream that was not begun');
  }

  #growAll(bytes: number): void {
    if (bytes === 0) throw protocolError('room of no byte');
    if (!this.#outgoing.grow(bytes)) throw tooWide();
  }

  #growStreams(bytes: number): void {
    if (bytes === 0) return;
    for (const stream of this.#streams.values()) {
      if (!stream.grow(bytes)) throw tooWide();
      this.#outgoing.wake(stream);
    }
  }

  #countIdle(count = 1): void {
    this.#bounds.heedSent(this.#outgoing.takeSentFrames());
    this.#bounds.countIdle(count);
  }

  /** A stream that is not opened. */
  #refuse(id: number, code: ErrorCode): void {
    this.#bounds.countReset();
    this.#sayReset(id, code);
  }

  /** A stream on which something came that may not be. */
  #break(stream: ServerStream, code: ErrorCode): void {
    this.#bounds.countReset();
    this.reset(stream, code);
  }

  #sayReset(id: number, code: ErrorCode): void {
    if (!this.#isOver) this.#outgoing.say(numberFrame(frameTypes.resetStream, id, code));
  }

  #heedSent(stream: ServerStream): void {
    if (stream.isGone) return;
    if (!stream.hasSentEnd) return stream.tellRoom();
    this.#bounds.heedAnswer();
    // Who has heard how the call ended has nothing more to say (section 8.1).
    if (stream.hasEnded) this.#drop(stream);
    else this.reset(stream, errorCodes.noError);
  }

  #drop(stream: ServerStream): void {
    this.#streams.delete(stream.id);
    this.#outgoing.forget(stream);
    stream.finish();
    if (this.#isLeaving) this.#outgoing.flushSoon();
  }

  #maybeEnd(): void {
    if (!this.#isLeaving || this.#isOver || this.#streams.size > 0) return;
    this.#finish(undefined);
    hangUp(this.#socket, this.#options.clock);
  }

  #fail({ code, message }: Http2Error): void {
    if (this.#isOver) return;
    this.#outgoing.say(goAwayFrame(this.#lastStream, code, message));
    this.#finish(message);
    this.#outgoing.flush();
    hangUp(this.#socket, this.#options.clock);
  }

  #finish(reason: string | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const streams = this.#streams.values();
    this.#streams.clear();
    for (const stream of streams) {
      this.#outgoing.forget(stream);
      stream.finish();
    }
    this.#options.onOver(reason);
  }
}

/** What it still says is not heard: closed at once, the last words would be lost. */
function hangUp(socket: Socket, clock: Clock): void {
  const timer = clock.schedule(lingerMs, () => socket.destroy());
  socket.once('close', () => timer.cancel());
  socket.resume();
  socket.end();
}

const tooWide = (): Http2Error =>
  new Http2Error(errorCodes.flowControlError, 'a window past all bounds');
