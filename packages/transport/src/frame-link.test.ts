// Goal: a link that is being closed takes no more from the other side than it did before. Method: a
// link by hand, and a clock that the test moves.
import { ManualClock } from '@holdfast/base/manual-clock';
import { expect, it } from 'vitest';

import { encodeFrame, encodePreface, frameKinds } from './frame.ts';
import { closeWithin, FrameLink } from './frame-link.ts';
import type { Link, LinkHandler } from './link.ts';

const frameOf = (bytes: number): Uint8Array =>
  encodeFrame({ kind: frameKinds.message, flags: 0, group: 0, payload: new Uint8Array(bytes) });

it('a stranger that is turned away may send no longer frames than before', async () => {
  let handler: LinkHandler | undefined;
  let isDestroyed = false;
  const link: Link = {
    remoteAddress: 'stranger:1',
    pendingBytes: 0,
    send: () => undefined,
    open: (given) => {
      handler = given;
    },
    close: () => undefined,
    destroy: () => {
      isDestroyed = true;
    },
  };
  const afterEvent = (action: () => void): void => action();
  const frames = new FrameLink({ link, afterEvent, queueBytesMax: 1000, strangerBytesMax: 100 });
  frames.open({ onFrame: () => undefined, onEnd: () => undefined });
  const closed = closeWithin(new ManualClock(), 1000, frames);
  handler?.onBytes(Buffer.concat([encodePreface(), frameOf(100)]));
  expect(isDestroyed).toBe(false);
  handler?.onBytes(frameOf(101).subarray(0, 12));
  expect(isDestroyed).toBe(true);
  await closed;
});
