// The endpoints of one client: whose turn it is, which cluster they are of, and their common end.
// What is known of each stands in endpoint.ts.
import { assert } from '@holdfast/base/assert';
import type { Clock } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';
import type { Random } from '@holdfast/base/random';

import { Candidates, type CandidatesFor } from './candidates.ts';
import { type ClientSettings, defaultClientSettings } from './client-settings.ts';
import { Endpoint } from './endpoint.ts';
import type { EndpointView } from './endpoint-api.ts';
import type { HttpPort } from './http-port.ts';
import type { Visit } from './visit.ts';

export type EndpointSetPorts = {
  /** On which pings are sent. */
  readonly http: HttpPort;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings?: () => ClientSettings;
  readonly onChange?: (endpoint: EndpointView) => void;
  /** The endpoint is dead, or the client is closed: what is under way there in frames ends. */
  readonly onEnd?: (address: string, reason: HoldfastError) => void;
};

export class EndpointSet {
  readonly #endpoints: readonly Endpoint[];
  readonly #ports: EndpointSetPorts;
  /** Which cluster each said to be of; not there: it has not been asked, '': it does not say. */
  readonly #clusters = new Map<string, string>();
  #turn: number;
  #usedMs: number;

  constructor(addresses: readonly string[], ports: EndpointSetPorts) {
    assert(addresses.length > 0, 'there is at least one endpoint');
    this.#ports = ports;
    this.#endpoints = [...new Set(addresses)].map((address) => this.#newEndpoint(address));
    this.#turn = ports.random.integer(0, this.#endpoints.length);
    this.#usedMs = ports.clock.monotonicMs();
  }

  get count(): number {
    return this.#endpoints.length;
  }

  get views(): readonly EndpointView[] {
    return this.#endpoints.map((one) => one.view);
  }

  /** For one round of a call. */
  candidates(call: CandidatesFor): Candidates {
    this.#turn += 1;
    return this.sameTurn(call);
  }

  /** For a question within that round, which is nobody's turn. */
  sameTurn(call: CandidatesFor): Candidates {
    return new Candidates(this.#turned(), call);
  }

  /** One try at each, past the gates where they say no. */
  everyone(call: CandidatesFor): readonly Visit[] {
    this.#turn += 1;
    return this.#turned().map((one) => one.visit(call) ?? one.force(call));
  }

  at(address: string): Endpoint {
    const endpoint = this.#endpoints.find((one) => one.address === address);
    assert(endpoint !== undefined, 'an endpoint of this set is told about');
    return endpoint;
  }

  /** Whether it has been asked which cluster it is of. */
  isMet(address: string): boolean {
    return this.#clusters.has(address);
  }

  /** Throws `cluster-mismatch` where another endpoint is of another cluster. */
  met(address: string, cluster: string): void {
    this.#clusters.set(address, cluster);
    const all = [...this.#clusters];
    const other = all.find(([, one]) => one && cluster && one !== cluster);
    if (!other) return;
    const [otherAddress, otherCluster] = other;
    const own = this.#ownCluster();
    throw new HoldfastError(
      'cluster-mismatch',
      `endpoint ${address} is of cluster ${cluster}, and ${otherAddress} of cluster ` +
        `${otherCluster}: a client speaks to one cluster, take the others from its endpoints ` +
        `(until then it uses those of ${own})`,
      { details: { [address]: cluster, [otherAddress]: otherCluster } },
    );
  }

  close(reason: HoldfastError): void {
    for (const endpoint of this.#endpoints) endpoint.close(reason);
  }

  /** None that is of another cluster than most of them, or than the first, are. */
  #turned(): readonly Endpoint[] {
    this.#usedMs = this.#ports.clock.monotonicMs();
    const own = this.#ownCluster();
    for (const one of this.#endpoints) one.wake();
    const at = this.#turn % this.#endpoints.length;
    return [...this.#endpoints.slice(at), ...this.#endpoints.slice(0, at)].filter(({ address }) => {
      const cluster = this.#clusters.get(address);
      return !cluster || cluster === own;
    });
  }

  /** That of most endpoints; of two equal ones that of the endpoint which was named first. */
  #ownCluster(): string | undefined {
    const counts = new Map<string, number>();
    for (const { address } of this.#endpoints) {
      const cluster = this.#clusters.get(address);
      if (cluster) counts.set(cluster, (counts.get(cluster) ?? 0) + 1);
    }
    const most = Math.max(...counts.values());
    return [...counts].find(([, count]) => count === most)?.[0];
  }

  #newEndpoint(address: string): Endpoint {
    const { http, clock, random, settings = () => defaultClientSettings } = this.#ports;
    return new Endpoint({
      address,
      http,
      clock,
      random,
      settings,
      isUnused: () => this.#isUnused(settings().probe.idleMs),
      onChange: (endpoint) => this.#ports.onChange?.(endpoint.view),
      onEnd: (reason) => this.#ports.onEnd?.(address, reason),
    });
  }

  #isUnused(idleMs: number): boolean {
    if (this.#endpoints.some((one) => one.isBusy)) return false;
    return this.#ports.clock.monotonicMs() - this.#usedMs >= idleMs;
  }
}
