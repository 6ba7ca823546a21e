// The engine of a member from its first start to the member's end. Damage that shows while it runs
// is for a start to find, and for the peers to repair (safety.md 5): the engine is then closed and
// started anew in the same process, so the door stays open and says what goes on. Anything else,
// and damage that keeps coming, ends the member.
import { Backoff } from '@holdfast/base/backoff';
import { type Clock, sleep } from '@holdfast/base/clock';
import { HoldfastError, isHoldfastError } from '@holdfast/base/errors';
import type { Random } from '@holdfast/base/random';
import { TaskGroup } from '@holdfast/base/task-group';

export type EngineLifeOptions<E> = {
  readonly clock: Clock;
  readonly random: Random;
  /** Opens the directory and makes an engine on it, which tells `onFatal` when it cannot go on. */
  readonly open: (onFatal: (error: unknown) => void) => Promise<E>;
  /** It takes part in its cluster, which may be before it is ready. */
  readonly onStarted: (engine: E) => void;
  /** It is closed because of `error`, and will be started again. */
  readonly onRestart: (error: HoldfastError) => void;
  /** The member must end. */
  readonly onEnd: (error: unknown) => void;
};

/** A disk that shows new damage more often than this is not worth another try. */
const restartsMax = 5;
const restartsWithinMs = 60 * 60 * 1000;
const pause = { initialMs: 200, maxMs: 10_000 };

export class EngineLife<E extends { start(): Promise<void>; close(): Promise<void> }> {
  readonly #options: EngineLifeOptions<E>;
  readonly #tasks: TaskGroup;
  readonly #backoff: Backoff;
  #engine: E | undefined;
  #restartsMs: number[] = [];
  #closing: Promise<void> | undefined;

  constructor(options: EngineLifeOptions<E>) {
    this.#options = options;
    this.#tasks = new TaskGroup(options.onEnd);
    this.#backoff = new Backoff(pause, options.random);
  }

  /** The present one, also while it starts or is closed. */
  get engine(): E | undefined {
    return this.#engine;
  }

  /** Resolves when the engine takes part for the first time. */
  async start(): Promise<void> {
    const { open, onStarted } = this.#options;
    const engine = await open((error) => this.#failed(error));
    this.#engine = engine;
    if (this.#closing) {
      await engine.close();
      throw new HoldfastError('shutting-down', 'this member was told to end while it started');
    }
    await engine.start();
    onStarted(engine);
  }

  /** Breaks off a start that is under way. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const restarting = this.#tasks.close();
    await this.#engine?.close();
    await restarting;
    // One that was opened meanwhile closes itself; closing twice is the same end.
    await this.#engine?.close();
  }

  #failed(error: unknown): void {
    const { clock, onRestart, onEnd } = this.#options;
    if (this.#closing) return;
    if (!isHoldfastError(error, 'corrupt')) {
      onEnd(error);
      return;
    }
    const nowMs = clock.monotonicMs();
    this.#restartsMs = this.#restartsMs.filter((atMs) => nowMs - atMs < restartsWithinMs);
    if (this.#restartsMs.length >= restartsMax) {
      onEnd(tooOften(error));
      return;
    }
    this.#restartsMs.push(nowMs);
    onRestart(error);
    this.#tasks.run((signal) => this.#restart(signal));
  }

  async #restart(signal: AbortSignal): Promise<void> {
    await this.#engine?.close();
    await sleep(this.#options.clock, this.#backoff.nextMs(), signal);
    await this.start();
  }
}

const tooOften = (error: HoldfastError): HoldfastError =>
  new HoldfastError(
    'corrupt',
    `${error.message}; damage was found ${restartsMax + 1} times within an hour: replace the ` +
      'disk of this member, then add it to the cluster again with an empty data directory',
    { cause: error },
  );
