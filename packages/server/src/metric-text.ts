// Prometheus' text format, as far as this member writes it by hand.

export const metricPrefix = 'holdfast_';

export type Sample = { readonly name: string; readonly help: string; readonly value: number };

/** One value under its own name; what ends in `_total` only grows. */
export function sampleText({ name, help, value }: Sample): string {
  return familyText({ name, help }, [{ labels: '', value }]);
}

/** Several values of one name, told apart by their labels, as `{peer="n2"}`. */
export function familyText(
  { name, help }: Pick<Sample, 'name' | 'help'>,
  values: readonly { readonly labels: string; readonly value: number }[],
): string {
  const full = `${metricPrefix}${name}`;
  const type = name.endsWith('_total') ? 'counter' : 'gauge';
  const lines = values.map(({ labels, value }) => `${full}${labels} ${value}`);
  return [`# HELP ${full} ${help}`, `# TYPE ${full} ${type}`, ...lines].join('\n');
}

/** As the text format wants it: backslash, quote and newline escaped. */
export const labelText = (text: string): string =>
  text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
