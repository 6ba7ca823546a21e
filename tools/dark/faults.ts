// What the hub does to the frames that it passes on, as a table of nftables. Pure: it runs nothing.
//
// A frame is dropped between the two ports of the bridge: it has left its sender with success, and
// its receiver never hears of it. So a cut is silence for both, with no error and no lost carrier.

/** Frames on their way from one machine to another; whoever is not named may be anybody. */
export type Direction = { readonly from?: string; readonly to?: string };

type Fault = { readonly direction: Direction; readonly lostPercent: number };

const cutPercent = 100;

export class Faults {
  readonly #faults = new Map<string, Fault>();

  cut(direction: Direction): void {
    this.lose(direction, cutPercent);
  }

  /** Replaces what was said of the same direction before. */
  lose(direction: Direction, lostPercent: number): void {
    if (!(lostPercent >= 0 && lostPercent <= cutPercent)) {
      throw new Error(`a loss is 0 to ${cutPercent} per cent, not ${lostPercent}`);
    }
    if (direction.from === undefined && direction.to === undefined) {
      throw new Error('a fault names who sends, who receives, or both');
    }
    const key = `${direction.from ?? ''}>${direction.to ?? ''}`;
    if (lostPercent === 0) this.#faults.delete(key);
    else this.#faults.set(key, { direction, lostPercent });
  }

  /** Ends every fault that this machine has a part in. */
  heal(machine: string): void {
    this.#healWhere(({ from, to }) => from === machine || to === machine);
  }

  /** Ends the faults between these two; what one of them has with all stays. */
  healPair(a: string, b: string): void {
    this.#healWhere(({ from, to }) => (from === a && to === b) || (from === b && to === a));
  }

  healAll(): void {
    this.#faults.clear();
  }

  /** For `nft -f`, which applies all of it at once or nothing. */
  ruleset(): string {
    const rules = [...this.#faults.values()].map((fault) => `    ${ruleOf(fault)}`);
    return [
      'table bridge dark',
      'delete table bridge dark',
      'table bridge dark {',
      '  chain forward {',
      '    type filter hook forward priority 0; policy accept;',
      ...rules,
      '  }',
      '}',
      '',
    ].join('\n');
  }

  #healWhere(isHealed: (direction: Direction) => boolean): void {
    for (const [key, { direction }] of this.#faults) {
      if (isHealed(direction)) this.#faults.delete(key);
    }
  }
}

/** In 10,000; nftables knows no fractions. */
const oddsOf = 10_000;

function ruleOf({ direction: { from, to }, lostPercent }: Fault): string {
  const ports = [from && `iifname "${from}"`, to && `oifname "${to}"`];
  const odds = Math.max(1, Math.round((lostPercent / 100) * oddsOf));
  const chance = lostPercent < cutPercent ? `numgen random mod ${oddsOf} < ${odds}` : '';
  return [...ports, chance, 'counter drop'].filter((part) => part).join(' ');
}
