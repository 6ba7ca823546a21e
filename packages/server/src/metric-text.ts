// Prometheus' text format, as far as this member writes it by hand.

export const metricPrefix = 'holdfast_';

export type Sample = { readonly name: string; readonly help: string; readonly value: number };

/** `isBare`: the name is not ours to choose, and stands without the prefix. */
type Family = Pick<Sample, 'name' | 'help'> & { readonly isBare?: true };

/** Counts of each bucket alone; the last one is beyond all bounds. */
export type Buckets = {
  readonly boundsSeconds: readonly number[];
  readonly counts: readonly number[];
  readonly sumSeconds: number;
};

/** One value under its own name; what ends in `_total` only grows. */
export function sampleText({ name, help, value }: Sample): string {
  return familyText({ name, help }, [{ labels: '', value }]);
}

/** Several values of one name, told apart by their labels, as `{peer="n2"}`. */
export function familyText(
  { name, help, isBare }: Family,
  values: readonly { readonly labels: string; readonly value: number }[],
): string {
  const full = isBare ? name : `${metricPrefix}${name}`;
  const type = name.endsWith('_total') ? 'counter' : 'gauge';
  const lines = values.map(({ labels, value }) => `${full}${labels} ${value}`);
  return [`# HELP ${full} ${help}`, `# TYPE ${full} ${type}`, ...lines].join('\n');
}

/** One or several histograms of one name, told apart by their labels, as `peer="n2"`. */
export function histogramText(
  { name, help }: Pick<Sample, 'name' | 'help'>,
  values: readonly { readonly labels: string; readonly buckets: Buckets }[],
): string {
  const full = `${metricPrefix}${name}`;
  const lines = values.flatMap(({ labels, buckets }) => bucketLines(full, labels, buckets));
  return [`# HELP ${full} ${help}`, `# TYPE ${full} histogram`, ...lines].join('\n');
}

/** `labels` without braces; empty: none. */
function bucketLines(full: string, labels: string, buckets: Buckets): readonly string[] {
  const { boundsSeconds, counts, sumSeconds } = buckets;
  const [before, all] = labels === '' ? ['', ''] : [`${labels},`, `{${labels}}`];
  let below = 0;
  const lines = counts.map((count, at) => {
    below += count;
    return `${full}_bucket{${before}le="${boundsSeconds[at] ?? '+Inf'}"} ${below}`;
  });
  return [...lines, `${full}_sum${all} ${sumSeconds}`, `${full}_count${all} ${below}`];
}

/** As the text format wants it: backslash, quote and newline escaped. */
export const labelText = (text: string): string =>
  text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
