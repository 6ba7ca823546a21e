// Deadlines become signals at the edge of the process; inside it everybody just takes `{signal}`.
import type { Clock } from './clock.ts';
import { HoldfastError } from './errors.ts';
import { LinkedList, ListLink } from './linked-list.ts';

export type Deadline = {
  readonly signal: AbortSignal;
  /** Frees the timer and the parent's listener: call it in `finally`. */
  dispose(): void;
};

/** A signal that aborts after `timeoutMs` with `deadline-exceeded`, or when `parent` aborts. */
export function startDeadline(clock: Clock, timeoutMs: number, parent?: AbortSignal): Deadline {
  const controller = new AbortController();
  const timer = clock.schedule(timeoutMs, () => controller.abort(deadlineExceeded(timeoutMs)));
  const onParent = (): void => controller.abort(parent?.reason);
  if (parent?.aborted) onParent();
  else parent?.addEventListener('abort', onParent, { once: true });
  return {
    signal: controller.signal,
    dispose: () => {
      timer.cancel();
      parent?.removeEventListener('abort', onParent);
    },
  };
}

/** What ends a wait for an answer. */
export const deadlineExceeded = (timeoutMs: number): HoldfastError =>
  new HoldfastError('deadline-exceeded', `no answer within ${timeoutMs} ms`, {
    outcome: 'unknown',
  });

/**
 * Waits for `promise`, but no longer than the signal lives. The signal ends the *wait*, never the
 * work: what was proposed stays proposed.
 */
export function waitFor<T>(promise: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (!signal) return promise;
  if (signal.aborted) {
    promise.catch(() => undefined); // Its failure has no listener any more, and needs none.
    return Promise.reject(signal.reason);
  }
  return new Promise((resolve, reject) => {
    const wait = waitUnder(signal, { reject });
    promise.then(
      (value) => {
        leaveSignal(signal, wait);
        resolve(value);
      },
      (error: unknown) => {
        leaveSignal(signal, wait);
        reject(error);
      },
    );
  });
}

/** One who waits while a signal lives, and is told its reason when it ends. */
export type SignalWaiter = { reject(reason: unknown): void };

/** A place among those who wait under a signal. */
export type SignalWait = ListLink<SignalWaiter>;

/** The signal lives. `leaveSignal` follows when the wait is over, whoever ended it. */
export function waitUnder(signal: AbortSignal, waiter: SignalWaiter): SignalWait {
  let waits = waitsOfSignals.get(signal);
  if (!waits) {
    waits = new SignalWaits(signal);
    waitsOfSignals.set(signal, waits);
  }
  const wait = new ListLink(waiter);
  waits.waiters.add(wait);
  return wait;
}

export function leaveSignal(signal: AbortSignal, wait: SignalWait): void {
  waitsOfSignals.get(signal)?.leave(wait);
}

/**
 * Those who wait under one signal, which has one listener for them all: to add one and to take it
 * away costs more than all the rest of a wait, and many calls share a signal. Whoever comes after
 * the last has gone finds a signal without a listener, as the first did: one that was made of
 * others would be held by its listener for as long as these live.
 */
class SignalWaits {
  readonly waiters = new LinkedList<SignalWaiter>();
  readonly #signal: AbortSignal;
  readonly #onAbort = (): void => {
    const { reason } = this.#signal;
    for (let one = this.waiters.shift(); one; one = this.waiters.shift()) one.reject(reason);
  };

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  leave(wait: SignalWait): void {
    if (!wait.isListed) return;
    this.waiters.remove(wait);
    if (this.waiters.length > 0) return;
    this.#signal.removeEventListener('abort', this.#onAbort);
    waitsOfSignals.delete(this.#signal);
  }
}

const waitsOfSignals = new WeakMap<AbortSignal, SignalWaits>();
