// Goal: a lease that is shorter than the wait for a frozen member is kept through the others, and
// is held to be safe for no longer than the cluster promised. Method: scripted endpoints behind the
// HTTP port, on a clock that the test moves.
import { ManualClock } from '@holdfast/base/manual-clock';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { describe, expect, it } from 'vitest';

import { HoldfastClient } from './holdfast-client.ts';
import type { HttpAnswer, HttpPort, HttpRequest } from './http-port.ts';

const ttlMs = 2000;

class TestCluster implements HttpPort {
  readonly clock = new ManualClock();
  readonly client: HoldfastClient;
  frozen = '';
  grantTakesMs = 0;

  constructor() {
    const ports = { http: this, clock: this.clock, random: new SeededRandom(1) };
    this.client = new HoldfastClient({ endpoints: ['a', 'b', 'c'] }, ports);
  }

  async request({ endpoint, path, signal }: HttpRequest): Promise<HttpAnswer> {
    if (endpoint === this.frozen || this.frozen === 'all') await aborted(signal);
    if (path === '/v1/leases') await this.#pass(this.grantTakesMs);
    return answer(JSON.stringify({ id: '7', ttlMs, remainingMs: ttlMs }));
  }

  async close(): Promise<void> {}

  #pass(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.clock.schedule(delayMs, resolve));
  }
}

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });

const answer = (text: string): HttpAnswer => ({
  status: 200,
  headers: { 'x-holdfast': '1' },
  body: (async function* () {
    yield new TextEncoder().encode(text);
  })(),
  discard: () => undefined,
});

async function granted(cluster: TestCluster) {
  const granting = cluster.client.leases.grant(ttlMs);
  await cluster.clock.advanceAsync(cluster.grantTakesMs);
  return await granting;
}

describe('a held lease', () => {
  it.each(['a', 'b', 'c'])('outlives the freezing of %s, shorter though it is', async (frozen) => {
    const cluster = new TestCluster();
    await using held = cluster.client.leases.hold(await granted(cluster));
    await cluster.clock.advanceAsync(ttlMs);
    cluster.frozen = frozen;
    await cluster.clock.advanceAsync(10 * ttlMs);
    expect(held.lost.aborted).toBe(false);
  });

  it('counts from the sending of its grant, not from the answer', async () => {
    const cluster = new TestCluster();
    cluster.grantTakesMs = 1500;
    const lease = await granted(cluster);
    cluster.frozen = 'all';
    await using held = cluster.client.leases.hold(lease);
    await cluster.clock.advanceAsync(499);
    expect(held.lost.aborted).toBe(false);
    await cluster.clock.advanceAsync(1);
    expect(held.lost.aborted).toBe(true);
  });
});
