// For the tests of hostile clients: the door on loopback, clients that speak frame by frame, and a
// stock one beside them. Its dispose closes everything.
import { ManualClock } from '@holdfast/base/manual-clock';
import { SystemClock } from '@holdfast/base/system-clock';
import { encode } from '@holdfast/proto/encode';
import { PutRequest, PutResponse, RangeRequest } from '@holdfast/proto/etcd';

import type { HttpLimits } from '../http/http-context.ts';
import {
  eventually,
  listen,
  openConnections,
  RawClient,
  type TestDoor,
  testDoor,
} from '../http/test-door.fixture.ts';
import { frameMessage, GrpcClient } from './grpc-client.fixture.ts';
import { frameTypes, RawHttp2 } from './raw-http2.fixture.ts';

export const putPath = '/etcdserverpb.KV/Put';
export const rangePath = '/etcdserverpb.KV/Range';
export const mebibyte = 1024 * 1024;

const nothing = new Uint8Array(0);

const putOf = (key: string, value: string | Uint8Array): PutRequest => ({
  ...PutRequest.decode(nothing),
  key: Buffer.from(key),
  value: Buffer.from(value),
});

export const putMessage = (key: string, value: string | Uint8Array = 'v'): Uint8Array =>
  frameMessage(encode(PutRequest, putOf(key, value)));

export const rangeMessage = (key: string, rangeEnd = ''): Uint8Array => {
  const ends = { key: Buffer.from(key), rangeEnd: Buffer.from(rangeEnd) };
  return frameMessage(encode(RangeRequest, { ...RangeRequest.decode(nothing), ...ends }));
};

export class HostileDoor implements AsyncDisposable {
  readonly turnedAway: string[] = [];
  /** Stands still unless it is advanced; only where it was asked for. */
  readonly clock = new ManualClock();
  readonly door: TestDoor;
  port = 0;
  readonly #clients: { close(): void }[] = [];

  private constructor(options: {
    readonly limits: Partial<HttpLimits>;
    readonly isStill: boolean;
  }) {
    this.door = testDoor({
      limits: options.limits,
      clock: options.isStill ? this.clock : new SystemClock(),
      onTurnedAway: (_from, reason) => this.turnedAway.push(reason),
    });
  }

  static async open(limits: Partial<HttpLimits> = {}, isStill = false): Promise<HostileDoor> {
    const opened = new HostileDoor({ limits, isStill });
    opened.port = await listen(opened.door.app);
    return opened;
  }

  /** Its time is moved by hand. */
  static openStill(limits: Partial<HttpLimits> = {}): Promise<HostileDoor> {
    return HostileDoor.open(limits, true);
  }

  /** It introduces itself, and speaks as it is told to from then on. */
  async raw(settings?: Buffer): Promise<RawHttp2> {
    const raw = await RawHttp2.connect(this.port, settings);
    this.#clients.push(raw);
    await raw.next(frameTypes.settings);
    return raw;
  }

  async text(): Promise<RawClient> {
    const raw = await RawClient.connect(this.port);
    this.#clients.push(raw);
    return raw;
  }

  async stock(): Promise<GrpcClient> {
    const client = await GrpcClient.connect(this.port);
    this.#clients.push(client);
    return client;
  }

  put(client: GrpcClient, key: string, value: string | Uint8Array = 'v'): Promise<PutResponse> {
    return client.unary(putPath, [PutRequest, PutResponse], putOf(key, value));
  }

  async nobodyIsLeft(): Promise<void> {
    await eventually(async () => {
      const count = await openConnections(this.door);
      if (count > 0) throw new Error(`${count} connections are open`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients.splice(0)) client.close();
    const closed = this.door.app.close();
    this.clock.advance(60_000);
    await closed;
  }
}
