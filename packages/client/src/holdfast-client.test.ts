// Goal: an application sees what its client thinks of the endpoints, changes its numbers, and gets
// its whole process back with close(). Method: the whole client over scripted endpoints; once over
// real sockets, on which a member is frozen: it takes connections, and says nothing.
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';

import { ManualClock } from '@holdfast/base/manual-clock';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { describe, expect, it } from 'vitest';

import { HoldfastClient, type HoldfastClientOptions } from './holdfast-client.ts';
import {
  type Behaviour,
  fine,
  idleStreams,
  refused,
  ScriptedHttp,
  settled,
  silent,
} from './scripted-http.fixture.ts';

type Options = Omit<HoldfastClientOptions, 'endpoints'>;

function make(behaviours: Readonly<Record<string, Behaviour>>, options: Options = {}) {
  const clock = new ManualClock();
  const http = new ScriptedHttp(behaviours);
  const endpoints = Object.keys(behaviours);
  const ports = { http, clock, random: new SeededRandom(1) };
  return { clock, http, client: new HoldfastClient({ endpoints, ...options }, ports) };
}

const put = (client: HoldfastClient) => client.kv.put('k', new Uint8Array());

describe('the endpoints of a client', () => {
  it('show who is set aside and why, and tell of each change', async () => {
    const told: string[] = [];
    const onEndpointChange: Options['onEndpointChange'] = ({ address, state, breaker }) =>
      told.push(`${address} ${state} ${breaker.name}`);
    const { client, clock, http } = make({ a: refused, b: fine }, { onEndpointChange });
    await settled(clock, put(client));
    await clock.advanceAsync(500);
    expect(client.endpoints).toMatchObject([
      {
        address: 'a',
        state: 'dead',
        reason: expect.stringContaining('refused'),
        lastSuccessAgeMs: undefined,
        breaker: { name: 'open', reason: expect.stringContaining('refused') },
        slowBreaker: { name: 'closed' },
        underWay: 0,
      },
      { address: 'b', state: 'healthy', failures: 0, lastSuccessAgeMs: 510 },
    ]);
    http.set('a', fine);
    await clock.advanceAsync(2_000);
    expect(told.at(0)).toBe('a dead open');
    expect(told.at(-1)).toBe('a healthy closed');
    await client.close();
  });
});

