// Goal: a deed that is about one member is sent to one member, and the answer says which; a
// question may go to any. Method: scripted endpoints behind the HTTP port, on a clock by hand.
import { ManualClock } from '@holdfast/base/manual-clock';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { describe, expect, it } from 'vitest';

import { HoldfastClient } from './holdfast-client.ts';
import { type HttpAnswer, type HttpPort, type HttpRequest, TransportFailure } from './http-port.ts';

class TestMembers implements HttpPort {
  readonly asked: string[] = [];
  /** What becomes of every request but pings. */
  outcome: 'answered' | 'refused' | 'lost' = 'answered';

  async request({ endpoint, method, path }: HttpRequest): Promise<HttpAnswer> {
    if (path === '/ping') return answer('pong');
    this.asked.push(`${method} ${path} at ${endpoint}`);
    const outcome = this.outcome;
    this.outcome = 'answered';
    if (outcome === 'answered') return answer(JSON.stringify({ member: `n-${endpoint}` }));
    const isLost = outcome === 'lost';
    throw new TransportFailure(endpoint, isLost ? 'the connection broke' : 'connection refused', {
      outcome: isLost ? 'unknown' : 'not-applied',
      reason: outcome,
    });
  }

  async close(): Promise<void> {}
}

const answer = (text: string): HttpAnswer => ({
  status: 200,
  headers: { 'x-holdfast': '1' },
  body: (async function* () {
    yield new TextEncoder().encode(text);
  })(),
  discard: () => undefined,
});

function started() {
  const http = new TestMembers();
  const ports = { http, clock: new ManualClock(), random: new SeededRandom(1) };
  return { http, client: new HoldfastClient({ endpoints: ['a', 'b'] }, ports) };
}

describe('the connections and breakers of a member', () => {
  it('are asked for and steered by path, and the answer says who answered', async () => {
    const { http, client } = started();
    const { connections, breakers } = client;
    for (const result of [
      await connections.list(),
      await connections.evict('n 2'),
      await connections.clear(),
      await breakers.list(),
      await breakers.reset('n2'),
      await breakers.reset(),
    ]) {
      expect(result.member).toBe(`n-${result.endpoint}`);
    }
    expect(http.asked.map((one) => one.replace(/ at .*/, ''))).toEqual([
      'GET /v1/connections',
      'DELETE /v1/connections/n%202',
      'DELETE /v1/connections',
      'GET /v1/breakers',
      'POST /v1/breakers/n2/reset',
      'POST /v1/breakers/reset',
    ]);
    await client.close();
  });

  it('are steered once: not again where the first try may have arrived', async () => {
    const { http, client } = started();
    http.outcome = 'lost';
    await expect(client.connections.clear()).rejects.toMatchObject({ outcome: 'unknown' });
    expect(http.asked).toHaveLength(1);
    http.outcome = 'refused';
    expect((await client.breakers.reset()).member).toMatch(/^n-/);
    expect(http.asked).toHaveLength(3);
    http.outcome = 'lost';
    expect((await client.connections.list()).member).toMatch(/^n-/);
    await client.close();
  });
});
