// The SDK: one object with the calls on keys, configurations and the cluster, over any number of
// endpoints. It owns the connections, and nothing on disk.
import type { Clock } from '@holdfast/base/clock';
import type { Random } from '@holdfast/base/random';
import { SystemClock } from '@holdfast/base/system-clock';
import { SystemRandom } from '@holdfast/base/system-random';

import { Caller } from './caller.ts';
import type { ClientApi } from './client-api.ts';
import type { ClusterApi } from './cluster-api.ts';
import type { ConfigApi } from './config-api.ts';
import { EndpointSet } from './endpoint-set.ts';
import { HttpCluster } from './http-cluster.ts';
import { HttpConfigs } from './http-configs.ts';
import { HttpKv } from './http-kv.ts';
import type { HttpPort } from './http-port.ts';
import type { KvApi } from './kv-api.ts';
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

export class HoldfastClient implements ClientApi, AsyncDisposable {
  readonly configs: ConfigApi;
  readonly kv: KvApi;
  readonly cluster: ClusterApi;
  readonly #http: HttpPort;
  #closing: Promise<void> | undefined;

  constructor(options: HoldfastClientOptions, ports: Partial<HoldfastClientPorts> = {}) {
    const clock = ports.clock ?? new SystemClock();
    const random = ports.random ?? new SystemRandom();
    this.#http = ports.http ?? new UndiciHttp({ connectTimeoutMs, connectionsMax });
    const endpoints = new EndpointSet(options.endpoints, { clock, random });
    const limits = { timeoutMs: options.timeoutMs ?? 10_000, firstByteMs: 3_000, hedgeMs: 300 };
    const caller = new Caller(limits, { http: this.#http, endpoints, clock, random });
    const headers = options.actor === undefined ? {} : { 'holdfast-actor': options.actor };
    const session: Session = { caller, clock, random, headers };
    this.configs = new HttpConfigs(session);
    this.kv = new HttpKv(session);
    this.cluster = new HttpCluster(session);
  }

  close(): Promise<void> {
    this.#closing ??= this.#http.close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
