// Paths and queries of the HTTP API.
import type { ReadOptions } from './config-api.ts';

/** Path segments, each percent-encoded: a slash inside one becomes %2F (house.md section 7). */
export const pathOf = (...segments: readonly string[]): string =>
  segments.map((segment) => `/${encodeURIComponent(segment)}`).join('');

/**
 * What is undefined is left out; false as well, because flags are named only where they are set.
 */
export function queryText(
  parameters: Readonly<Record<string, string | number | boolean | undefined>>,
): string {
  const set = Object.entries(parameters).filter(
    ([, value]) => value !== undefined && value !== false,
  );
  if (set.length === 0) return '';
  return `?${set.map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`).join('&')}`;
}

/** The parameters that say how fresh a read must be; the default is left out. */
export const freshness = ({ consistency, maxAgeMs, minRevision }: ReadOptions) => ({
  consistency: consistency === 'linearizable' ? undefined : consistency,
  'max-age-ms': maxAgeMs,
  'min-revision': minRevision,
});
