// The SDK: one object with the calls on keys, configurations and the cluster, over any number of
// endpoints. It owns the connections, and nothing on disk.
import type { Clock } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';
import { formatId } from '@holdfast/base/ids';
import type { Random } from '@holdfast/base/random';
import { SystemClock } from '@holdfast/base/system-clock';
import { SystemRandom } from '@holdfast/base/system-random';

import { AuthorizedHttp, type ClientUser } from './authorized-http.ts';
import type { BackupApi } from './backup-api.ts';
import { Caller } from './caller.ts';
import type { ClientApi, ExactlyOnceApi } from './client-api.ts';
import {
  type ClientSettings,
  type ClientSettingsChange,
  defaultClientSettings,
  withChange,
} from './client-settings.ts';
import type { ClientTls } from './client-tls.ts';
import type { ClusterApi } from './cluster-api.ts';
import type { ConfigApi } from './config-api.ts';
import type { BreakerApi, ConnectionApi } from './connection-api.ts';
import type { EndpointView } from './endpoint-api.ts';
import { EndpointSet } from './endpoint-set.ts';
import { ExactlyOnce } from './exactly-once.ts';
import { SocketNetwork } from './frame-network.ts';
import { FramePool } from './frame-pool.ts';
import type { FramePort } from './frame-port.ts';
import { FramedPings } from './framed-pings.ts';
import { HttpBackups } from './http-backups.ts';
import { HttpBreakers } from './http-breakers.ts';
import { HttpCluster } from './http-cluster.ts';
import { HttpConfigs } from './http-configs.ts';
import { HttpConnections } from './http-connections.ts';
import { HttpIntegrity } from './http-integrity.ts';
import { HttpMembers } from './http-members.ts';
import type { HttpPort } from './http-port.ts';
import { HttpQuotas } from './http-quotas.ts';
import type { IntegrityApi } from './integrity-api.ts';
import type { KvApi } from './kv-api.ts';
import { KvCalls } from './kv-calls.ts';
import type { LeaseApi } from './lease-api.ts';
import { LeaseCalls } from './lease-calls.ts';
import type { MemberApi } from './member-api.ts';
import { MembersHttp } from './members-http.ts';
import { OneClusterHttp } from './one-cluster-http.ts';
import type { QuotaApi } from './quota-api.ts';
import { RetryBudget } from './retry-budget.ts';
import type { Session } from './session.ts';
import { UndiciHttp } from './undici-http.ts';
import { WatchedFrames } from './watched-frames.ts';
import { WatchedHttp } from './watched-http.ts';
import { Wires } from './wires.ts';

export type HoldfastClientOptions = {
  /** `host:port` each; one is enough, more are better. */
  readonly endpoints: readonly string[];
  /** For one call with all its tries; 10 s unless said otherwise. */
  readonly timeoutMs?: number;
  /** Who asks, for the history: visible characters. Unverified, unless a user is named, too. */
  readonly actor?: string;
  /** Who asks, where access control is on. A password is sent with each request: use TLS. */
  readonly user?: ClientUser | undefined;
  /**
   * Undefined: in clear text. As a function it is asked at each new connection, so that a client
   * that lives long may be given new certificates; it answers the same object until then.
   */
  readonly tls?: ClientTls | (() => ClientTls) | undefined;
  /**
   * Everything over HTTP/1.1, as where nothing else gets through to the members. Otherwise keys,
   * watches, leases and sessions go in frames, wherever a member speaks them.
   */
  readonly isHttpOnly?: boolean;
  /** What is to be other than in `defaultClientSettings`; `timeoutMs` above is one of them. */
  readonly settings?: ClientSettingsChange;
  /** Called when an endpoint is set aside, taken back, or found better or worse than before. */
  readonly onEndpointChange?: (endpoint: EndpointView) => void;
};

export type HoldfastClientPorts = {
  readonly http: HttpPort;
  /** Default: none where `http` is given, else connections of its own. */
  readonly frames: FramePort;
  readonly clock: Clock;
  readonly random: Random;
};

/** Long enough for a client to outlive an outage, short enough for a dead one to be forgotten. */
const sessionTtlMs = 5 * 60 * 1000;

export class HoldfastClient implements ClientApi, AsyncDisposable {
  readonly configs: ConfigApi;
  readonly kv: KvApi;
  readonly leases: LeaseApi;
  readonly quotas: QuotaApi;
  readonly cluster: ClusterApi;
  readonly members: MemberApi;
  readonly backups: BackupApi;
  readonly connections: ConnectionApi;
  readonly integrity: IntegrityApi;
  readonly breakers: BreakerApi;
  readonly #session: Session;
  readonly #sessions = new Set<ExactlyOnce>();
  readonly #endpoints: EndpointSet;
  readonly #http: HttpPort;
  readonly #frames: FramePort | undefined;
  #settings: ClientSettings;
  #closing: Promise<void> | undefined;

