// The SDK: one object with the calls on keys, configurations and the cluster, over any number of
// endpoints. It owns the connections, and nothing on disk.
import type { Clock } from '@holdfast/base/clock';
import type { Random } from '@holdfast/base/random';
import { SystemClock } from '@holdfast/base/system-clock';
import { SystemRandom } from '@holdfast/base/system-random';

import { Caller } from './caller.ts';
import type { ClientApi, ExactlyOnceApi } from './client-api.ts';
import type { ClusterApi } from './cluster-api.ts';
import type { ConfigApi } from './config-api.ts';
import type { BreakerApi, ConnectionApi } from './connection-api.ts';
import { EndpointSet } from './endpoint-set.ts';
import { ExactlyOnce } from './exactly-once.ts';
import { HttpBreakers } from './http-breakers.ts';
import { HttpCluster } from './http-cluster.ts';
import { HttpConfigs } from './http-configs.ts';
import { HttpConnections } from './http-connections.ts';
import { HttpKv } from './http-kv.ts';
import { HttpLeases } from './http-leases.ts';
import type { HttpPort } from './http-port.ts';
import type { KvApi } from './kv-api.ts';
import type { LeaseApi } from './lease-api.ts';
import { OneClusterHttp } from './one-cluster-http.ts';
import type { Session } from './session.ts';
import { UndiciHttp } from './undici-http.ts';

export type HoldfastClientOptions = {
  /** `host:port` each; one is enough, more are better. */
  readonly endpoints: readonly string[];
  /** For one call with all its tries; 10 s unless said otherwise. */
  readonly timeoutMs?: number;
  /** Who asks, for the history: visible characters. Unverified until there are identities. */
  readonly actor?: string;
};

export type HoldfastClientPorts = {
  readonly http: HttpPort;
  readonly clock: Clock;
  readonly random: Random;
};

const connectTimeoutMs = 3_000;
const connectionsMax = 256;
/** Long enough for a client to outlive an outage, short enough for a dead one to be forgotten. */
const sessionTtlMs = 5 * 60 * 1000;

export class HoldfastClient implements ClientApi, AsyncDisposable {
  readonly configs: ConfigApi;
  readonly kv: KvApi;
  readonly leases: LeaseApi;
  readonly cluster: ClusterApi;
  readonly connections: ConnectionApi;
  readonly breakers: BreakerApi;
  readonly #session: Session;
  readonly #timeoutMs: number;
  readonly #sessions = new Set<ExactlyOnce>();
  readonly #http: HttpPort;
  #closing: Promise<void> | undefined;

  constructor(options: HoldfastClientOptions, ports: Partial<HoldfastClientPorts> = {}) {
    const clock = ports.clock ?? new SystemClock();
    const random = ports.random ?? new SystemRandom();
    this.#http = ports.http ?? new UndiciHttp({ connectTimeoutMs, connectionsMax });
    const endpoints = new EndpointSet(options.endpoints, { clock, random });
    const timeoutMs = options.timeoutMs ?? 10_000;
    const limits = { timeoutMs, firstByteMs: 3_000, hedgeMs: 300 };
    const http = new OneClusterHttp(this.#http, endpoints);
    const caller = new Caller(limits, { http, endpoints, clock, random });
    const headers = options.actor === undefined ? {} : { 'holdfast-actor': options.actor };
    const session: Session = { caller, clock, random, headers };
    this.configs = new HttpConfigs(session);
    this.kv = new HttpKv(session);
    this.leases = new HttpLeases(session);
    this.cluster = new HttpCluster(session);
    this.connections = new HttpConnections(session);
    this.breakers = new HttpBreakers(session);
    this.#session = session;
    this.#timeoutMs = timeoutMs;
  }

  exactlyOnce(options: { readonly ttlMs?: number | undefined } = {}): ExactlyOnceApi {
    const ttlMs = options.ttlMs ?? sessionTtlMs;
    const once = new ExactlyOnce({ ttlMs, timeoutMs: this.#timeoutMs }, this.#session);
    this.#sessions.add(once);
    const session = { ...this.#session, once };
    const close = async (): Promise<void> => {
      await once.close();
      this.#sessions.delete(once);
    };
    return {
      configs: new HttpConfigs(session),
      kv: new HttpKv(session),
      close,
      [Symbol.asyncDispose]: close,
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#sessions].map((once) => once.close()));
    await this.#http.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
