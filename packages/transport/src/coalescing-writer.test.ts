// Goal: one system call an event, in order, whatever the sizes, and a bounded queue. Method: a link
// that only records, and an event that ends when the test says so.
import { describe, expect, it } from 'vitest';
import { CoalescingWriter } from './coalescing-writer.ts';
import { encodePreface, type Frame, FrameParser, payloadBytesMax } from './frame.ts';

function newWriter(queueBytesMax = 1_000_000) {
  const sent: (readonly Uint8Array[])[] = [];
  const turn: (() => void)[] = [];
  const link = { pendingBytes: 0, send: (parts: readonly Uint8Array[]) => void sent.push(parts) };
  const writer = new CoalescingWriter({
    link,
    afterEvent: (action) => void turn.push(action),
    queueBytesMax,
  });
  const endTurn = (): void => {
    for (const action of turn.splice(0)) action();
  };
  return { writer, link, sent, endTurn };
}

const frame = (bytes: number, fill = 0): Frame => ({
  kind: 16,
  flags: 0,
  group: 0,
  payload: new Uint8Array(bytes).fill(fill),
});

function payloadsOf(sent: readonly (readonly Uint8Array[])[]): Uint8Array[] {
  const parser = new FrameParser({ payloadBytesMax });
  const payloads: Uint8Array[] = [];
  for (const part of [encodePreface(), ...sent.flat()]) {
    parser.push(part, ({ payload }) => payloads.push(payload));
  }
  return payloads;
}

describe('coalescing writer', () => {
  it('sends the frames of an event at its end, in one call and one block', () => {
    const { writer, sent, endTurn } = newWriter();
    for (let n = 0; n < 100; n += 1) writer.write(frame(20, n));
    expect(sent).toEqual([]);
    endTurn();
    expect(sent.map((parts) => parts.length)).toEqual([1]);
    expect(payloadsOf(sent).map((payload) => payload[0])).toEqual([...Array(100).keys()]);
    endTurn();
    expect(sent.length).toBe(1);
  });

  it('keeps the order around large payloads, which it does not copy', () => {
    const { writer, sent, endTurn } = newWriter();
    const large = frame(100_000, 2);
    for (const one of [frame(5, 1), large, large, frame(0), frame(7, 3)]) writer.write(one);
    endTurn();
    expect(sent.length).toBe(1);
    expect(sent[0]?.filter((part) => part === large.payload).length).toBe(2);
    expect(payloadsOf(sent).map(({ length }) => length)).toEqual([5, 100_000, 100_000, 0, 7]);
  });

  it('is full by what waits here and in the link, and takes a lone frame of any size', () => {
    const { writer, link, endTurn } = newWriter(1000);
    expect(writer.hasRoom(5000)).toBe(true);
    writer.write(frame(888));
    expect(writer.pendingBytes).toBe(900);
    expect([writer.hasRoom(100), writer.hasRoom(101)]).toEqual([true, false]);
    endTurn();
    expect(writer.pendingBytes).toBe(0);
    link.pendingBytes = 950;
    expect([writer.hasRoom(50), writer.hasRoom(51)]).toEqual([true, false]);
  });
});
