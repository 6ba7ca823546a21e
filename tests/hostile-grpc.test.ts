// Clients that speak gRPC to do harm, against real members. Goal: a member's memory stays within a
// bound while they are there and does not grow with each of them, and a well-behaved client beside
// them is served all along. Method: raw frames of HTTP/2 in their thousands against one of three,
// the process' memory, and a stock client that writes and reads there without a pause. It is a
// follower: with a share of a core, a leader would lose its place to the attack and the test.
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { encode } from '@holdfast/proto/encode';
import { PutRequest, PutResponse, RangeRequest, RangeResponse } from '@holdfast/proto/etcd';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { frameMessage, GrpcClient } from '../packages/server/src/grpc/grpc-client.fixture.ts';
import {
  callFrames,
  frame,
  frameTypes,
  initialWindowSize,
  pingFrame,
  RawHttp2,
  resetFrame,
  settingsFrame,
  windowFrame,
} from '../packages/server/src/grpc/raw-http2.fixture.ts';
import { ProcessCluster, type ProcessMember } from './support/process-cluster.ts';

const mebibyte = 1024 * 1024;
const putPath = '/etcdserverpb.KV/Put';
const rangePath = '/etcdserverpb.KV/Range';
/** Beyond what it took before, whatever they do: its own bounds, and room for the collector. */
const grownBytesMax = 400 * mebibyte;
/** Generous: machines that test are busy. */
const slowMs = 5000;

let cluster: ProcessCluster;
let member: ProcessMember;
let port: number;
let before: number;

const nothing = new Uint8Array(0);
const putOf = (key: string, value: Uint8Array): PutRequest => {
  return { ...PutRequest.decode(nothing), key: Buffer.from(key), value };
};
const rangeOf = (key: string, rangeEnd = ''): RangeRequest => {
  const ends = { key: Buffer.from(key), rangeEnd: Buffer.from(rangeEnd) };
  return { ...RangeRequest.decode(nothing), ...ends };
};
const rangeAll = frameMessage(encode(RangeRequest, rangeOf('v', 'w')));

beforeAll(async () => {
  cluster = await ProcessCluster.start(3);
  const leader = await cluster.leader();
  member = cluster.members.find((one) => one !== leader) as ProcessMember;
  port = Number(member.place.client.split(':')[1]);
  const client = await GrpcClient.connect(port);
  const value = new Uint8Array(500_000).fill(97);
  for (let at = 0; at < 8; at += 1) {
    await client.unary(putPath, [PutRequest, PutResponse], putOf(`v${at}`, value));
  }
  client.close();
  before = residentBytes();
});

afterAll(async () => await cluster[Symbol.asyncDispose]());

