// Which endpoint to ask next: round robin over those that are not marked bad, then the bad ones,
// longest marked first. A mark is a memory, never a wall: where all are bad, all are still tried.
import { assert } from '@holdfast/base/assert';
import type { Clock } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';
import type { Random } from '@holdfast/base/random';

const firstBadMs = 1_000;
const longestBadMs = 30_000;
/** An answer within this time proves that an endpoint is worth a write without asking first. */
const provenForMs = 4_000;

type EndpointState = {
  readonly address: string;
  failures: number;
  badUntilMs: number;
  provenUntilMs: number;
  /** Which cluster it said to be of; undefined: it has not been asked, '': it does not say. */
  cluster: string | undefined;
};

export class EndpointSet {
  readonly #states: readonly EndpointState[];
  readonly #clock: Clock;
  #turn: number;

  constructor(addresses: readonly string[], ports: { clock: Clock; random: Random }) {
    assert(addresses.length > 0, 'there is at least one endpoint');
    this.#clock = ports.clock;
    this.#states = [...new Set(addresses)].map((address) => ({
      address,
      failures: 0,
      badUntilMs: Number.NEGATIVE_INFINITY,
      provenUntilMs: Number.NEGATIVE_INFINITY,
      cluster: undefined,
    }));
    this.#turn = ports.random.integer(0, this.#states.length);
  }

  get count(): number {
    return this.#states.length;
  }

  /**
   * All endpoints in the order in which one call should try them; none that is of another cluster
   * than most of them, or than the first, are.
   */
  order(): readonly string[] {
    const nowMs = this.#clock.monotonicMs();
    this.#turn = (this.#turn + 1) % this.#states.length;
    const around = [...this.#states.slice(this.#turn), ...this.#states.slice(0, this.#turn)];
    const own = this.#ownCluster();
    const turned = around.filter(({ cluster }) => !cluster || cluster === own);
    const good = turned.filter((one) => one.badUntilMs <= nowMs);
    const bad = turned
      .filter((one) => one.badUntilMs > nowMs)
      .sort((a, b) => a.badUntilMs - b.badUntilMs);
    return [...good, ...bad].map((one) => one.address);
  }

  /** Whether it answered lately, so that a write may go to it without a probe. */
  isProven(address: string): boolean {
    return this.#state(address).provenUntilMs > this.#clock.monotonicMs();
  }

  /** Whether it has been asked which cluster it is of. */
  isMet(address: string): boolean {
    return this.#state(address).cluster !== undefined;
  }

  /** Throws `cluster-mismatch` where another endpoint is of another cluster. */
  met(address: string, cluster: string): void {
    this.#state(address).cluster = cluster;
    const other = this.#states.find((one) => one.cluster && cluster && one.cluster !== cluster);
    if (!other) return;
    const own = this.#ownCluster();
    throw new HoldfastError(
      'cluster-mismatch',
      `endpoint ${address} is of cluster ${cluster}, and ${other.address} of cluster ` +
        `${other.cluster}: a client speaks to one cluster, take the others from its endpoints ` +
        `(until then it uses those of ${own})`,
      { details: { [address]: cluster, [other.address]: other.cluster } },
    );
  }

  /** It answered, whatever it said: an application's answer is life (safety.md rule 17). */
  answered(address: string): void {
    const state = this.#state(address);
    state.failures = 0;
    state.badUntilMs = Number.NEGATIVE_INFINITY;
    state.provenUntilMs = this.#clock.monotonicMs() + provenForMs;
  }

  /**
   * It was refused, broke, or stayed silent: a second, doubling up to thirty, out of the first
   * choice.
   */
  failed(address: string): void {
    const state = this.#state(address);
    const badMs = Math.min(longestBadMs, firstBadMs * 2 ** Math.min(state.failures, 10));
    state.failures += 1;
    state.badUntilMs = this.#clock.monotonicMs() + badMs;
    state.provenUntilMs = Number.NEGATIVE_INFINITY;
  }

  /** That of most endpoints; of two equal ones that of the endpoint which was named first. */
  #ownCluster(): string | undefined {
    const counts = new Map<string, number>();
    for (const { cluster } of this.#states) {
      if (cluster) counts.set(cluster, (counts.get(cluster) ?? 0) + 1);
    }
    const most = Math.max(...counts.values());
    return [...counts].find(([, count]) => count === most)?.[0];
  }

  #state(address: string): EndpointState {
    const state = this.#states.find((one) => one.address === address);
    assert(state !== undefined, 'an endpoint of this set is told about');
    return state;
  }
}
