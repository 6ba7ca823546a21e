// For the tests of the gateway: the door with a second gateway at `/fake`, whose methods do as the
// test says. A stream that is under way is a FakeStream.
import { ManualClock } from '@holdfast/base/manual-clock';
import {
  LeaseKeepAliveRequest,
  LeaseKeepAliveResponse,
  RangeRequest,
  RangeResponse,
  SnapshotRequest,
  SnapshotResponse,
} from '@holdfast/proto/etcd';

import { etcdStatusOf } from '../etcd/etcd-status.ts';
import {
  decoded,
  framed,
  type GrpcCall,
  type GrpcMethod,
  type StreamCall,
  type UnaryAnswer,
  unaryMethod,
  wholeOf,
} from '../grpc/method.ts';
import type { HttpAppOptions } from '../http/http-server.ts';
import { type TestDoor, testDoor } from '../http/test-door.fixture.ts';
import { type GatewayOptions, gatewayRoutes } from './gateway.ts';

/** At `/fake/lease/keepalive`; `/fake/maintenance/snapshot` takes one message alone. */
export class FakeStream {
  readonly call: StreamCall;
  readonly messages: string[] = [];
  hasEnded = false;
  isGone = false;
  rooms = 0;
  /** Ids at which it wants to be told nothing more for now. */
  pauseAt: string | undefined;

  constructor(call: StreamCall) {
    this.call = call;
  }

  answer(ID: bigint, TTL = 7): boolean {
    return this.call.send(framed(LeaseKeepAliveResponse, { header: undefined, ID, TTL }));
  }

  part(blob: Uint8Array): boolean {
    const value = { header: undefined, remainingBytes: 0, blob, version: '' };
    return this.call.send(framed(SnapshotResponse, value));
  }
}

export type FakeDoor = TestDoor & {
  /** What it goes by, unless it was given another one. */
  readonly clock: ManualClock;
  readonly streams: FakeStream[];
  /**
   * Of `/fake/kv/range`, and of `/fake/lock/lock`, which waits with its client and is answered by a
   * header alone: told the call, answers a value or throws.
   */
  onRange: (call: GrpcCall) => Promise<Uint8Array>;
  /** The answer to a range comes cut in two, anywhere: nothing can be read of it. */
  isCut: boolean;
  /** What a stream does with a message, after it was noted. */
  onMessage: (stream: FakeStream, id: string) => void;
};

export function fakeDoor(
  options: Parameters<typeof testDoor>[0] & Pick<GatewayOptions, 'answerBytesMax'> = {},
): FakeDoor {
  const { answerBytesMax, ...rest } = options;
  const clock = new ManualClock();
  const streams: FakeStream[] = [];
  const routes: HttpAppOptions['routes'] = [
    (app, context) => {
      const fake = { context, methods: methodsOf(door), messageBytesMax: 3000 };
      const bounded = answerBytesMax === undefined ? fake : { ...fake, answerBytesMax };
      app.register(async (scope) => gatewayRoutes(scope, bounded, ['/fake']));
    },
  ];
  const door: FakeDoor = Object.assign(testDoor({ clock, ...rest, routes }), {
    clock,
    streams,
    onRange: async () => new Uint8Array(0),
    isCut: false,
    onMessage: () => undefined,
  });
  return door;
}

function methodsOf(door: FakeDoor): ReadonlyMap<string, GrpcMethod> {
  const statusOf = etcdStatusOf;
  const range = unaryMethod(
    { name: 'KV/Range', statusOf, answersMany: true },
    [RangeRequest, RangeResponse],
    async (_request, call) => {
      const value = await door.onRange(call);
      const facts = { createRevision: 1, modRevision: 1, version: 1, lease: 0n };
      const kvs = [{ key: Buffer.from('k'), value, ...facts }];
      return { header: undefined, kvs, more: false, count: 1 };
    },
  );
  const cut = (answer: UnaryAnswer): UnaryAnswer => {
    const bytes = wholeOf(answer);
    return door.isCut ? [bytes.subarray(0, 10), bytes.subarray(10)] : bytes;
  };
  return new Map<string, GrpcMethod>([
    [
      '/etcdserverpb.KV/Range',
      { ...range, handle: async (...call) => cut(await range.handle(...call)) },
    ],
    ['/v3lockpb.Lock/Lock', { ...range, name: 'Lock/Lock', waitsWithClient: true }],
    [
      '/etcdserverpb.Lease/LeaseKeepAlive',
      streamMethod(door, (bytes) => String(decoded(LeaseKeepAliveRequest, bytes).ID)),
    ],
    [
      '/etcdserverpb.Maintenance/Snapshot',
      streamMethod(door, (bytes) => JSON.stringify(decoded(SnapshotRequest, bytes))),
    ],
  ]);
}

const streamMethod = (door: FakeDoor, read: (bytes: Uint8Array) => string): GrpcMethod => ({
  kind: 'stream',
  name: 'Fake/Stream',
  statusOf: etcdStatusOf,
  open: (call) => {
    const stream = new FakeStream(call);
    door.streams.push(stream);
    return {
      onMessage: (bytes) => {
        const message = read(bytes);
        stream.messages.push(message);
        if (message === stream.pauseAt) call.pause();
        door.onMessage(stream, message);
      },
      onEnd: () => {
        stream.hasEnded = true;
      },
      onRoom: () => {
        stream.rooms += 1;
      },
      onGone: () => {
        stream.isGone = true;
      },
    };
  },
});
