// Goal: health is told as gRPC's protocol for it says: of the member, of each service, and of what
// there is not. Method: the service without a socket, under a clock that is advanced by hand.
import { ManualClock } from '@holdfast/base/manual-clock';
import { encode } from '@holdfast/proto/encode';
import {
  HealthCheckRequest,
  HealthCheckResponse,
  HealthCheckResponse_ServingStatus,
  HealthListResponse,
} from '@holdfast/proto/grpc-health';
import { beforeEach, describe, expect, it } from 'vitest';

import { healthService } from './health-service.ts';
import { type GrpcMethods, type StreamMethod, type UnaryMethod, unframed } from './method.ts';
import { GrpcStatus, statusCodes } from './status.ts';
import { TestStream } from './stream-call.fixture.ts';

const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = HealthCheckResponse_ServingStatus;

let clock: ManualClock;
let isReady: boolean;
let asked: number;
let methods: GrpcMethods;

beforeEach(() => {
  clock = new ManualClock();
  isReady = true;
  asked = 0;
  const look = (): boolean => {
    asked += 1;
    return isReady;
  };
  methods = healthService({
    ...{ clock, isReady: look, services: () => ['etcdserverpb.KV'] },
    statusOf: (error) => new GrpcStatus(statusCodes.internal, String(error)),
  });
});

const call = {
  actor: 'tester',
  signal: new AbortController().signal,
  header: () => undefined,
};

async function ask(name: string, service = ''): Promise<Uint8Array> {
  const method = methods.get(`/grpc.health.v1.Health/${name}`) as UnaryMethod;
  return unframed(await method.handle(encode(HealthCheckRequest, { service }), call));
}

const checked = async (service: string) => HealthCheckResponse.decode(await ask('Check', service));

function watch(service: string): TestStream {
  const stream = new TestStream(methods.get('/grpc.health.v1.Health/Watch') as StreamMethod);
  stream.say(encode(HealthCheckRequest, { service }));
  stream.sayAll();
  return stream;
}

const told = ({ sent }: TestStream) => sent.map((one) => HealthCheckResponse.decode(one).status);

describe('a check', () => {
  it('says of the member and of each service whether this member is ready', async () => {
    for (const service of ['', 'etcdserverpb.KV']) {
      expect((await checked(service)).status).toBe(SERVING);
    }
    isReady = false;
    expect((await checked('etcdserverpb.KV')).status).toBe(NOT_SERVING);
    const { statuses } = HealthListResponse.decode(await ask('List'));
    expect(statuses).toEqual({
      '': { status: NOT_SERVING },
      'etcdserverpb.KV': { status: NOT_SERVING },
    });
  });

  it('does not know what there is not', async () => {
    await expect(checked('no.such.Service')).rejects.toMatchObject({ code: statusCodes.notFound });
  });
});

describe('a watch', () => {
  it('says it at once and at each change, and to nobody who has gone', () => {
    const streams = [watch(''), watch('etcdserverpb.KV'), watch('no.such.Service')];
    isReady = false;
    clock.advance(500);
    clock.advance(500);
    streams[0]?.leave();
    isReady = true;
    clock.advance(500);
    expect(streams.map(told)).toEqual([
      [SERVING, NOT_SERVING],
      [SERVING, NOT_SERVING, SERVING],
      [SERVICE_UNKNOWN],
    ]);
    for (const stream of streams) stream.leave();
    const before = asked;
    clock.advance(10_000);
    expect(asked).toBe(before);
  });

  it('keeps what a slow client is told to the newest', () => {
    const stream = new TestStream(methods.get('/grpc.health.v1.Health/Watch') as StreamMethod);
    stream.roomMessages = 1;
    stream.say(encode(HealthCheckRequest, { service: '' }));
    for (const now of [false, true, false]) {
      isReady = now;
      clock.advance(500);
    }
    stream.makeRoom();
    expect(told(stream)).toEqual([SERVING, NOT_SERVING]);
  });

  it('begins with one message', () => {
    const stream = watch('');
    stream.say(encode(HealthCheckRequest, { service: '' }));
    expect(stream.ended).toContain('its one message');
    const silent = new TestStream(methods.get('/grpc.health.v1.Health/Watch') as StreamMethod);
    silent.sayAll();
    expect(silent.ended).toContain('its one message');
  });
});