describe('the user of a client', () => {
  it('is named in its greeting, too, where frames are spoken', async () => {
    const user = { name: 'alice', password: 'a word of hers' };
    const sockets: Socket[] = [];
    const server = createTcpServer();
    // In frames as it is; over HTTP it would be in base64.
    const named = new Promise<void>((resolve) => {
      server.on('connection', (socket) => {
        sockets.push(socket);
        let said = '';
        socket.on('error', () => undefined); // The client is closed while it waits.
        socket.on('data', (bytes) => {
          said += bytes.toString('latin1');
          if (said.includes(user.password)) resolve();
        });
      });
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    const client = new HoldfastClient({ endpoints: [`127.0.0.1:${port}`], user });
    const call = client.kv.get('k').catch(() => undefined); // Nobody answers here.
    try {
      await named;
    } finally {
      await client.close();
      await call;
      for (const socket of sockets) socket.destroy();
      server.close();
    }
  });
});

describe('the settings of a client', () => {
  it('are its own from the start, and others from the next event on', async () => {
    const settings = { silence: { silenceMs: 1_000 }, retries: { burst: 3 } };
    const { client, clock } = make({ a: silent }, { timeoutMs: 60_000, settings });
    expect(client.settings).toMatchObject({
      timeoutMs: 60_000,
      silence: { silenceMs: 1_000, pingWaitMs: 1_000 },
      retries: { perSecond: 10, burst: 3 },
    });
    await expect(settled(clock, put(client))).rejects.toMatchObject({ outcome: 'unknown' });
    expect(clock.monotonicMs()).toBeLessThan(4_100);
    client.changeSettings({ silence: { pingWaitMs: 100 } });
    const startMs = clock.monotonicMs();
    await expect(settled(clock, put(client))).rejects.toMatchObject({ outcome: 'unknown' });
    expect(clock.monotonicMs() - startMs).toBeLessThan(400);
    await client.close();
  });

  it('are refused where they are misspelt or make no sense', () => {
    const { client } = make({ a: fine });
    const before = client.settings;
    for (const [change, word] of [
      [{ hedgeMS: 5 }, 'hedgeMS'],
      [{ silence: { pingMs: 5 } }, 'silence.pingMs'],
      [{ hedgeMs: 0 }, 'hedgeMs'],
      [{ breaker: { openMs: Number.NaN } }, 'breaker.openMs'],
    ] as const) {
      expect(() => client.changeSettings(change as object)).toThrow(word);
      expect(() => make({ a: fine }, { settings: change as object })).toThrow(word);
    }
    expect(client.settings).toBe(before);
    client.changeSettings({ retries: { perSecond: 0, burst: 0 } });
  });
});

describe('close', () => {
  it('ends calls, watches, pings and probers at once, and leaves no timer', async () => {
    const { client, clock, http } = make({ a: idleStreams, b: refused, c: silent });
    await settled(clock, put(client));
    const watching = client.kv.watch({ key: 'k', fromRevision: 1 }).next();
    await clock.advanceAsync(0);
    http.set('a', silent);
    const calls = [put(client), client.kv.get('k'), watching];
    const ends = calls.map((call) => call.catch((error: Error) => error.message));
    await clock.advanceAsync(1_000);
    expect(clock.pendingCount).toBeGreaterThan(0);
    await client.close();
    expect(new Set(await Promise.all(ends))).toEqual(new Set(['the client was closed']));
    expect(clock.pendingCount).toBe(0);
    await expect(client.kv.get('k')).rejects.toMatchObject({ code: 'cancelled' });
    expect(clock.pendingCount).toBe(0);
  });
});

/** As long as a machine with much to do may take. */
const patient = { timeout: 10_000 };

/** A member that answers pings and streams, until it is frozen: it still takes connections. */
class FreezableMember {
  readonly #server: Server;
  isFrozen = false;
  streams = 0;
  pings = 0;

  constructor() {
    this.#server = createServer(({ url }, response) => {
      if (this.isFrozen) return;
      response.setHeader('X-Holdfast', '1');
      if (url?.includes('watch')) return this.#stream(response);
      if (url === '/ping') this.pings += 1;
      response.end('{}');
    }).listen(0, '127.0.0.1');
  }

  async endpoint(): Promise<string> {
    if (!this.#server.listening) await once(this.#server, 'listening');
    return `127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #stream(response: ServerResponse): void {
    this.streams += 1;
    response.write('id: 4\nevent: started\ndata: {"revision":4}\n\n');
  }
}

describe('a member that is frozen, on real sockets', () => {
  it('ends what is under way there by its silence; the watch goes on elsewhere', async () => {
    const members = [new FreezableMember(), new FreezableMember()] as const;
    const endpoints = await Promise.all(members.map((one) => one.endpoint()));
    const settings = { silence: { silenceMs: 200, pingWaitMs: 100, ownLagMs: 30 } };
    const client = new HoldfastClient({ endpoints, settings });
    const watching = client.kv.watch({ key: 'k', fromRevision: 5 }).next();
    const ended = watching.catch((error: Error) => error.message);
    await expect.poll(() => members[0].streams + members[1].streams, patient).toBe(1);
    const [frozen, other] = members[0].streams === 1 ? members : [members[1], members[0]];
    // A stream that has nothing to say is asked about, and lives.
    await expect.poll(() => frozen.pings, patient).toBeGreaterThan(2);
    const states = () => client.endpoints.map(({ state }) => state).toSorted();
    expect([states(), frozen.streams, other.streams]).toEqual([['healthy', 'healthy'], 1, 0]);
    frozen.isFrozen = true;
    await expect.poll(() => other.streams, patient).toBe(1);
    expect(states()).toEqual(['dead', 'healthy']);
    frozen.isFrozen = false;
    const taken = () => client.endpoints.map(({ breaker }) => breaker.name);
    await expect.poll(taken, patient).toEqual(['closed', 'closed']);
    await client.close();
    expect(await ended).toBe('the client was closed');
    await Promise.all(members.map((one) => one.close()));
  });
});
