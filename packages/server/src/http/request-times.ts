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
  readonly #series = new Map<string, RouteTimes>();

  observe(route: string, method: string, answer: { status: number; durationMs: number }): void {
    const statusClass = `${Math.floor(answer.status / 100)}xx`;
    const key = `${method} ${route} ${statusClass}`;
    const series = this.#series.get(key) ?? this.#add(key, { route, method, statusClass });
    series.sumMs += answer.durationMs;
    const at = bucketOf(answer.durationMs);
    series.buckets[at] = (series.buckets[at] as number) + 1;
  }

  all(): readonly RouteTimes[] {
    return [...this.#series.values()];
  }

  #add(key: string, labels: Pick<RouteTimes, 'route' | 'method' | 'statusClass'>): RouteTimes {
    const buckets = new Float64Array(timeBucketsMs.length + 1);
    const series: RouteTimes = { ...labels, buckets, sumMs: 0 };
    this.#series.set(key, series);
    return series;
  }
}

function bucketOf(durationMs: number): number {
  let at = 0;
  while (at < timeBucketsMs.length && durationMs > (timeBucketsMs[at] as number)) at += 1;
  return at;
}
