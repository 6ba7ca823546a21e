// Goal: no write is ever sent again after it may have left, unless its call allows that; and no
// endpoint that is dark or dead costs more than a bounded time. Method: scripted endpoints behind
// the HTTP port, and a clock that the test moves.
import { sleep } from '@holdfast/base/clock';
import { describe, expect, it } from 'vitest';
import { scriptedCaller } from './caller.fixture.ts';
import type { Call } from './caller.ts';
import { overBoth } from './scripted-frames.fixture.ts';
import {
  answer,
  type Behaviour,
  broken,
  fine,
  onWrite,
  refusal,
  refused,
  sequence,
  settled,
  silent,
} from './scripted-http.fixture.ts';

function make(behaviours: Readonly<Record<string, Behaviour>>) {
  const { network, ...world } = scriptedCaller(behaviours);
  return { ...world, http: network };
}

const read: Call = { kind: 'read', method: 'GET', path: '/v1/kv/a' };
const once: Call = { kind: 'once', method: 'PUT', path: '/v1/kv/a' };
const repeatable: Call = { ...once, kind: 'repeatable' };
const puts = (sent: readonly string[]): readonly string[] =>
  sent.filter((line) => line.startsWith('PUT'));

overBoth(() => {
  describe('reads', () => {
    it('go to the next endpoint when one is refused, breaks or has no leader', async () => {
      for (const bad of [
        refused,
        broken,
        refusal('no-leader'),
        refusal('unavailable', 'unknown'),
      ]) {
        const { clock, caller } = make({ a: bad, b: bad, c: fine });
        expect((await settled(clock, caller.call(read))).endpoint).toBe('c');
      }
    });

    it('ask the next endpoint too when one is silent, and do not come back to it first', async () => {
      const { clock, caller, http, close } = make({ a: silent, b: fine });
      for (let turn = 0; turn < 4; turn += 1) {
        const startMs = clock.monotonicMs();
        expect((await settled(clock, caller.call(read))).endpoint).toBe('b');
        expect(clock.monotonicMs() - startMs).toBeLessThanOrEqual(310);
      }
      expect(http.sent.filter((line) => line === 'GET a')).toHaveLength(1);
      close();
      await clock.advanceAsync(0);
      expect(clock.pendingCount).toBe(0);
    });

    it('are told at once what another try would not change', async () => {
      const { clock, caller, http } = make({ a: refusal('not-found'), b: refusal('not-found') });
      await expect(settled(clock, caller.call(read))).rejects.toMatchObject({ code: 'not-found' });
      expect(http.sent).toHaveLength(1);
    });

    it('wait through an election until the deadline', async () => {
      const { clock, caller } = make({ a: sequence(...Array(6).fill(refusal('no-leader')), fine) });
      expect((await settled(clock, caller.call(read))).status).toBe(200);
      const never = make({ a: refusal('no-leader') });
      await expect(settled(never.clock, never.caller.call(read))).rejects.toMatchObject({
        code: 'no-leader',
        outcome: 'not-applied',
      });
      expect(never.clock.monotonicMs()).toBeGreaterThanOrEqual(10_000);
      expect(never.clock.pendingCount).toBe(0);
    });
  });

  describe('streams', () => {
    const open: Call = { kind: 'read', method: 'GET', path: '/v1/kv-watch?key=a' };

    it('begin elsewhere when an endpoint that was just heard is silent, and only once', async () => {
      const { clock, caller, http, endpoints, close } = make({ a: fine, b: fine });
      const signals: AbortSignal[] = [];
      const stand =
        (delayMs: number): Behaviour =>
        async (request) => {
          signals.push(request.signal);
          await sleep(clock, delayMs, request.signal);
          return answer(200, request.endpoint);
        };
      // Both were heard, so that none is asked first whether it lives.
      for (const address of ['a', 'b']) endpoints.at(address).answered();
      http.set('a', stand(400));
      http.set('b', stand(400));
      const end = new AbortController();
      const opened = await settled(clock, caller.open(open, end.signal));
      await clock.advanceAsync(2000);
      expect(signals).toHaveLength(2);
      const [mine, other] = opened.endpoint === http.sent[0]?.split(' ')[1] ? [0, 1] : [1, 0];
      expect(signals[mine]?.aborted).toBe(false);
      expect(signals[other]?.aborted).toBe(true);
      end.abort(new Error('enough'));
      expect(signals[mine]?.aborted).toBe(true);
      close();
    });

    it('cost 300 ms more where the first endpoint went dark a moment ago', async () => {
      for (const dark of ['a', 'b']) {
        const { clock, caller, http, endpoints, close } = make({ a: fine, b: fine });
        for (const address of ['a', 'b']) endpoints.at(address).answered();
        http.set(dark, silent);
        const startMs = clock.monotonicMs();
        const { signal } = new AbortController();
        const opened = await settled(clock, caller.open(open, signal));
        expect(opened.endpoint).not.toBe(dark);
        expect(clock.monotonicMs() - startMs).toBeLessThanOrEqual(310);
        close();
      }
    });
  });

  describe('writes that may be sent once', () => {
    it('go on to the next endpoint while nothing can have left', async () => {
      const { clock, caller } = make({ a: refused, b: refused, c: fine });
      expect((await settled(clock, caller.call(once))).endpoint).toBe('c');
    });

    it('are never sent again after they may have left', async () => {
      for (const bad of [
        broken,
        refusal('leadership-lost', 'unknown'),
        refusal('internal', 'unknown'),
      ]) {
        const { clock, caller, http } = make({ a: onWrite(bad), b: onWrite(bad) });
        await expect(settled(clock, caller.call(once))).rejects.toMatchObject({
          outcome: 'unknown',
        });
        expect(puts(http.sent)).toHaveLength(1);
      }
    });

    it('that stay silent end with the deadline, outcome unknown', async () => {
      const { clock, caller, http } = make({ a: silent });
      const call = caller.call({ ...once, timeoutMs: 5_000 });
      await expect(settled(clock, call)).rejects.toMatchObject({
        code: 'deadline-exceeded',
        outcome: 'unknown',
      });
      expect(puts(http.sent)).toHaveLength(1);
    });

    it('are not given to an endpoint that may be dark while another one lives', async () => {
      const { clock, caller, http } = make({ a: silent, b: fine, c: silent });
      expect((await settled(clock, caller.call(once))).endpoint).toBe('b');
      expect(puts(http.sent)).toEqual(['PUT b']);
      expect(clock.monotonicMs()).toBeLessThanOrEqual(700);
    });
  });

  describe('writes that may be repeated', () => {
    it('are sent again after a break or silence, and say that an earlier try may stand', async () => {
      for (const bad of [broken, silent, refusal('leadership-lost', 'unknown')]) {
        const write = sequence(bad, fine);
        const { clock, caller } = make({ a: onWrite(write), b: onWrite(write) });
        const reply = await settled(clock, caller.call(repeatable));
        expect(reply).toMatchObject({ status: 200, afterUnknown: true });
      }
    });

    it('keep the unknown outcome when a later try is refused', async () => {
      const { clock, caller } = make({ a: sequence(broken, refusal('conflict')) });
      await expect(settled(clock, caller.call(repeatable))).rejects.toMatchObject({
        code: 'conflict',
        outcome: 'unknown',
      });
    });
  });

  describe('a cluster that is not there', () => {
    it('is told after a few rounds, long before the deadline', async () => {
      for (const bad of [refused, refusal('no-quorum')]) {
        const { clock, caller } = make({ a: bad, b: bad, c: bad });
        await expect(settled(clock, caller.call(once))).rejects.toMatchObject({
          outcome: 'not-applied',
        });
        expect(clock.monotonicMs()).toBeLessThan(1_000);
      }
    });

    it('is given up when the caller says so, with its reason', async () => {
      const { clock, caller } = make({ a: silent });
      const controller = new AbortController();
      const call = caller.call({ ...read, signal: controller.signal });
      await clock.advanceAsync(100);
      controller.abort(new Error('enough'));
      await expect(settled(clock, call)).rejects.toThrow('enough');
      expect(clock.pendingCount).toBe(0);
    });
  });
});
