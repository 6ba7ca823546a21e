// One accepted connection: a stranger until its handshake, then one purpose of one peer. A stranger
// has little time and may send little; a peer that falls silent is let go, because its own side
// pings sooner than that. What the frames mean is decided by peer-listener.ts.
import type { Timer } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';
import type { MemberId } from '@holdfast/base/ids';
import { type Frame, frameKinds } from './frame.ts';
import type { FrameLink } from './frame-link.ts';
import { checkHandshake, encodeAnswer, type Hello, type Introduced } from './handshake.ts';
import type { LinkEnd } from './link.ts';
import type { MemberContext } from './peer-dialer.ts';

export interface InboundHandler {
  /** After the answer was sent; frames follow. */
  onIntroduced(connection: InboundConnection, introduced: Introduced): void;
  onFrame(connection: InboundConnection, frame: Frame): void;
  onHeard(connection: InboundConnection): void;
  /** Once, however it ended; `reason` is for people. Undefined: it left without a single word. */
  onOver(connection: InboundConnection, reason: string | undefined): void;
}

type State =
  | { readonly name: 'stranger' }
  | { readonly name: 'peer'; readonly introduced: Introduced }
  /** It was told why, and is given until the deadline to hear it. */
  | { readonly name: 'refused'; readonly reason: string | undefined }
  | { readonly name: 'over' };

export class InboundConnection {
  readonly link: FrameLink;
  readonly #context: MemberContext;
  readonly #handler: InboundHandler;
  #state: State = { name: 'stranger' };
  #timer: Timer;
  #dueMs: number;
  #heardMs: number;

  constructor(context: MemberContext, link: FrameLink, handler: InboundHandler) {
    const { clock, settings } = context;
    this.#context = context;
    this.#handler = handler;
    this.link = link;
    this.#heardMs = clock.monotonicMs();
    this.#dueMs = this.#heardMs + settings.handshakeTimeoutMs;
    this.#timer = clock.schedule(settings.handshakeTimeoutMs, () => this.#fire());
  }

  /** Begins to listen. */
  open(): void {
    this.link.open({
      onHeard: () => this.#heard(),
      onFrame: (frame) => this.#heed(frame),
      onEnd: (end) => this.#left(end),
    });
  }

  /** Who it is; undefined before the handshake and after the end. */
  get peer(): MemberId | undefined {
    return this.#state.name === 'peer' ? this.#state.introduced.hello.memberId : undefined;
  }

  /** What it has shown; undefined before the handshake and after the end. */
  get hello(): Hello | undefined {
    return this.#state.name === 'peer' ? this.#state.introduced.hello : undefined;
  }

  end(reason: string): void {
    this.link.destroy();
    this.#over(reason);
  }

  #heed(frame: Frame): void {
    if (this.#state.name === 'peer') this.#handler.onFrame(this, frame);
    else if (this.#state.name === 'stranger') this.#introduce(frame);
  }

  #introduce(frame: Frame): void {
    const { identity, epochs, verifyPeer, clock, settings } = this.#context;
    try {
      if (frame.kind !== frameKinds.handshake) {
        throw new HoldfastError('corrupt', `the first frame has kind ${frame.kind}, no handshake`);
      }
      const introduced = checkHandshake(
        { payload: frame.payload, verdict: this.link.verdict },
        identity,
        verifyPeer,
      );
      const stale = epochs.observe(introduced.hello);
      if (stale) throw stale;
      this.#state = { name: 'peer', introduced };
      this.link.send(frameKinds.handshakeResponse, encodeAnswer(identity));
      this.#arm(settings.inboundSilenceMs, clock.monotonicMs());
      this.#trust();
      this.#handler.onIntroduced(this, introduced);
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      this.#refuse(error);
    }
  }

  #refuse(error: HoldfastError): void {
    const { identity } = this.#context;
    // Whoever has only looked leaves as one who never said a word.
    const isLook = error.details['isLook'] === true;
    this.#state = { name: 'refused', reason: isLook ? undefined : error.message };
    this.link.send(frameKinds.handshakeResponse, encodeAnswer(identity, error));
    this.link.close();
  }

  #trust(): void {
    this.link.trust({
      onHeard: () => this.#heard(),
      onFrame: (frame) => this.#heed(frame),
      onEnd: (end) => this.#left(end),
    });
  }

  #heard(): void {
    this.#heardMs = this.#context.clock.monotonicMs();
    this.#handler.onHeard(this);
  }

  #arm(delayMs: number, nowMs: number): void {
    const { clock } = this.#context;
    this.#timer.cancel();
    this.#dueMs = nowMs + delayMs;
    this.#timer = clock.schedule(delayMs, () => this.#fire());
  }

  #fire(): void {
    const nowMs = this.#context.clock.monotonicMs();
    if (this.#state.name === 'peer') this.#checkSilence(nowMs);
    else this.end('no handshake in time');
  }

  #checkSilence(nowMs: number): void {
    const { settings } = this.#context;
    const leftMs = settings.inboundSilenceMs - (nowMs - this.#heardMs);
    const overslept = nowMs - this.#dueMs > settings.silence.ownLagMs;
    if (leftMs < 1 && !overslept) this.end('silent for too long');
    // After its own sleep this process listens once more before it judges.
    else this.#arm(overslept ? settings.silence.silenceMs : leftMs, nowMs);
  }

  #left(end: LinkEnd): void {
    const isSpoken = end.type === 'failed' && end.isSpoken === true;
    const isMute =
      this.#state.name === 'stranger' && this.link.counters.bytesReceived === 0 && !isSpoken;
    this.#over(isMute ? undefined : reasonOf(end));
  }

  #over(reason: string | undefined): void {
    if (this.#state.name === 'over') return;
    this.#timer.cancel();
    // The handler may still ask who it was.
    this.#handler.onOver(this, this.#state.name === 'refused' ? this.#state.reason : reason);
    this.#state = { name: 'over' };
  }
}

const reasonOf = (end: LinkEnd): string =>
  end.type === 'failed' ? end.reason : 'the other side hung up';
