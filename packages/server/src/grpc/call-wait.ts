// How long a call may last whose time is its client's: until the client has its answer, gives it
// up or is gone, or until the time that it gave is over; and never longer than the door stands
// open.
import type { Deadline } from '@holdfast/base/deadline';
import { HoldfastError } from '@holdfast/base/errors';

import type { HttpContext } from '../http/http-context.ts';

export class CallWait implements Deadline {
  readonly #end = new AbortController();
  readonly signal: AbortSignal = this.#end.signal;
  readonly #free: () => void;

  /** Without a time of its own it has none. */
  constructor({ clock, streams }: Pick<HttpContext, 'clock' | 'streams'>, timeoutMs?: number) {
    const end = (reason: HoldfastError): void => this.#end.abort(reason);
    const timer =
      timeoutMs === undefined ? undefined : clock.schedule(timeoutMs, () => end(tooLate()));
    streams.add(end);
    this.#free = () => {
      timer?.cancel();
      streams.delete(end);
    };
  }

  /** The client waits no more. */
  leave(): void {
    this.#end.abort(gone());
  }

  dispose(): void {
    this.#free();
  }
}

export const tooLate = (): HoldfastError =>
  new HoldfastError('deadline-exceeded', 'the time that the call was given is over');

export const gone = (): HoldfastError => new HoldfastError('cancelled', 'the call is over');
