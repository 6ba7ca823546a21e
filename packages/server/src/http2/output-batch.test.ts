// Goal: whatever streams have to say, a batch takes no more than it has place for. Method: a socket
// that takes nothing at once, so that places are used up, and streams whose turns meet at a bound.
import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';

import { OutputBatch } from './output-batch.ts';
import { type SendRoom, StreamSender } from './stream-sender.ts';

class SlowSocket {
  /** Never zero: what was written is still on its way. */
  readonly writableLength = 1;
  readonly written: Uint8Array[] = [];

  write(bytes: Uint8Array): boolean {
    this.written.push(bytes);
    return false;
  }

  cork(): void {
    // Nothing to hold back.
  }

  uncork(): void {
    // As above.
  }
}

const windowMost = 2 ** 31 - 1;
const frameBytesMax = 16_384;
const headBytes = 9;

function sending(stream: number, lengths: readonly number[], end?: Uint8Array): StreamSender {
  const sender = new StreamSender(stream, windowMost);
  for (const length of lengths) sender.push(Buffer.alloc(length, stream));
  if (end) sender.end(end);
  return sender;
}

/** All that they have to say, in their turns; answers how many bytes that came to. */
function send(senders: readonly StreamSender[]): number {
  const socket = new SlowSocket();
  const room: SendRoom = {
    batch: new OutputBatch(),
    window: windowMost,
    sentBytes: 0,
    frameBytesMax,
  };
  const left = new Set(senders);
  while (left.size > 0) {
    room.batch.begin();
    for (const sender of left) {
      if (room.batch.isFull) break;
      left.delete(sender);
      if (sender.write(room) === 'turn') left.add(sender);
    }
    room.batch.send(socket as unknown as Socket);
  }
  return socket.written.reduce((sum, { length }) => sum + length, 0);
}

const framed = (lengths: readonly number[]): number =>
  lengths.reduce((sum, length) => sum + headBytes + length, 0);

/** Copied, and four bytes less than what makes a batch full. */
const nearlyFull = Array.from({ length: 4 }, () => 4096 - headBytes - 1);
const steps = 64;

describe('a batch that is nearly full', () => {
  it.each([
    ['many short messages', Array.from({ length: 3000 }, () => 5), 0],
    ['long messages, and an end with a long reason', [4096, 4096, 4096, 4095], 4200],
  ])('has place for a turn of %s', (_what, lengths, endBytes) => {
    // Whatever place those before it have left.
    for (let step = 0; step < steps; step += 1) {
      for (let before = 0; before < step; before += 1) send([sending(1, [503])]);
      const end = endBytes > 0 ? Buffer.alloc(endBytes, 9) : undefined;
      const bytes = send([sending(1, nearlyFull), sending(3, lengths, end)]);
      expect(bytes).toBe(framed(nearlyFull) + framed(lengths) + (end ? headBytes + endBytes : 0));
    }
  });
});
