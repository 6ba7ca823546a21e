// Goal: messages come out of a body as they went in, however it was cut, and nothing of what a
// stranger says makes more of it. Method: bodies cut at every place.
import { describe, expect, it } from 'vitest';
import { frameMessage } from './grpc-client.fixture.ts';
import { timeoutMsOf } from './grpc-timeout.ts';
import { MessageParser } from './message-parser.ts';
import { encodeStatusMessage } from './status.ts';

const sent = [Buffer.from('one'), Buffer.alloc(0), Buffer.alloc(300, 7)];
const body = Buffer.concat(sent.map(frameMessage));

describe('the parser of messages', () => {
  it('takes them out of parts of every size', () => {
    for (let size = 1; size <= body.length; size += 1) {
      const parser = new MessageParser(300);
      const messages: Buffer[] = [];
      for (let at = 0; at < body.length; at += size) {
        parser.push(body.subarray(at, at + size), (one) => messages.push(Buffer.from(one)));
      }
      expect(messages).toEqual(sent);
      expect(parser.isWithin).toBe(false);
    }
  });

  it('knows when the last one is not whole', () => {
    const parser = new MessageParser(300);
    parser.push(body.subarray(0, -1), () => undefined);
    expect(parser.isWithin).toBe(true);
  });

  it('holds little more than what has come, whatever was announced, and says how much', () => {
    let held = 0;
    const hold = (bytes: number): boolean => {
      held += bytes;
      return held <= 100_000;
    };
    const parser = new MessageParser(1_000_000, { hold });
    const message = frameMessage(Buffer.alloc(500_000));
    const messages: Uint8Array[] = [];
    parser.push(message.subarray(0, 9), (one) => messages.push(one));
    expect(held).toBeLessThan(20_000);
    parser.push(message.subarray(9, 40_000), (one) => messages.push(one));
    expect(held).toBeLessThan(80_001);
    const more = (): void => parser.push(message.subarray(40_000, 90_000), () => undefined);
    expect(more).toThrow('too many bytes of messages are held here');
    held = -1_000_000;
    const whole = new MessageParser(1_000_000, { hold });
    for (let at = 0; at < message.length; at += 7000) {
      whole.push(message.subarray(at, at + 7000), (one) => messages.push(one));
    }
    expect([messages.length, messages[0]?.length, held]).toEqual([1, 500_000, -1_000_000]);
  });

  it('refuses what is compressed, and what is too long before it has come', () => {
    const over = Buffer.from([0, 0, 0, 1, 45]);
    expect(() => new MessageParser(300).push(over, () => undefined)).toThrow(
      'received message larger than max (301 vs. 300)',
    );
    const compressed = Buffer.from([1, 0, 0, 0, 1]);
    expect(() => new MessageParser(300).push(compressed, () => undefined)).toThrow('compressed');
  });
});

describe('what stands in headers', () => {
  it('a time has a unit', () => {
    const read = ['1H', '2M', '3S', '400m', '5000u', '6n', undefined].map(timeoutMsOf);
    expect(read).toEqual([3_600_000, 120_000, 3000, 400, 5, 1, undefined]);
    for (const text of ['', '5', 'm', '-1S', '123456789m', '1 S', '1s']) {
      expect(() => timeoutMsOf(text)).toThrow('malformed grpc-timeout');
    }
  });

  it('a sentence is percent-encoded but for printable ASCII', () => {
    expect(encodeStatusMessage('etcdserver: key not found')).toBe('etcdserver: key not found');
    expect(encodeStatusMessage('100 %\nÄ')).toBe('100 %25%0A%C3%84');
  });
});
