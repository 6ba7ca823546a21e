// For tests: reads a scrape as strictly as `promtool check metrics` does, and throws at the first
// line that a Prometheus server might take otherwise than it is meant.

export type Family = {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  /** By name and labels, as they stand in the text. */
  readonly samples: ReadonlyMap<string, number>;
};

type Draft = { help?: string; type?: string; readonly samples: Map<string, number> };

const namePattern = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const samplePattern = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{.*\})? (\S+)( -?\d+)?$/;
const labelPattern = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/;
const types = new Set(['counter', 'gauge', 'histogram', 'summary', 'untyped']);

export function parseScrape(text: string): ReadonlyMap<string, Family> {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  const drafts = new Map<string, Draft>();
  const begun = new Set<string>();
  let current = '';
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const name = readLine(line, drafts);
    if (name === current) continue;
    if (begun.has(name)) throw new Error(`the lines of ${name} do not stand together`);
    begun.add(name);
    current = name;
  }
  return new Map([...drafts].map(([name, draft]) => [name, finished(name, draft)]));
}

/** The family that the line belongs to. */
function readLine(line: string, drafts: Map<string, Draft>): string {
  const [, word, about = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
  if (word !== undefined) {
    const draft = draftOf(drafts, about);
    if (draft.samples.size > 0) throw new Error(`${word} of ${about} comes behind its samples`);
    const key = word === 'HELP' ? 'help' : 'type';
    if (draft[key] !== undefined) throw new Error(`${word} of ${about} stands there twice`);
    draft[key] = rest;
    return about;
  }
  const [, name, labels = '', value] = samplePattern.exec(line) ?? [];
  if (name === undefined) throw new Error(`no sample: ${line}`);
  checkLabels(labels, line);
  const family = familyOf(name, drafts);
  const { samples } = draftOf(drafts, family);
  if (samples.has(name + labels)) throw new Error(`twice: ${name}${labels}`);
  samples.set(name + labels, numberOf(String(value), line));
  return family;
}

function draftOf(drafts: Map<string, Draft>, name: string): Draft {
  if (!namePattern.test(name)) throw new Error(`no name: ${name}`);
  const draft = drafts.get(name) ?? { samples: new Map() };
  drafts.set(name, draft);
  return draft;
}

function familyOf(name: string, drafts: ReadonlyMap<string, Draft>): string {
  const base = name.replace(/_(bucket|sum|count)$/, '');
  const type = drafts.get(base)?.type;
  return base !== name && (type === 'histogram' || type === 'summary') ? base : name;
}

function checkLabels(labels: string, line: string): void {
  const names = new Set<string>();
  for (let rest = labels.slice(1, -1); rest !== ''; ) {
    const found = labelPattern.exec(rest);
    if (!found) throw new Error(`labels: ${line}`);
    const [whole, name = ''] = found;
    if (names.has(name)) throw new Error(`the label ${name} twice: ${line}`);
    names.add(name);
    rest = rest.slice(whole.length);
  }
}

function numberOf(text: string, line: string): number {
  const number = text === '+Inf' ? Number.POSITIVE_INFINITY : Number(text);
  if (Number.isNaN(number) && !/^nan$/i.test(text)) throw new Error(`no number: ${line}`);
  return number;
}

function finished(name: string, { help, type, samples }: Draft): Family {
  if (help === undefined || type === undefined) throw new Error(`${name} has no HELP or no TYPE`);
  if (!types.has(type)) throw new Error(`${name} is of type ${type}`);
  if (type === 'counter' && !name.endsWith('_total')) throw new Error(`${name} should end _total`);
  if (type === 'histogram') checkHistogram(name, samples);
  return { name, help, type, samples };
}

/** Each label set has buckets that grow, the last of them beyond all bounds and equal to _count. */
function checkHistogram(name: string, samples: ReadonlyMap<string, number>): void {
  const last = new Map<string, { readonly bound: number; readonly count: number }>();
  for (const [series, count] of samples) {
    const le = /,?le="([^"]+)"/.exec(series);
    if (!series.startsWith(`${name}_bucket`) || !le) continue;
    const labels = series
      .slice(`${name}_bucket`.length)
      .replace(le[0], '')
      .replace('{,', '{')
      .replace('{}', '');
    const bound = numberOf(String(le[1]), series);
    const before = last.get(labels);
    if (before && !(bound > before.bound && count >= before.count)) {
      throw new Error(`buckets do not grow: ${series}`);
    }
    last.set(labels, { bound, count });
  }
  for (const [labels, { bound, count }] of last) {
    const total = samples.get(`${name}_count${labels}`);
    const isWhole = bound === Number.POSITIVE_INFINITY && samples.has(`${name}_sum${labels}`);
    if (!isWhole || total !== count) throw new Error(`${name}${labels} has no end`);
  }
}
