// A bound on bytes a second holds on the average, and lets a short burst pass at once.
import { ManualClock } from '@holdfast/base/manual-clock';
import { expect, it } from 'vitest';
import { TokenBucket, throttled } from './token-bucket.ts';

const never = new AbortController().signal;

it('lets a burst pass at once, and then so many bytes a second', async () => {
  const clock = new ManualClock();
  const bucket = new TokenBucket(clock, { bytesPerSecond: 1000, burstBytes: 200 });
  let passed = 0;
  const passing = (async () => {
    for (let piece = 0; piece < 12; piece += 1) {
      await bucket.take(100, never);
      passed += 100;
    }
  })();
  await clock.advanceAsync(0);
  expect(passed).toBe(200);
  await clock.advanceAsync(500);
  expect(passed).toBe(700);
  await clock.advanceAsync(500);
  await passing;
  expect(passed).toBe(1200);
});

it('passes a piece that is larger than the bucket, and saves nothing up beyond it', async () => {
  const clock = new ManualClock();
  const bucket = new TokenBucket(clock, { bytesPerSecond: 1000, burstBytes: 100 });
  await clock.advanceAsync(60_000);
  const large = bucket.take(600, never);
  let isPassed = false;
  large.then(
    () => {
      isPassed = true;
    },
    () => undefined,
  );
  await clock.advanceAsync(499);
  expect(isPassed).toBe(false);
  await clock.advanceAsync(1);
  expect(isPassed).toBe(true);
});

it('ends with the signal, and leaves no timer', async () => {
  const clock = new ManualClock();
  const bucket = new TokenBucket(clock, { bytesPerSecond: 10, burstBytes: 1 });
  const aborter = new AbortController();
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (;;) yield new Uint8Array(100);
  }
  const reading = (async () => {
    for await (const _ of throttled(chunks(), bucket, aborter.signal));
  })();
  const ended = expect(reading).rejects.toThrow('enough');
  await clock.advanceAsync(5);
  aborter.abort(new Error('enough'));
  await ended;
  expect(clock.pendingCount).toBe(0);
});
