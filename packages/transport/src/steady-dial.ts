// A dial that does not wait for the kernel's patience. A connection request that is lost is sent
// again after 1, 3 and 7 s, so whoever waits for one alone may learn of a way that is back for 4 s
// only after that. Here a fresh request leaves at a steady pace; the first that is answered wins.
import type { Clock, Timer } from '@holdfast/base/clock';
import type { Link, LinkNetwork } from './link.ts';

export type SteadyDial = {
  readonly network: LinkNetwork;
  readonly clock: Clock;
  readonly address: string;
  /** Between one request and the next. */
  readonly againMs: number;
  readonly signal: AbortSignal;
};

/** Requests that are under way at a time; the oldest is given up for one more. */
const requestsMax = 4;

export type Dialled = {
  readonly link: Link;
  /** How many had left by then. */
  readonly requests: number;
  /** From when the one that was answered had left. */
  readonly tookMs: number;
};

/** Rejects as LinkNetwork.dial does, with the first failure. */
export function dialSteadily(dial: SteadyDial): Promise<Dialled> {
  const { network, clock, address, againMs, signal } = dial;
  const requests: AbortController[] = [];
  let asked = 0;
  let timer: Timer | undefined;
  let isOver = false;
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void): void => {
      isOver = true;
      timer?.cancel();
      signal.removeEventListener('abort', onAbort);
      for (const request of requests) request.abort();
      settle();
    };
    const onAbort = (): void => finish(() => reject(signal.reason));
    const ask = (): void => {
      timer = clock.schedule(againMs, ask);
      const request = new AbortController();
      requests.push(request);
      asked += 1;
      const askedMs = clock.monotonicMs();
      if (requests.length > requestsMax) requests.shift()?.abort();
      network.dial(address, request.signal).then(
        (link) => {
          if (isOver || request.signal.aborted) link.destroy();
          else
            finish(() => resolve({ link, requests: asked, tookMs: clock.monotonicMs() - askedMs }));
        },
        (error: unknown) => {
          if (!isOver && !request.signal.aborted) finish(() => reject(error));
        },
      );
    };
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    ask();
  });
}
