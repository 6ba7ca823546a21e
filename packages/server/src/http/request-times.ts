// How long requests took, by route, method and status class: fixed buckets in typed arrays, because
// this runs on every request. metrics.ts writes it out.

/** Upper bounds in milliseconds; one more bucket takes the rest. */
export const timeBucketsMs: readonly number[] = [
  0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000,
];

export type RouteTimes = {
  readonly route: string;
  readonly method: string;
  /** `2xx`, `4xx`: a series a status would be too many. */
  readonly statusClass: string;
  readonly buckets: Float64Array;
  sumMs: number;
};

export class RequestTimes {
  /** By route, method and the first digit of the status: no text is made to find one. */
  readonly #series = new Map<string, Map<string, (RouteTimes | undefined)[]>>();

  observe(route: string, method: string, answer: { status: number; durationMs: number }): void {
    const digit = Math.floor(answer.status / 100);
    const series =
      this.#series.get(route)?.get(method)?.[digit] ?? this.#add({ route, method, digit });
    series.sumMs += answer.durationMs;
    const at = bucketOf(answer.durationMs);
    series.buckets[at] = (series.buckets[at] as number) + 1;
  }

  all(): readonly RouteTimes[] {
    const classes = [...this.#series.values()].flatMap((methods) => [...methods.values()]);
    return classes.flat().filter((series) => series !== undefined);
  }

  #add({ route, method, digit }: { route: string; method: string; digit: number }): RouteTimes {
    const buckets = new Float64Array(timeBucketsMs.length + 1);
    const series = { route, method, statusClass: `${digit}xx`, buckets, sumMs: 0 };
    const methods = this.#series.get(route) ?? new Map<string, (RouteTimes | undefined)[]>();
    const classes = methods.get(method) ?? [];
    this.#series.set(route, methods.set(method, classes));
    classes[digit] = series;
    return series;
  }
}

function bucketOf(durationMs: number): number {
  let at = 0;
  while (at < timeBucketsMs.length && durationMs > (timeBucketsMs[at] as number)) at += 1;
  return at;
}
