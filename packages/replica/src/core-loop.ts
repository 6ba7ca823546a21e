// Steps the core. Inputs are queued by whoever has them, and stepped together once a turn of the
// event loop, so that everything that arrived in one turn shares one Ready, one message a peer and
// one sync. Owns the queue, the turn and the core's timer; what a Ready asks for is done by the
// driver.
import type { Clock, Timer } from '@holdfast/base/clock';
import type { Input } from '@holdfast/raft/input';
import type { Raft } from '@holdfast/raft/raft';
import type { Ready } from '@holdfast/raft/ready';
import type { CoreRecorder } from './ports.ts';

export type CoreLoopOptions = {
  readonly raft: Raft;
  readonly clock: Clock;
  readonly nextTurn: (action: () => void) => void;
  /** Told before each input. */
  readonly onInput: ((nowMs: number, input: Input) => void) | undefined;
  readonly recorder: Pick<CoreRecorder, 'input' | 'turnEnded'> | undefined;
  /** What else waits for the core: called after the queued inputs, may `step` some more. */
  readonly gather: (step: (input: Input) => void) => void;
  /** Whether gather would find something. */
  readonly hasWaiting: () => boolean;
  readonly onReady: (ready: Ready) => void;
  /** The core wants nothing more in this turn. */
  readonly onSettled: () => void;
  /** A broken invariant: nothing is stepped any more. */
  readonly onFailure: (error: unknown) => void;
};

export class CoreLoop {
  readonly #options: CoreLoopOptions;
  #inputs: Input[] = [];
  #isTurnAsked = false;
  #isDraining = false;
  #isStopped = false;
  #timer: Timer | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;

  constructor(options: CoreLoopOptions) {
    this.#options = options;
  }

  /** Queues an input for this turn's end. */
  enqueue(input: Input): void {
    this.#inputs.push(input);
    this.askTurn();
  }

  /** The end of an IO: stepped at once, for acknowledgements wait for it. */
  stepNow(input: Input): void {
    this.#inputs.push(input);
    this.drain();
  }

  askTurn(): void {
    if (this.#isTurnAsked || this.#isDraining || this.#isStopped) return;
    this.#isTurnAsked = true;
    this.#options.nextTurn(() => {
      this.#isTurnAsked = false;
      this.drain();
    });
  }

  /** Steps everything that waits and does what the core then wants, until it wants nothing more. */
  drain(): void {
    if (this.#isDraining || this.#isStopped) return;
    this.#isDraining = true;
    try {
      do {
        this.#stepWaiting();
        const ready = this.#options.raft.ready();
        this.#options.recorder?.turnEnded(ready);
        this.#options.onReady(ready);
      } while (this.#inputs.length > 0);
      this.#options.onSettled();
      this.#armTimer();
    } catch (error) {
      // A broken invariant ends the member, it must not go on half-way.
      this.stop();
      this.#options.onFailure(error);
    } finally {
      this.#isDraining = false;
    }
    if (this.#inputs.length > 0 || this.#options.hasWaiting()) this.askTurn();
  }

  /** Nothing is stepped any more; what is queued is dropped. */
  stop(): void {
    this.#isStopped = true;
    this.#inputs = [];
    this.#timer?.cancel();
  }

  readonly #step = (input: Input): void => {
    const { clock, raft, onInput, recorder } = this.#options;
    const nowMs = clock.monotonicMs();
    onInput?.(nowMs, input);
    recorder?.input(nowMs, input);
    raft.step(nowMs, input);
  };

  #stepWaiting(): void {
    const inputs = this.#inputs;
    this.#inputs = [];
    for (const input of inputs) this.#step(input);
    this.#options.gather(this.#step);
  }

  /**
   * Each heartbeat moves the election away: a timer that is early looks again, which is cheaper
   * than a new one a heartbeat.
   */
  #armTimer(): void {
    const { raft, clock } = this.#options;
    const atMs = raft.nextTickMs;
    if (this.#timerAtMs <= atMs) return;
    this.#timer?.cancel();
    this.#timerAtMs = atMs;
    this.#timer = clock.schedule(Math.max(0, atMs - clock.monotonicMs()), () => this.#timerFired());
  }

  #timerFired(): void {
    const { raft, clock } = this.#options;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    if (clock.monotonicMs() >= raft.nextTickMs) this.enqueue({ type: 'tick' });
    else this.#armTimer();
  }
}
