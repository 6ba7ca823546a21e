// Goal: the door for gRPC does what the stock client of Node programs expects of a server. Method:
// that client on loopback, against methods that are made for the test, without an engine.
import { status as codes, Metadata, type ServiceError } from '@grpc/grpc-js';
import { HoldfastError, isHoldfastError } from '@holdfast/base/errors';
import { encode } from '@holdfast/proto/encode';
import { PutRequest } from '@holdfast/proto/etcd';
import { KeyValue } from '@holdfast/proto/etcd-kv';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { eventually } from '../http/test-door.fixture.ts';
import { frameMessage, GrpcClient } from './grpc-client.fixture.ts';
import type { GrpcCall, GrpcMethod, StreamCall } from './method.ts';
import { serverStreamMethod } from './server-stream.ts';
import { GrpcStatus, statusCodes } from './status.ts';
import { type ServedMethods, StockClient, serveMethods } from './stock-client.fixture.ts';

const statusOf = (error: unknown): GrpcStatus =>
  isHoldfastError(error)
    ? new GrpcStatus(statusCodes.aborted, error.code)
    : new GrpcStatus(statusCodes.internal, String(error));

/** Why each wait has ended, in order. */
let ends: string[];
/** Of the stream that counts. */
let sent: number;

const untilOver = ({ signal }: GrpcCall): Promise<never> =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => {
      const { code } = signal.reason as HoldfastError;
      ends.push(code);
      reject(signal.reason as Error);
    });
  });

const methods: readonly GrpcMethod[] = [
  {
    ...{ kind: 'unary', name: 'Echo', statusOf },
    handle: async (message) => frameMessage(message),
  },
  {
    ...{ kind: 'unary', name: 'Headers', statusOf },
    handle: async (_message, { header }) =>
      frameMessage(Buffer.from(JSON.stringify([header('token'), header('seal-bin')]))),
  },
  {
    ...{ kind: 'unary', name: 'Fail', statusOf },
    handle: async (message) => {
      const [code, text] = JSON.parse(Buffer.from(message).toString()) as [5, string];
      throw new GrpcStatus(code, text);
    },
  },
  {
    ...{ kind: 'unary', name: 'Wait', statusOf },
    handle: (_message, call) => untilOver(call),
  },
  {
    ...{ kind: 'unary', name: 'WaitLong', statusOf, waitsWithClient: true },
    handle: (_message, call) => untilOver(call),
  },
  serverStreamMethod({ name: 'Count', statusOf }, [PutRequest, KeyValue], async (asked, call) => {
    const kv = KeyValue.decode(new Uint8Array(0));
    for (let version = 1; version <= Number(asked.lease); version += 1) {
      await call.send({ ...kv, version, value: asked.value });
      sent = version;
    }
    if (asked.ignoreLease) throw new HoldfastError('shutting-down', 'that was all');
  }),
  { ...{ kind: 'stream', name: 'Talk', statusOf }, open: (call) => talk(call) },
];

/** Says again what it hears, and hears nothing while nobody listens. */
const talk = (call: StreamCall) => ({
  onMessage: (message: Uint8Array) => {
    if (!call.send(frameMessage(Buffer.from(message)))) call.pause();
  },
  onEnd: () => call.end('ok'),
  onRoom: () => call.resume(),
  onGone: () => void ends.push('gone'),
});

let served: ServedMethods;
let client: StockClient;
const closers: (() => void)[] = [];

async function serve(options: Parameters<typeof serveMethods>[1] = {}): Promise<void> {
  const byPath = new Map(methods.map((method) => [`/test.Test/${method.name}`, method]));
  served = await serveMethods(byPath, options);
  client = connect();
}

function connect(options: Record<string, number> = {}): StockClient {
  // Each has a connection of its own.
  const one = new StockClient(served.address, { 'grpc.use_local_subchannel_pool': 1, ...options });
  closers.push(() => one.close());
  return one;
}

beforeEach(async () => {
  ends = [];
  sent = 0;
  await serve();
});

afterEach(async () => {
  for (const close of closers.splice(0)) close();
  await served.close();
});

const bytes = (text: string): Buffer => Buffer.from(text);
const ask = (name: string, text = '', call = {}): Promise<Buffer> =>
  client.unary(`/test.Test/${name}`, bytes(text), call);

async function failure(answer: Promise<unknown>): Promise<readonly [number, string]> {
  try {
    await answer;
  } catch (error) {
    const { code, details } = error as ServiceError;
    return [code, details];
  }
  throw new Error('the call went well');
}

/** At the server, as it runs out here and there: whose clock is the first is not said. */
const endsOfTime = ['deadline-exceeded', 'cancelled'];

