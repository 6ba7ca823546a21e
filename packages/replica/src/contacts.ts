// When this member last heard each peer, whoever leads: the ground for "no quorum is reachable",
// and for the list of missing voters in a refusal (safety.md 23, C-22).
import type { MemberId } from '@holdfast/base/ids';
import { type Configuration, hasQuorum, isVoter, membersOf } from '@holdfast/raft/configuration';

export class Contacts {
  readonly #lastHeardMs = new Map<MemberId, number>();

  heard(peer: MemberId, nowMs: number): void {
    this.#lastHeardMs.set(peer, nowMs);
  }

  /** The peer's machine said that nobody listens: no need to wait for silence. */
  refused(peer: MemberId): void {
    this.#lastHeardMs.delete(peer);
  }

  lastHeardMs(peer: MemberId): number | undefined {
    return this.#lastHeardMs.get(peer);
  }

  isReachable(peer: MemberId, sinceMs: number): boolean {
    return (this.#lastHeardMs.get(peer) ?? Number.NEGATIVE_INFINITY) >= sinceMs;
  }

  /** Whether this member and those heard since `sinceMs` are a quorum. */
  reachQuorum(configuration: Configuration, self: MemberId, sinceMs: number): boolean {
    return hasQuorum(configuration, (id) => id === self || this.isReachable(id, sinceMs));
  }

  missingVoters(
    configuration: Configuration,
    self: MemberId,
    sinceMs: number,
  ): readonly MemberId[] {
    return membersOf(configuration).filter(
      (id) => id !== self && isVoter(configuration, id) && !this.isReachable(id, sinceMs),
    );
  }
}