  constructor(options: HoldfastClientOptions, ports: Partial<HoldfastClientPorts> = {}) {
    const { timeoutMs = defaultClientSettings.timeoutMs } = options;
    this.#settings = withChange(defaultClientSettings, { timeoutMs, ...options.settings });
    const settings = (): ClientSettings => this.#settings;
    const { clock = new SystemClock(), random = new SystemRandom() } = ports;
    // Looking after endpoints alone keeps no process from its end.
    const lookClock = ports.clock ?? new SystemClock({ keepsAlive: false });
    const network = ports.http ?? new UndiciHttp({ ...this.#settings, tls: asked(options.tls) });
    const plain = new MembersHttp(network);
    this.#http = options.user ? new AuthorizedHttp(plain, options.user) : plain;
    this.#frames = this.#newFrames(options, ports, lookClock);
    const pings = this.#frames ? new FramedPings(this.#http, this.#frames) : this.#http;
    const endpoints = this.#newEndpoints(options, { http: pings, random, clock: lookClock });
    this.#endpoints = endpoints;
    const http = new OneClusterHttp(new WatchedHttp(this.#http, endpoints), endpoints);
    const frames = this.#frames && new WatchedFrames(this.#frames, endpoints);
    const wires = new Wires({ http, frames, actor: options.actor });
    const budget = new RetryBudget({ clock, settings: () => settings().retries });
    const caller = new Caller(settings, { wires, endpoints, clock, random, budget });
    this.#session = { caller, clock, random, settings };
    this.configs = new HttpConfigs(this.#session);
    this.kv = new KvCalls(this.#session);
    this.leases = new LeaseCalls(this.#session);
    this.quotas = new HttpQuotas(this.#session);
    this.cluster = new HttpCluster(this.#session);
    this.members = new HttpMembers(this.#session);
    this.backups = new HttpBackups(this.#session);
    this.connections = new HttpConnections(this.#session);
    this.integrity = new HttpIntegrity(this.#session);
    this.breakers = new HttpBreakers(this.#session);
  }

  get endpoints(): readonly EndpointView[] {
    return this.#endpoints.views;
  }

  get settings(): ClientSettings {
    return this.#settings;
  }

  changeSettings(change: ClientSettingsChange): void {
    this.#settings = withChange(this.#settings, change);
  }

  exactlyOnce(options: { readonly ttlMs?: number | undefined } = {}): ExactlyOnceApi {
    const ttlMs = options.ttlMs ?? sessionTtlMs;
    const { timeoutMs } = this.#settings;
    const once = new ExactlyOnce({ ttlMs, timeoutMs }, this.#session);
    this.#sessions.add(once);
    const session = { ...this.#session, once };
    const close = async (): Promise<void> => {
      await once.close();
      this.#sessions.delete(once);
    };
    return {
      configs: new HttpConfigs(session),
      kv: new KvCalls(session),
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
    const reason = new HoldfastError('cancelled', 'the client was closed', { outcome: 'unknown' });
    this.#session.caller.close(reason);
    this.#endpoints.close(reason);
    await Promise.all([this.#http.close(), this.#frames?.close()]);
  }

  #newFrames(
    { actor = '', user, tls, isHttpOnly = false }: HoldfastClientOptions,
    ports: Partial<HoldfastClientPorts>,
    clock: Clock,
  ): FramePort | undefined {
    if (ports.frames || ports.http || isHttpOnly) return ports.frames;
    return new FramePool({
      network: new SocketNetwork(asked(tls)),
      clock,
      actor,
      user,
      settings: () => this.#settings,
      onHeard: (address) => this.#endpoints.at(address).heard(),
      // A member that is starting does not know yet, and is taken as it is.
      onGreeted: (address, id) => this.#endpoints.met(address, id === 0n ? '' : formatId(id)),
    });
  }

  #newEndpoints(
    { endpoints, onEndpointChange }: HoldfastClientOptions,
    ports: Pick<HoldfastClientPorts, 'http' | 'random' | 'clock'>,
  ): EndpointSet {
    return new EndpointSet(endpoints, {
      ...ports,
      settings: () => this.#settings,
      onEnd: (address, reason) => this.#frames?.drop(address, reason),
      // In a turn of its own: what it throws is no call's failure.
      onChange: (view) => queueMicrotask(() => onEndpointChange?.(view)),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

const asked = (tls: HoldfastClientOptions['tls']): (() => ClientTls) | undefined =>
  typeof tls === 'object' ? () => tls : tls;