describe('calls of one message', () => {
  it('are answered, with nothing in them and with megabytes', async () => {
    expect((await ask('Echo', 'hello')).toString()).toBe('hello');
    expect(await ask('Echo')).toHaveLength(0);
    const large = Buffer.alloc(2 * 1024 * 1024, 7);
    expect((await client.unary('/test.Test/Echo', large)).equals(large)).toBe(true);
  });

  it('are refused when they are too large, and the connection goes on', async () => {
    const tooLarge = Buffer.alloc(2 * 1024 * 1024 + 1);
    const [code, details] = await failure(client.unary('/test.Test/Echo', tooLarge));
    expect([code, details]).toEqual([
      codes.RESOURCE_EXHAUSTED,
      'grpc: received message larger than max (2097153 vs. 2097152)',
    ]);
    expect((await ask('Echo', 'still')).toString()).toBe('still');
  });

  it('end with a code and a sentence, whatever letters it has', async () => {
    const sentences = ['etcdserver: no leader', 'größer als 100 %\nund 漢字', ''];
    for (const sentence of sentences) {
      const said = JSON.stringify([codes.FAILED_PRECONDITION, sentence]);
      expect(await failure(ask('Fail', said))).toEqual([codes.FAILED_PRECONDITION, sentence]);
    }
    expect((await failure(ask('Fly')))[0]).toBe(codes.UNIMPLEMENTED);
  });

  it('carry metadata, also in octets', async () => {
    const metadata = new Metadata();
    metadata.set('Token', 'a b');
    metadata.set('seal-bin', Buffer.from([0, 1, 255]));
    const headers = JSON.parse((await ask('Headers', '', { metadata })).toString()) as unknown;
    expect(headers).toEqual(['a b', Buffer.from([0, 1, 255]).toString('base64')]);
  });

  it('are answered many at a time, on one connection and on many', async () => {
    const clients = [client, ...Array.from({ length: 20 }, () => connect())];
    const texts = Array.from({ length: 1000 }, (_, at) => `call ${at}`);
    const answers = await Promise.all(
      texts.map((text, at) =>
        (clients[at % 3 === 0 ? 0 : at % 21] as StockClient).unary('/test.Test/Echo', bytes(text)),
      ),
    );
    expect(answers.map(String)).toEqual(texts);
  });

  it('end with their time', async () => {
    const [code] = await failure(ask('Wait', '', { deadline: Date.now() + 50 }));
    expect(code).toBe(codes.DEADLINE_EXCEEDED);
    await eventually(() => expect(ends).toHaveLength(1));
    expect(endsOfTime).toContain(ends[0]);
    await eventually(() => expect(served.context.deadlines.underWay).toBe(0));
  });
});

describe('a call that waits with its client', () => {
  it('outlives the default time, and ends with the one that it was given', async () => {
    await served.close();
    await serve({ callTimeoutMs: 20 });
    const short = failure(ask('Wait'));
    const long = client.begin('/test.Test/WaitLong', bytes(''));
    const named = failure(ask('WaitLong', '', { deadline: Date.now() + 600 }));
    expect(await short).toEqual([codes.ABORTED, 'deadline-exceeded']);
    expect(ends).toEqual(['deadline-exceeded']);
    expect((await named)[0]).toBe(codes.DEADLINE_EXCEEDED);
    await eventually(() => expect(ends).toHaveLength(2));
    expect(endsOfTime).toContain(ends[1]);
    long.cancel();
    expect((await failure(long.answer))[0]).toBe(codes.CANCELLED);
  });

  it('ends when its client gives it up, and when its connection is gone', async () => {
    const { answer, cancel } = client.begin('/test.Test/WaitLong', bytes(''));
    const other = await GrpcClient.connect(Number(served.address.split(':')[1]));
    other.begin('/test.Test/WaitLong').end(frameMessage(bytes('')));
    await eventually(() => expect(served.context.streams.size).toBe(2));
    cancel();
    expect((await failure(answer))[0]).toBe(codes.CANCELLED);
    await eventually(() => expect(ends).toEqual(['cancelled']));
    other.close();
    await eventually(() => expect(ends).toEqual(['cancelled', 'cancelled']));
    expect(served.context.streams.size).toBe(0);
  });

  it('ends with the door', async () => {
    const answer = failure(ask('WaitLong'));
    await eventually(() => expect(served.context.streams.size).toBe(1));
    const reason = new HoldfastError('shutting-down', 'this member is stopping');
    for (const end of served.context.streams) end(reason);
    expect(await answer).toEqual([codes.ABORTED, 'shutting-down']);
    expect(served.context.streams.size).toBe(0);
  });
});

