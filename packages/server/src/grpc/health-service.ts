// gRPC's own service of health: whether this member serves, as balancers and probes ask. It serves
// all of its services or none.
import type { Clock, Timer } from '@holdfast/base/clock';
import {
  HealthCheckRequest,
  HealthCheckResponse,
  HealthCheckResponse_ServingStatus,
  HealthListRequest,
  HealthListResponse,
} from '@holdfast/proto/grpc-health';

import {
  decoded,
  framed,
  type GrpcMethod,
  type GrpcMethods,
  type StreamCall,
  type StreamReader,
  unaryMethod,
} from './method.ts';
import { GrpcStatus, statusCodes } from './status.ts';

const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = HealthCheckResponse_ServingStatus;

export type HealthServiceOptions = {
  readonly clock: Clock;
  readonly isReady: () => boolean;
  /** With their packages. */
  readonly services: () => Iterable<string>;
  readonly statusOf: (error: unknown) => GrpcStatus;
};

/** Between two looks, while anybody watches. */
const lookMs = 500;

export function healthService(options: HealthServiceOptions): GrpcMethods {
  const health = new Health(options);
  const { statusOf } = options;
  const check = unaryMethod(
    { name: 'Health/Check', statusOf },
    [HealthCheckRequest, HealthCheckResponse],
    async ({ service }) => ({ status: health.checked(service) }),
  );
  const list = unaryMethod(
    { name: 'Health/List', statusOf },
    [HealthListRequest, HealthListResponse],
    async () => ({ statuses: health.all() }),
  );
  const watch: GrpcMethod = {
    kind: 'stream',
    name: 'Health/Watch',
    statusOf,
    open: (call) => health.watch(call),
  };
  return new Map<string, GrpcMethod>(
    [check, list, watch].map((method) => [`/grpc.health.v1.${method.name}`, method]),
  );
}

class Health {
  readonly #options: HealthServiceOptions;
  readonly #services: ReadonlySet<string>;
  readonly #watchers = new Set<() => void>();
  #timer: Timer | undefined;

  constructor(options: HealthServiceOptions) {
    this.#options = options;
    this.#services = new Set(['', ...options.services()]);
  }

  /** Throws a GrpcStatus for a name that there is not. */
  checked(service: string): HealthCheckResponse_ServingStatus {
    const status = this.#statusOf(service);
    if (status !== SERVICE_UNKNOWN) return status;
    throw new GrpcStatus(statusCodes.notFound, `unknown service ${service}`);
  }

  all(): { [service: string]: HealthCheckResponse } {
    const status = this.#statusOf('');
    return Object.fromEntries([...this.#services].map((service) => [service, { status }]));
  }

  watch(call: StreamCall): StreamReader {
    let service: string | undefined;
    let told: HealthCheckResponse_ServingStatus | undefined;
    let hasRoom = true;
    const tell = (): void => {
      if (service === undefined || !hasRoom) return;
      const status = this.#statusOf(service);
      if (status === told) return;
      told = status;
      hasRoom = call.send(framed(HealthCheckResponse, { status }));
    };
    return {
      onMessage: (message) => {
        if (service !== undefined) throw oneIsAll();
        ({ service } = decoded(HealthCheckRequest, message));
        tell();
        this.#add(tell);
      },
      onEnd: () => {
        if (service === undefined) throw oneIsAll();
      },
      onRoom: () => {
        hasRoom = true;
        tell();
      },
      onGone: () => this.#remove(tell),
    };
  }

  #statusOf(service: string): HealthCheckResponse_ServingStatus {
    if (!this.#services.has(service)) return SERVICE_UNKNOWN;
    return this.#options.isReady() ? SERVING : NOT_SERVING;
  }

  #add(tell: () => void): void {
    this.#watchers.add(tell);
    if (this.#watchers.size === 1) this.#lookLater();
  }

  #remove(tell: () => void): void {
    this.#watchers.delete(tell);
    if (this.#watchers.size === 0) this.#timer?.cancel();
  }

  #lookLater(): void {
    this.#timer = this.#options.clock.schedule(lookMs, () => {
      for (const tell of this.#watchers) tell();
      if (this.#watchers.size > 0) this.#lookLater();
    });
  }
}

const oneIsAll = (): GrpcStatus =>
  new GrpcStatus(statusCodes.invalidArgument, 'a watch of health begins with its one message');
