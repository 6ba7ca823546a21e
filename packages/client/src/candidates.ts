// Whom one round of a call asks, one after the other: the endpoints whose gates are closed in their
// turn, then those that can serve nobody just now, then those that owe a sign of life, and last,
// where nobody else has answered, those that are set aside. A mark is a memory, never a wall: where
// all are marked, all are still tried. An endpoint that is half-open takes its turn for exactly one
// call; all others pass it by.
import type { BreakerState } from '@holdfast/transport/circuit-breaker';

import type { Endpoint } from './endpoint.ts';
import type { Pace, Visit } from './visit.ts';

export type CandidatesFor = {
  /** It is hedged: trying a half-open endpoint costs its caller no more than a moment. */
  readonly isRead: boolean;
  readonly pace: Pace;
};

export class Candidates {
  readonly #call: CandidatesFor;
  readonly #good: Endpoint[];
  readonly #aside: Endpoint[];
  #preferred: Endpoint | undefined;

  /** `turned`: all endpoints of the cluster, in the order of this round. */
  constructor(turned: readonly Endpoint[], call: CandidatesFor) {
    this.#call = call;
    const good = turned.filter((one) => isGood(one, call));
    this.#good = [...good].sort((a, b) => laterBy(a) - laterBy(b));
    this.#aside = turned.filter((one) => !good.includes(one));
  }

  get first(): Endpoint | undefined {
    return this.#preferred ?? this.#good[0] ?? this.#aside[0];
  }

  /** This one is known to live just now: it comes first. */
  prefer(address: string): void {
    const all = [...this.#good, ...this.#aside];
    this.#preferred = all.find((one) => one.address === address);
    if (!this.#preferred) return;
    remove(this.#good, this.#preferred);
    remove(this.#aside, this.#preferred);
  }

  /** `mayForce`: nobody has answered in this round, so that those set aside are tried, too. */
  hasMore(mayForce: boolean): boolean {
    if (this.#preferred || this.#good.length > 0) return true;
    return mayForce && this.#aside.length > 0;
  }

  next(mayForce: boolean): Visit | undefined {
    const preferred = this.#preferred;
    this.#preferred = undefined;
    const first = preferred && (preferred.visit(this.#call) ?? this.#pass(preferred));
    if (first) return first;
    for (let one = this.#good.shift(); one; one = this.#good.shift()) {
      const visit = one.visit(this.#call);
      if (visit) return visit;
      this.#aside.push(one); // Somebody else is its probe.
    }
    return mayForce ? this.#aside.shift()?.force(this.#call) : undefined;
  }

  /** Its gates say no: then it is asked all the same, unless another one is known to live, too. */
  #pass(preferred: Endpoint): Visit | undefined {
    const proven = this.#good.find((one) => one.isProven);
    if (!proven) return preferred.force(this.#call);
    this.#aside.push(preferred);
    remove(this.#good, proven);
    this.#good.unshift(proven);
    return undefined;
  }
}

/**
 * A write may be the probe of one that lives and was slow; of one that may be dark only a read may.
 */
function isGood({ breaker, slowBreaker }: Endpoint, { isRead }: CandidatesFor): boolean {
  const mayTry = breaker.state.name === 'closed' || (isRead && isFree(breaker.state));
  return mayTry && (slowBreaker.state.name === 'closed' || isFree(slowBreaker.state));
}

/** Who can serve comes first, then who says that it can not now, then who may be dark. */
const laterBy = ({ isDoubtful, isResting }: Endpoint): number => {
  if (isDoubtful) return 2;
  return isResting ? 1 : 0;
};

/** Half-open, and nobody is its probe yet. */
const isFree = (state: BreakerState): boolean =>
  state.name === 'half-open' && state.probeSinceMs === undefined;

function remove(from: Endpoint[], one: Endpoint): void {
  const at = from.indexOf(one);
  if (at >= 0) from.splice(at, 1);
}
