// The door on real sockets: clients that stop in the middle, flood, idle, or do not read. The
// others must not notice. Timeouts are set short; nothing here sleeps.
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';

import { utf8 } from '@holdfast/base/bytes';
import { revision } from '@holdfast/base/ids';
import { SystemClock } from '@holdfast/base/system-clock';
import { putRequest } from '@holdfast/domain/requests';
import { afterEach, describe, expect, it } from 'vitest';

import type { HttpLimits } from './http-context.ts';
import {
  eventually,
  listen,
  openConnections,
  RawClient,
  type TestDoor,
  testDoor,
} from './test-door.fixture.ts';

let door: TestDoor;
const clients: RawClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await door.app.close();
});

async function open(limits: Partial<HttpLimits> = {}): Promise<number> {
  door = testDoor({ clock: new SystemClock(), limits });
  return listen(door.app);
}

async function connectTo(port: number): Promise<RawClient> {
  const client = await RawClient.connect(port);
  clients.push(client);
  return client;
}

const putText = (key: string, body: string): string =>
  `PUT /v1/kv/${key} HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const getText = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;

const putKey = (key: string, value: Uint8Array | string) => {
  const bytes = typeof value === 'string' ? utf8(value) : value;
  return door.engine.put(putRequest({ keyspace: 1, key: utf8(key) }, bytes), { actor: 'test' });
};

describe('one connection', () => {
  it('serves many requests, pipelined too', async () => {
    const client = await connectTo(await open());
    client.send(putText('a', '1') + putText('a', '2'));
    await client.until(/200 OK[\s\S]*200 OK[\s\S]*\}$/);
    client.send(getText('/v1/kv/a') + getText('/v1/kv/a'));
    await client.until(/\r\n\r\n2HTTP[\s\S]*\r\n\r\n2$/);
    expect(client.received.match(/HTTP\/1.1 200 OK/g)?.length).toBe(4);
  });

  it('works on one pipelined list at a time, in order, and on none for a client that left', async () => {
    const port = await open();
    const { range } = door.engine;
    const answers: (() => void)[] = [];
    let calls = 0;
    let atOnce = 0;
    door.engine.range = async (request, options) => {
      calls += 1;
      await new Promise<void>((resolve) => {
        atOnce = Math.max(atOnce, answers.push(resolve));
      });
      return range.call(door.engine, request, options);
    };
    const client = await connectTo(port);
    client.send(getText('/v1/kv').repeat(20_000) + putText('last', '1'));
    await eventually(() => {
      for (const answer of answers.splice(0)) answer();
      expect(client.received).toMatch(/(HTTP[\s\S]*){3}/);
    });
    client.close();
    await eventually(async () => {
      for (const answer of answers.splice(0)) answer();
      expect(await openConnections(door)).toBe(0);
    });
    expect(atOnce).toBe(1);
    expect(calls).toBeLessThan(40);
  });

  it('answers thousands of pipelined requests, each once and in order', async () => {
    const client = await connectTo(await open());
    let text = '';
    client.socket.on('data', (more: string) => {
      text += more;
    });
    client.send(`${putText('a', '1')}${getText('/v1/kv/a')}${getText('/livez')}`.repeat(500));
    client.send(getText('/livez').repeat(10_500));
    client.send(getText('/v1/kv/none'));
    await eventually(() => expect(text).toContain('404 Not Found'));
    expect(text.match(/HTTP\/1.1 200 OK/g)).toHaveLength(12_000);
  });

  it('records who asks', async () => {
    const actors: string[] = [];
    const port = await open();
    const { put } = door.engine;
    door.engine.put = (request, options) => {
      actors.push(options.actor);
      return put.call(door.engine, request, options);
    };
    const client = await connectTo(port);
    client.send(putText('a', '1'));
    await client.until(/\{"revision":\d+\}$/);
    client.send(putText('a', '2').replace('Host: x', 'Host: x\r\nHoldfast-Actor: ann'));
    await client.until(/\{"revision":\d+\}.*\{"revision":\d+\}$/s);
    expect(actors).toEqual(['unverified:127.0.0.1', 'unverified:ann']);
  });

  it('hears an oversized body out before it says 413, and goes on', async () => {
    const client = await connectTo(await open({ bodyBytesMax: 1000 }));
    client.send(putText('a', 'x'.repeat(500_000)));
    await client.until(/413 Payload Too Large[\s\S]*"limitBytes":1000/);
    client.send(putText('a', 'fits'));
    await client.until(/200 OK/);
  });

  it('refuses a hugely oversized body at once and closes', async () => {
    const client = await connectTo(await open({ bodyBytesMax: 1000 }));
    client.send('PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\nabc');
    await client.closed();
    expect(client.received).toMatch(/413 Payload Too Large[\s\S]*Connection: close/);
  });

  it('does the same for a JSON route, and for a body in chunks', async () => {
    const port = await open({ bodyBytesMax: 1000 });
    const client = await connectTo(port);
    const head = 'POST /v1/txn HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
    client.send(`${head}Content-Length: 99999999999\r\n\r\nabc`);
    await client.closed();
    expect(client.received).toMatch(/413 Payload Too Large/);
    const chunked = await connectTo(port);
    const chunk = `1000\r\n${'x'.repeat(0x1000)}\r\n`;
    chunked.send(`PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n`);
    chunked.send(`${chunk}${chunk}0\r\n\r\n`);
    await chunked.until(/413 Payload Too Large[\s\S]*too-large/);
  });

  it('waits with a body until the client is told to go on', async () => {
    const port = await open();
    const request = httpRequest({
      port,
      method: 'PUT',
      path: '/v1/kv/a',
      headers: { expect: '100-continue', 'content-length': '5' },
    });
    request.flushHeaders();
    await once(request, 'continue');
    request.end('hello');
    const [response] = await once(request, 'response');
    expect(response.statusCode).toBe(200);
    response.resume();
  });
});

describe('clients that break off', () => {
  it('answers 408 to a head that is never finished', async () => {
    const client = await connectTo(await open({ headersTimeoutMs: 50, requestTimeoutMs: 100 }));
    client.send('GET /v1/kv/a HTTP/1.1\r\nHost:');
    await client.closed();
    expect(client.received).toMatch(/408 Request Timeout[\s\S]*problem\+json/);
  });

  it('answers 408 to a body that is never finished, and writes nothing', async () => {
    const client = await connectTo(await open({ headersTimeoutMs: 50, requestTimeoutMs: 100 }));
    client.send('PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf');
    await client.closed();
    expect(client.received).toMatch(/408 Request Timeout/);
    expect(door.engine.status().keys).toBe(0);
  });

  it('writes nothing of a body whose client went away', async () => {
    const port = await open();
    const closed = new Promise((resolve) => {
      door.app.server.on('connection', (socket) => socket.on('close', resolve));
    });
    const client = await connectTo(port);
    client.send('PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf');
    client.close();
    await closed;
    expect(door.engine.status().keys).toBe(0);
    expect(door.faults).toEqual([]);
  });

  it('answers 400 to bytes that are no HTTP, 431 to a flood of headers', async () => {
    const port = await open();
    const noise = await connectTo(port);
    noise.send('\x16\x03\x01\x02\x00\x01\r\n\r\n');
    await noise.closed();
    expect(noise.received).toMatch(/^HTTP\/1.1 400 Bad Request[\s\S]*invalid-argument/);
    const flood = await connectTo(port);
    flood.send(`GET / HTTP/1.1\r\nHost: x\r\n${'X-Flood: 0123456789\r\n'.repeat(2000)}\r\n`);
    await flood.closed();
    expect(flood.received).toMatch(/^HTTP\/1.1 431[\s\S]*too-large/);
  });

  it('serves the others beside 1,000 idle connections', async () => {
    const port = await open();
    const idle = await Promise.all(Array.from({ length: 1000 }, () => connectTo(port)));
    for (const client of idle.slice(500)) client.send('GET /v1');
    const client = await connectTo(port);
    client.send(putText('a', '1'));
    await client.until(/"revision":\d+\}$/);
    client.send(getText('/v1/kv/a'));
    await client.until(/\r\n\r\n1$/);
    expect(idle.every((one) => one.received === '')).toBe(true);
  });

  it('turns connections away above its limit, not those it has', async () => {
    const port = await open({ connectionsMax: 2 });
    const [first] = [await connectTo(port), await connectTo(port)];
    const third = await connectTo(port);
    await third.closed();
    first?.send(getText('/livez'));
    await first?.until(/200 OK/);
  });

  it('ends a reader that stopped reading', async () => {
    const port = await open({ stalledMs: 100 });
    for (let at = 0; at < 20; at += 1) await putKey(`k${at}`, Buffer.alloc(1024 * 1024, 120));
    const closed = new Promise((resolve) => {
      door.app.server.on('connection', (socket) => socket.on('close', resolve));
    });
    const client = await connectTo(port);
    client.socket.pause();
    for (let at = 0; at < 20; at += 1) client.send(getText(`/v1/kv/k${at}`));
    await closed;
    expect(door.faults).toEqual([]);
  });
});

describe('an event stream', () => {
  const watch = async (path: string, headers = ''): Promise<RawClient> => {
    const client = await connectTo(await portOf());
    client.send(`GET ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`);
    return client;
  };
  const portOf = async (): Promise<number> => {
    const address = door.app.server.address();
    if (address !== null && typeof address === 'object') return address.port;
    throw new Error('not listening');
  };

  it('tells changes in order, those of one transaction together', async () => {
    await open();
    const client = await watch('/v1/kv-watch?prefix=a');
    await client.until(/event: started/);
    await putKey('a1', 'one');
    await putKey('b', 'not asked for');
    await putKey('a2', 'two');
    await client.until(/"text":"two"/);
    const ids = [...client.received.matchAll(/id: (\d+)\nevent: change/g)].map((match) => match[1]);
    expect(client.received).toContain('text/event-stream');
    expect(client.received).not.toContain('not asked for');
    expect(Number(ids[1])).toBe(Number(ids[0]) + 2);
  });

  it('ends where its member may know of nothing young enough, and says so', async () => {
    await open();
    const client = await watch('/v1/kv-watch?key=a', 'Holdfast-Max-Age-Ms: 2000\r\n');
    await client.until(/event: started/);
    const patient = await watch('/v1/kv-watch?key=a', 'Holdfast-Max-Age-Ms: 900000\r\n');
    const careless = await watch('/v1/kv-watch?key=a');
    await careless.until(/event: started/);
    door.engine.ageMs = 2001;
    await client.until(/event: error\ndata: .*stale-unknown/);
    await client.until(/\r\n0\r\n\r\n$/);
    const late = await watch('/v1/kv-watch?key=a', 'Holdfast-Max-Age-Ms: 2000\r\n');
    await late.until(/HTTP\/1.1 503 .*stale-unknown/s);
    await putKey('a', 'news');
    await patient.until(/"text":"news"/);
    await careless.until(/"text":"news"/);
    const odd = await watch('/v1/kv-watch?key=a', 'Holdfast-Max-Age-Ms: soon\r\n');
    await odd.until(/HTTP\/1.1 400/);
  });

  it('resumes after the last event that was seen', async () => {
    await open();
    const { header } = await putKey('a', 'seen');
    await putKey('a', 'missed');
    const client = await watch('/v1/kv-watch?key=a', `Last-Event-ID: ${header.revision}\r\n`);
    await client.until(/"text":"missed"/);
    expect(client.received).not.toContain('"text":"seen"');
    const again = await watch(`/v1/kv-watch?key=a&revision=${header.revision}`);
    await again.until(/"text":"seen"[\s\S]*"text":"missed"/);
  });

  it('answers 410 before the start where history is gone', async () => {
    await open();
    await putKey('a', '1');
    const { header } = await putKey('a', '2');
    await door.engine.compact({ revision: header.revision }, { actor: 'test' });
    const client = await watch('/v1/kv-watch?key=a&revision=1');
    await client.until(/410 Gone[\s\S]*"compactRevision":\d+/);
  });

  it('says gap in the middle where history is gone, and ends', async () => {
    await open();
    const { watch: watchEngine } = door.engine;
    door.engine.watch = async (request, options) => {
      const stream = await watchEngine.call(door.engine, request, options);
      const { HoldfastError } = await import('@holdfast/base/errors');
      return {
        startedAt: stream.startedAt,
        close: () => stream.close(),
        async *[Symbol.asyncIterator]() {
          yield* [];
          throw new HoldfastError('compacted', 'gone', { details: { compactRevision: 7 } });
        },
      };
    };
    const client = await watch('/v1/kv-watch?prefix=');
    await client.until(/event: gap\ndata: .*"compactRevision":7/);
    await client.until(/0\r\n\r\n$/);
  });

  it('never lets an id run ahead of what is owed, nor go back', async () => {
    await open();
    const at = (value: number) => revision(value);
    door.engine.watch = async () => ({
      startedAt: at(3),
      close: () => undefined,
      async *[Symbol.asyncIterator]() {
        yield { type: 'progress' as const, revision: at(3) };
        yield { type: 'progress' as const, revision: at(9) };
      },
    });
    const client = await watch('/v1/kv-watch?prefix=');
    await client.until(/0\r\n\r\n$/);
    const ids = [...client.received.matchAll(/id: (\d+)\n/g)].map((match) => Number(match[1]));
    expect(ids).toEqual([3, 3, 8]);
  });

  it('beats while nothing happens', async () => {
    await open({ heartbeatMs: 20 });
    const client = await watch('/v1/kv-watch?prefix=');
    await client.until(/: alive\n\n[\s\S]*: alive\n\n/);
  });

  it('closes the watch of a client that went', async () => {
    await open();
    let closes: () => void = () => undefined;
    const closed = new Promise<void>((resolve) => {
      closes = resolve;
    });
    const { watch: watchEngine } = door.engine;
    door.engine.watch = async (request, { actor }) => {
      // Without the signal: the stream has to be closed, not only told.
      const stream = await watchEngine.call(door.engine, request, { actor });
      const { close } = stream;
      stream.close = () => {
        close.call(stream);
        closes();
      };
      return stream;
    };
    const client = await watch('/v1/kv-watch?prefix=');
    await client.until(/event: started/);
    client.close();
    await closed;
  });

  it('pulls no further than a slow reader reads', async () => {
    await open();
    let pulled = 0;
    const value = 'x'.repeat(128 * 1024);
    const { watch: watchEngine } = door.engine;
    door.engine.watch = async (request, options) => {
      const stream = await watchEngine.call(door.engine, request, options);
      return {
        startedAt: stream.startedAt,
        close: () => stream.close(),
        async *[Symbol.asyncIterator]() {
          for await (const item of stream) {
            pulled += 1;
            yield item;
          }
        },
      };
    };
    const { header } = await putKey('a', value);
    for (let at = 1; at < 100; at += 1) await putKey('a', value);
    const client = await watch(`/v1/kv-watch?key=a&revision=${header.revision}`);
    await client.until(/event: started/);
    client.socket.pause();
    // Another client's requests are served meanwhile; by then the stream has met its full socket.
    const other = await connectTo(await portOf());
    for (let at = 0; at < 20; at += 1) {
      other.received = '';
      other.send(getText('/livez'));
      await other.until(/ok\n/);
    }
    expect(pulled).toBeLessThan(60);
    client.socket.resume();
    await client.until(new RegExp(`id: ${header.revision + 99}\\n`));
    expect(pulled).toBe(100);
  });

  it('refuses a watch of nothing, of two things, and from nowhere', async () => {
    await open();
    for (const query of ['', 'key=a&prefix=b', 'key=', 'prefix=a&revision=x']) {
      const client = await watch(`/v1/kv-watch?${query}`);
      await client.until(/400 Bad Request/);
    }
    const client = await watch('/v1/kv-watch?key=a', 'Last-Event-ID: abc\r\n');
    await client.until(/400 Bad Request[\s\S]*Last-Event-ID/);
  });
});
