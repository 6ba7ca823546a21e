// Counters out of a member's /metrics page, in Prometheus' text format.

/** The counters that the report needs, by the names that members give them. */
export const counterNames = {
  syncs: 'log_syncs_total',
  entries: 'log_entries_total',
} as const;

export type MetricValues = ReadonlyMap<string, number>;

/** Undefined where there is no such page. */
export async function fetchMetrics(endpoint: string): Promise<MetricValues | undefined> {
  const answer = await fetch(`http://${endpoint}/metrics`);
  return answer.ok ? parseMetrics(await answer.text()) : undefined;
}

/** Values summed over their labels; the names are without the prefix `holdfast_`. */
export function parseMetrics(text: string): MetricValues {
  const values = new Map<string, number>();
  for (const line of text.split('\n')) {
    const found = /^([a-zA-Z_:][\w:]*)(?:\{.*\})? ([^ ]+)/.exec(line);
    if (found === null) continue;
    const name = (found[1] as string).replace(/^holdfast_/, '');
    values.set(name, (values.get(name) ?? 0) + Number(found[2]));
  }
  return values;
}
