// Goal: endpoints of two clusters in one client are told of in a sentence, and nothing is written
// to the odd one. Method: scripted endpoints that say of which cluster they are, under the caller.
import { ManualClock } from '@holdfast/base/manual-clock';
import { describe, expect, it } from 'vitest';
import { callerOn } from './caller.fixture.ts';
import { type HttpAnswer, type HttpPort, type HttpRequest, TransportFailure } from './http-port.ts';

/** Endpoints, and what each says of itself: a cluster, nothing (''), or that it is not there. */
class Members implements HttpPort {
  readonly sent: string[] = [];
  readonly clusters: Record<string, string | undefined>;

  constructor(clusters: Record<string, string | undefined>) {
    this.clusters = clusters;
  }

  async request({ endpoint, path, method }: HttpRequest): Promise<HttpAnswer> {
    const cluster = this.clusters[endpoint];
    if (path !== '/ping') this.sent.push(`${method} ${endpoint}`);
    if (cluster === undefined) {
      const reason = 'ECONNREFUSED';
      throw new TransportFailure(endpoint, 'refused', { outcome: 'unknown', reason });
    }
    const headers = cluster === '' ? {} : { 'x-holdfast-cluster': cluster };
    const body = (async function* (): AsyncGenerator<Uint8Array> {})();
    return { status: 200, headers, body, discard: () => undefined };
  }

  async close(): Promise<void> {}
}

function started(clusters: Record<string, string | undefined>) {
  const members = new Members(clusters);
  const addresses = Object.keys(clusters);
  const clock = new ManualClock();
  const { caller, http } = callerOn({ network: members, addresses, clock, isMeeting: true });
  return { members, http, caller, clock };
}

const write = { kind: 'once', method: 'PUT', path: '/v1/kv/a' } as const;
const read = { kind: 'read', method: 'GET', path: '/v1/kv/a' } as const;

describe('endpoints of two clusters', () => {
  it('are told of at the first write, which is not sent, and the odd one is not used', async () => {
    const { caller, members } = started({ a: 'one', b: 'two', c: 'one' });
    await expect(caller.call(write)).rejects.toMatchObject({
      code: 'cluster-mismatch',
      outcome: 'not-applied',
      message: expect.stringMatching(
        /endpoint . is of cluster \w+, and . of cluster \w+: .* one\)/,
      ),
    });
    expect(members.sent).toEqual([]);
    for (let at = 0; at < 6; at += 1) {
      await caller.call(write);
      await caller.call(read);
    }
    expect(members.sent).toHaveLength(12);
    expect(members.sent.filter((line) => line.endsWith(' b'))).toEqual([]);
  });

  it('are told of at the start of a watch, though only pings have met them', async () => {
    const { caller, clock } = started({ a: 'one', b: 'two' });
    const { signal } = new AbortController();
    const codes: string[] = [];
    for (let at = 0; at < 4; at += 1) {
      // Long enough for a ping to be asked first.
      clock.advance(10_000);
      const opening = caller.open({ ...read, path: '/v1/watch' }, signal);
      const code = await opening.then(
        () => 'fine',
        (error: { code: string }) => error.code,
      );
      codes.push(code);
    }
    expect(codes.filter((code) => code !== 'fine')).toEqual(['cluster-mismatch']);
  });

  it('are told of by reads, and the one named first is taken of two', async () => {
    const { caller, members } = started({ a: 'one', b: 'two' });
    const codes: string[] = [];
    for (let at = 0; at < 6; at += 1) {
      const code = await caller.call(read).then(
        () => 'fine',
        (error: { code: string }) => error.code,
      );
      codes.push(code);
    }
    expect(codes.filter((code) => code === 'cluster-mismatch')).toHaveLength(1);
    expect(new Set(members.sent.slice(1))).toEqual(new Set(['GET a']));
  });
});

describe('endpoints of one cluster', () => {
  it('are asked once each, also those that do not say it', async () => {
    const { caller, members } = started({ a: 'one', b: '', c: 'one' });
    for (let at = 0; at < 6; at += 1) await caller.call(write);
    expect(new Set(members.sent)).toEqual(new Set(['PUT a', 'PUT b', 'PUT c']));
  });

  it('that break while they are asked have been sent nothing', async () => {
    const { caller, members, http } = started({ a: undefined, b: 'one' });
    await caller.call(write);
    expect(members.sent).toEqual(['PUT b']);
    const { signal } = new AbortController();
    const request = { ...write, endpoint: 'a', headers: {}, body: undefined, signal };
    await expect(http.request(request)).rejects.toMatchObject({ outcome: 'not-applied' });
    expect(members.sent).toEqual(['PUT b']);
  });
});
