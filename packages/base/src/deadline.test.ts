// Goal: a signal ends the wait of all who wait under it, and of nobody else, and nobody stays
// behind. Method: promises that are settled by hand, and a signal that counts its listeners.
import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';

import { waitFor } from './deadline.ts';

const newWork = () => {
  let resolve = (_: string): void => undefined;
  let reject = (_: Error): void => undefined;
  const promise = new Promise<string>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
};

const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

describe('waiting under a signal', () => {
  it('ends as the work ends, each by itself, with one listener for all', async () => {
    const { signal } = new AbortController();
    const works = [newWork(), newWork(), newWork()];
    const waits = works.map(({ promise }) => waitFor(promise, signal));
    expect(listeners(signal)).toBe(1);
    works[1]?.resolve('second');
    expect(await waits[1]).toBe('second');
    works[0]?.reject(new Error('first'));
    await expect(waits[0]).rejects.toThrow('first');
    expect(listeners(signal)).toBe(1);
    works[2]?.resolve('third');
    expect(await waits[2]).toBe('third');
    expect(listeners(signal)).toBe(0);
    const again = newWork();
    const waited = waitFor(again.promise, signal);
    again.resolve('again');
    expect(await waited).toBe('again');
  });

  it('ends with the signal for all who still wait', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const [done, open] = [newWork(), newWork()];
    const [first, second] = [waitFor(done.promise, signal), waitFor(open.promise, signal)];
    done.resolve('done');
    await first;
    controller.abort(new Error('too late'));
    await expect(second).rejects.toThrow('too late');
    open.reject(new Error('nobody hears this'));
    await expect(waitFor(newWork().promise, signal)).rejects.toThrow('too late');
    expect(await first).toBe('done');
  });
});
