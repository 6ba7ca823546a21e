// The first word on a link that was dialled, and its answer: for members among themselves and for
// clients. It owns the link until the answer was found good, and ends it where it was not.
import type { Frame } from './frame.ts';
import type { FrameLink } from './frame-link.ts';
import type { LinkEnd } from './link.ts';

export type Introduction<T> = {
  readonly kind: number;
  readonly payload: Uint8Array;
  /** Makes of the first frame what is wanted, or throws why it will not do. */
  readonly heed: (frame: Frame) => T;
  /** What it means that the link has ended before. */
  readonly brokenOff: (end: LinkEnd) => Error;
  readonly signal: AbortSignal;
};

/** Until the caller trusts the link with a handler, its end is only remembered. */
export function introduce<T>(link: FrameLink, introduction: Introduction<T>): Promise<T> {
  const { kind, payload, heed, brokenOff, signal } = introduction;
  return new Promise((resolve, reject) => {
    let settled = false;
    const settle = (finish: () => void): void => {
      if (settled) return;
      settled = true;
      signal.removeEventListener('abort', onAbort);
      finish();
    };
    const fail = (reason: unknown): void =>
      settle(() => {
        link.destroy();
        reject(reason);
      });
    const onAbort = (): void => fail(signal.reason);
    const onFrame = (frame: Frame): void => {
      try {
        const heeded = heed(frame);
        settle(() => resolve(heeded));
      } catch (error) {
        fail(error);
      }
    };
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    link.open({ onFrame, onEnd: (end) => fail(brokenOff(end)) });
    link.send(kind, payload);
  });
}