const residentBytes = (): number => {
  const status = readFileSync(`/proc/${member.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
};

/** Writes and reads without a pause; all of it succeeds. */
class Beside {
  readonly #client: GrpcClient;
  readonly #loop: Promise<void>;
  #isOver = false;
  hasFailed = false;
  calls = 0;
  slowestMs = 0;

  private constructor(client: GrpcClient) {
    this.#client = client;
    this.#loop = this.#run();
    this.#loop.catch(() => {
      this.hasFailed = true; // `stop` says how.
    });
  }

  static async start(): Promise<Beside> {
    return new Beside(await GrpcClient.connect(port));
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#loop;
    this.#client.close();
  }

  async #run(): Promise<void> {
    const value = Buffer.from('x');
    while (!this.#isOver) {
      await this.#timed(() =>
        this.#client.unary(putPath, [PutRequest, PutResponse], putOf('beside', value)),
      );
      const { kvs } = await this.#timed(() =>
        this.#client.unary(rangePath, [RangeRequest, RangeResponse], rangeOf('beside')),
      );
      if (kvs.length !== 1) throw new Error('its own write was not read');
    }
  }

  async #timed<T>(call: () => Promise<T>): Promise<T> {
    const startMs = performance.now();
    const answer = await call();
    this.slowestMs = Math.max(this.slowestMs, performance.now() - startMs);
    this.calls += 1;
    return answer;
  }
}

/** Runs beside the stock client; answers what the member has grown by at the most. */
async function attack(what: string, run: (clients: RawHttp2[]) => Promise<void>): Promise<void> {
  const beside = await Beside.start();
  const clients: RawHttp2[] = [];
  let grown = 0;
  const sample = setInterval(() => {
    grown = Math.max(grown, residentBytes() - before);
  }, 50);
  try {
    await run(clients);
    // As long as it takes to see that the others still are served, with all of it in place.
    const enough = beside.calls + 200;
    while (beside.calls < enough && !beside.hasFailed) await delay(10);
  } finally {
    clearInterval(sample);
    for (const client of clients) client.close();
    await beside.stop();
  }
  const after = residentBytes() - before;
  process.stdout.write(
    `${what}: ${beside.calls} calls beside it, the slowest ${Math.round(beside.slowestMs)} ms; ` +
      `${Math.round(grown / mebibyte)} MiB more, then ${Math.round(after / mebibyte)}\n`,
  );
  expect(beside.slowestMs).toBeLessThan(slowMs);
  expect(grown).toBeLessThan(grownBytesMax);
}

async function raw(clients: RawHttp2[], settings?: Buffer): Promise<RawHttp2> {
  const client = await RawHttp2.connect(port, settings);
  clients.push(client);
  await client.next(frameTypes.settings);
  return client;
}

describe('clients that speak gRPC to do harm', () => {
  it('by opening 10,200 calls, three times over, and saying nothing', async () => {
    await attack('idle calls', async (clients) => {
      for (let round = 0; round < 3; round += 1) {
        for (const client of clients.splice(0)) client.close();
        for (let connections = 0; connections < 3; connections += 1) {
          const client = await raw(clients);
          for (let at = 0; at < 3400; at += 1) client.send(callFrames(1 + 2 * at, putPath));
          client.send(pingFrame());
          await client.until(frameTypes.ping, 1);
        }
      }
    });
  });

  it('by beginning messages and never ending them', async () => {
    const message = frameMessage(encode(PutRequest, putOf('a', new Uint8Array(mebibyte))));
    await attack('unfinished messages', async (clients) => {
      const client = await raw(clients);
      for (let stream = 1; stream < 2000; stream += 2) {
        client.send(callFrames(stream, putPath));
        for (let from = 0; from < 15 * 16_000; from += 16_000) {
          const payload = message.subarray(from, from + 16_000);
          client.send(frame({ type: frameTypes.data, stream, payload }));
        }
      }
      // More than may be held was refused.
      expect((await client.until(frameTypes.reset, 300)).length).toBeGreaterThanOrEqual(300);
    });
  });

  it('by asking for 16 GB and reading none of it, from eight connections', async () => {
    const wide = settingsFrame([[initialWindowSize, 0x7fff_ffff]]);
    await attack('unread answers', async (clients) => {
      for (let connections = 0; connections < 8; connections += 1) {
        const client = await raw(clients, connections % 2 === 0 ? wide : undefined);
        if (connections % 2 === 0) client.send(windowFrame(0, 0x7fff_0000));
        client.socket.pause();
        for (let at = 0; at < 500; at += 1) {
          const call = { bytes: rangeAll, isLast: true };
          client.send(callFrames(1 + 2 * at, rangePath, call));
        }
      }
    });
  });

  it('by going away in the middle of it, two hundred times', async () => {
    await attack('gone in the middle', async (clients) => {
      for (let round = 0; round < 200; round += 1) {
        const client = await raw([]);
        for (let at = 0; at < 20; at += 1) {
          const call = { bytes: rangeAll, isLast: true };
          client.send(callFrames(1 + 2 * at, rangePath, call));
          client.send(callFrames(101 + 2 * at, putPath));
        }
        if (round % 2 === 0) client.socket.end();
        else client.socket.resetAndDestroy();
        clients.push(client);
      }
    });
  });

  it('by resetting each call, and by floods of frames', async () => {
    await attack('resets and floods', async (clients) => {
      for (const bytes of [pingFrame(), settingsFrame(), resetFrame(1)]) {
        for (let connections = 0; connections < 3; connections += 1) {
          const client = await raw(clients);
          for (let at = 0; at < 3000; at += 1) {
            const call = { bytes: rangeAll, isLast: true };
            const stream = 1 + 2 * at;
            client.send(callFrames(stream, rangePath, call), resetFrame(stream), bytes);
          }
        }
      }
    });
  });

  it('and the member keeps none of it', async () => {
    // What it holds for nobody is given back as it goes on working.
    await attack('afterwards', async () => undefined);
    expect(residentBytes() - before).toBeLessThan(grownBytesMax);
    expect(member.log).not.toMatch(/uncaught|invariant/i);
  });
});