const countTo = (count: number, more: Partial<PutRequest> = {}): Uint8Array =>
  encode(PutRequest, {
    ...PutRequest.decode(new Uint8Array(0)),
    lease: BigInt(count),
    ...more,
  });

describe('a stream of answers', () => {
  const begin = (message: Uint8Array) => client.serverStream('/test.Test/Count', message);

  it('comes whole and in order, and ends with its status', async () => {
    const stream = begin(countTo(5000));
    const versions: number[] = [];
    for await (const message of stream) versions.push(KeyValue.decode(message as Buffer).version);
    expect(versions).toEqual(Array.from({ length: 5000 }, (_, at) => at + 1));
    const none = begin(countTo(0));
    for await (const _ of none) throw new Error('nothing was asked for');
  });

  it('fails behind what it has said', async () => {
    const stream = begin(countTo(3, { ignoreLease: true }));
    const heard: number[] = [];
    const over = failure(
      (async () => {
        for await (const one of stream) heard.push(KeyValue.decode(one as Buffer).version);
      })(),
    );
    expect(await over).toEqual([codes.ABORTED, 'shutting-down']);
    expect(heard).toEqual([1, 2, 3]);
  });

  it('waits for a client that does not read, and goes on with it', async () => {
    const value = Buffer.alloc(64 * 1024, 1);
    const messages = begin(countTo(1000, { value }))[Symbol.asyncIterator]();
    let heard = await taken(messages, 1);
    // It takes a few ahead.
    expect(await settled(() => sent)).toBeLessThan(100);
    heard += await taken(messages, 1000);
    expect(heard).toBe(1000);
  });

  it('ends when the client gives it up', async () => {
    const stream = begin(countTo(1_000_000, { value: Buffer.alloc(1024) }));
    const over = failure(
      (async () => {
        for await (const _ of stream) stream.cancel();
      })(),
    );
    expect((await over)[0]).toBe(codes.CANCELLED);
    const before = await settled(() => sent);
    expect(before).toBeLessThan(1_000_000);
    expect(served.context.streams.size).toBe(0);
  });
});

describe('a stream both ways', () => {
  it('carries many messages in order', async () => {
    const stream = client.bidi('/test.Test/Talk');
    const heard: string[] = [];
    const texts = Array.from({ length: 5000 }, (_, at) => `message ${at}`);
    const over = (async () => {
      for await (const message of stream) heard.push(String(message));
    })();
    for (const text of texts) stream.write(bytes(text));
    stream.end();
    await over;
    expect(heard).toEqual(texts);
    await eventually(() => expect(ends).toEqual(['gone']));
  });

  it('takes no more than it can give on, and loses nothing', async () => {
    const stream = client.bidi('/test.Test/Talk');
    const message = Buffer.alloc(256 * 1024, 3);
    let written = 0;
    for (let at = 0; at < 400; at += 1) stream.write(message, () => (written += 1));
    stream.end();
    const messages = stream[Symbol.asyncIterator]();
    let heard = await taken(messages, 1);
    expect(await settled(() => written)).toBeLessThan(100);
    heard += await taken(messages, 400);
    expect(heard).toBe(400);
  });

  it('is heard of when it is cancelled, and harms no other', async () => {
    const others = client.bidi('/test.Test/Talk');
    const stream = client.bidi('/test.Test/Talk');
    const over = failure(
      (async () => {
        for await (const _ of stream) stream.cancel();
      })(),
    );
    stream.write(bytes('one'));
    expect((await over)[0]).toBe(codes.CANCELLED);
    await eventually(() => expect(ends).toEqual(['gone']));
    others.write(bytes('still'));
    others.end();
    const heard: string[] = [];
    for await (const message of others) heard.push(String(message));
    expect(heard).toEqual(['still']);
  });

  it('ends with its time', async () => {
    const stream = client.bidi('/test.Test/Talk', { deadline: Date.now() + 50 });
    const over = (async () => {
      for await (const _ of stream) throw new Error('nothing was said');
    })();
    expect((await failure(over))[0]).toBe(codes.DEADLINE_EXCEEDED);
    await eventually(() => expect(ends).toEqual(['gone']));
  });
});

/** How many came, at most `count`. */
async function taken(messages: AsyncIterator<unknown>, count: number): Promise<number> {
  for (let heard = 0; heard < count; heard += 1) {
    if ((await messages.next()).done) return heard;
  }
  return count;
}

/** What it says once it has said the same for a while. */
async function settled(read: () => number): Promise<number> {
  for (let same = 0, last = read(); ; ) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    same = read() === last ? same + 1 : 0;
    last = read();
    if (same > 20) return last;
  }
}
