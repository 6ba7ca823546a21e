// Goal: an operator sees and steers one member's connections from the command line, and always
// knows which member it was. Method: the whole program over the real HTTP door, with peers
// that a script makes up.
import { createServer } from 'node:net';

import { memberId } from '@holdfast/base/ids';
import { MemoryEngine } from '@holdfast/engine/memory-engine';
import { linkRoutes, type PeerLinks } from '@holdfast/server/link-routes';
import { describe, expect, it } from 'vitest';

import { startTestServer, type TestServer } from '../test-cluster.ts';

const reason = '3 pings in a row without an answer';

type Status = PeerLinks['status'];
type Peer = Status['peers'][number];

/** n2 is well, n3 is dead and set aside. */
class ScriptedLinks implements PeerLinks {
  readonly settings = { breaker: { openMs: 30_000 } } as PeerLinks['settings'];
  readonly deeds: string[] = [];

  get status(): Status {
    const nowMs = performance.now();
    const dead = { name: 'dead', failures: 4, reason, sinceMs: nowMs - 5000 } as const;
    const peers = [
      this.#peer(2n, { name: 'healthy' }, { name: 'closed', failures: 1, reason: undefined }),
      this.#peer(3n, dead, { name: 'open', sinceMs: nowMs - 5000, reason }),
    ];
    return { peers } as unknown as Status;
  }

  evict(peer?: bigint): number {
    this.deeds.push(`evict ${peer ?? 'all'}`);
    return 1;
  }

  resetBreakers(peer?: bigint): void {
    this.deeds.push(`reset ${peer ?? 'all'}`);
  }

  #peer(id: bigint, state: Peer['health']['state'], breaker: Peer['breaker']): Peer {
    const address = `10.0.0.${id}:4654`;
    const health = { address, lastSuccessMs: 0, lastCheckMs: 0, state };
    const openSinceMs = state.name === 'healthy' ? performance.now() - 240_000 : undefined;
    const links = [{ purpose: 'control', health, openSinceMs, lastUseMs: undefined }];
    return { peer: memberId(id), links, breaker } as unknown as Peer;
  }
}

async function started() {
  const links = new ScriptedLinks();
  const told: object[] = [];
  const log = { info: (facts: object) => void told.push(facts) } as never;
  const options = { links: () => links, nameOf: (id: bigint) => `n${id}`, log };
  const server = await startTestServer(new MemoryEngine(), '127.0.0.1:0', [
    (app, context) => linkRoutes(app, context, options),
  ]);
  return { server, links, told, [Symbol.asyncDispose]: () => server.close() };
}

const json = async (server: TestServer, ...args: readonly string[]) =>
  JSON.parse((await server.run('connections', ...args, '--output', 'json')).out);

describe('holdfast connections', () => {
  it('lists them with their health, and says whose view it is', async () => {
    await using test = await started();
    const { server } = test;
    const { code, out } = await server.run('connections', 'list');
    expect(code).toBe(0);
    expect(out).toContain(`On memory (${server.endpoint}):\n`);
    expect(out).toMatch(/n2 +control +healthy +0 +10\.0\.0\.2:4654, 4 min/);
    expect(out).toMatch(/n3 +control +dead +4 +none/);
    expect(out).toContain(`n3 control: ${reason}\n`);
    expect(await json(server, 'list')).toMatchObject({
      member: 'memory',
      endpoint: server.endpoint,
      connections: [
        { peer: 'n2', state: 'healthy', open: true, breaker: 'closed' },
        { peer: 'n3', state: 'dead', failures: 4, reason, open: false, breaker: 'open' },
      ],
    });
  });

  it('shows why a breaker is open and when it is tried again, and resets one or all', async () => {
    await using test = await started();
    const { server, links, told } = test;
    const { out } = await server.run('connections', 'breakers');
    expect(out).toMatch(/n2 +closed +1 /);
    expect(out).toMatch(new RegExp(`n3 +open +- +\\d.* s +\\d+ s +${reason}`));
    const one = await server.run('connections', 'reset', 'n3');
    expect(one.out).toContain('Breakers that were not closed, and are now: 1.\n');
    expect(await json(server, 'reset')).toMatchObject({ member: 'memory', reset: 1 });
    expect(links.deeds).toEqual(['reset 3', 'reset all']);
    expect(told).toMatchObject([{ actor: 'unverified:tester', peer: 'n3' }, { peer: 'all' }]);
  });

  it('ends those to one peer, or all', async () => {
    await using test = await started();
    const { server, links } = test;
    const { out } = await server.run('connections', 'evict', 'n2');
    expect(out).toContain('Connections that stood, and were ended: 1.\n');
    expect(await json(server, 'clear')).toMatchObject({ evicted: 1, endpoint: server.endpoint });
    expect(links.deeds).toEqual(['evict 2', 'evict all']);
  });

  it('says of an unknown peer which there are, and exits with 3', async () => {
    await using test = await started();
    const { server, links } = test;
    const { code, err } = await server.run('connections', 'evict', 'n9');
    expect(code).toBe(3);
    expect(err).toContain('"n9" is no peer of memory; peers: n2, n3 [not-found]');
    expect(err).toContain('`holdfast connections list`');
    expect(err).not.toContain('config list');
    expect(links.deeds).toEqual([]);
  });

  it('means the first endpoint that answers, in the order in which they are named', async () => {
    await using first = await started();
    await using second = await started();
    const both = `${first.server.endpoint},${second.server.endpoint}`;
    for (let n = 0; n < 4; n += 1) {
      expect((await first.server.runWith({ endpoints: both }, 'connections', 'clear')).code).toBe(
        0,
      );
    }
    expect([first.links.deeds.length, second.links.deeds.length]).toEqual([4, 0]);
    const gone = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => gone.once('listening', resolve));
    const { port } = gone.address() as { port: number };
    await new Promise((resolve) => gone.close(resolve));
    const withGone = `127.0.0.1:${port},${second.server.endpoint}`;
    const { out } = await first.server.runWith({ endpoints: withGone }, 'connections', 'clear');
    expect(out).toContain(`On memory (${second.server.endpoint}):\n`);
    expect(second.links.deeds).toEqual(['evict all']);
  });
});
