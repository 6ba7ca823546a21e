// Documents that can be checked are checked: what they promise is read out of them and looked up.
import { type House, type Manifest, roomOfPackageName, type TextFile } from '../house.ts';
import { rooms } from '../rooms.ts';
import type { Finding, Rule } from '../rule.ts';

const acceptancePath = 'docs/acceptance.md';
const counts = { A: 27, B: 24, C: 22, D: 20 };

const allIds = Object.entries(counts).flatMap(([letter, count]) =>
  Array.from({ length: count }, (_, at) => `${letter}-${String(at + 1).padStart(2, '0')}`),
);
const completeList = allIds.map((id) => `| ${id} | owed | Part 2 |`).join('\n');
const withRow = (id: string, row: string): Record<string, string> => ({
  [acceptancePath]: completeList.replace(`| ${id} | owed | Part 2 |`, row),
});
const shownBy = '| C-01 | shown | `packages/a/src/b.test.ts` "elects one" |';

export const acceptance: Rule = {
  name: 'acceptance',
  reason: 'A line counts as shown when a test would fail without it; a stale list shows nothing.',
  check: (house) => (house.has(acceptancePath) ? checkAcceptance(house) : []),
  bad: [
    withRow('C-01', ''),
    withRow('C-01', '| C-02 | owed | Part 2 |'),
    withRow('C-01', '| C-01 | owed | some day |'),
    withRow('C-01', '| C-01 | shown | surely |'),
    withRow('C-01', shownBy),
    { ...withRow('C-01', shownBy), 'packages/a/src/b.test.ts': "it('elects two');" },
    withRow('C-01', '| C-01 | perhaps | Part 2 |'),
  ],
  good: [
    { [acceptancePath]: completeList },
    { ...withRow('C-01', shownBy), 'packages/a/src/b.test.ts': "it('elects one');" },
  ],
};

function checkAcceptance(house: House): Finding[] {
  const lines = (house.textOf(acceptancePath) ?? '').split('\n');
  const findings: Finding[] = [];
  const seen = new Map<string, number>();
  for (const [at, text] of lines.entries()) {
    const row = /^\| ([A-D]-\d\d) \| (\S+) \| (.*) \|$/.exec(text);
    if (!row) continue;
    const [, id, status, words] = row as unknown as [string, string, string, string];
    seen.set(id, (seen.get(id) ?? 0) + 1);
    const message = judgeRow(house, status, words);
    if (message)
      findings.push({ path: acceptancePath, line: at + 1, message: `${id}: ${message}` });
  }
  for (const id of allIds) {
    const times = seen.get(id) ?? 0;
    const message = `${id} stands ${times} times, not once`;
    if (times !== 1) findings.push({ path: acceptancePath, line: 1, message });
  }
  return findings;
}

function judgeRow(house: House, status: string, words: string): string | undefined {
  const names = /Part \d|later/.test(words);
  if (status === 'owed') return names ? undefined : 'owed to no part';
  if (status !== 'shown' && status !== 'partly') return `unknown status ${status}`;
  if (testsNamedIn(words).length === 0) return 'names no test';
  if (status === 'partly' && !names) return 'does not say to which part the rest is owed';
  return missingTest(house, words);
}

type NamedTest = { readonly path: string; readonly title: string };

const testsNamedIn = (words: string): readonly NamedTest[] =>
  [...words.matchAll(/`([^`]+\.test\.ts)` "([^"]+)"/g)].map(([, path, title]) => ({
    path: path as string,
    title: title as string,
  }));

/** What is wrong with the tests that a text names, or undefined. */
function missingTest(house: House, words: string): string | undefined {
  for (const { path, title } of testsNamedIn(words)) {
    const text = house.textOf(path);
    if (text === undefined) return `${path} does not exist`;
    if (!text.includes(title)) return `${path} has no test "${title}"`;
  }
  return undefined;
}

const bugsPath = 'docs/bugs.md';
const bugRow = (held: string): string => `| it hung | seed 7 | a cause | ${held} |`;
const heldBy = bugRow('`packages/a/src/b.test.ts` "ends"');

export const bugs: Rule = {
  name: 'bugs',
  reason: 'A bug that no test holds comes back, and nobody knows that it was there before.',
  check: (house) => checkBugs(house),
  bad: [
    { [bugsPath]: bugRow('a test') },
    { [bugsPath]: heldBy },
    { [bugsPath]: heldBy, 'packages/a/src/b.test.ts': "it('begins');" },
  ],
  good: [
    { [bugsPath]: heldBy, 'packages/a/src/b.test.ts': "it('ends');" },
    { [bugsPath]: '| symptom | found by | cause | held by |\n|---|---|---|---|' },
  ],
};

function checkBugs(house: House): Finding[] {
  return (house.textOf(bugsPath) ?? '').split('\n').flatMap((line, at) => {
    const isRow = line.startsWith('| ') && !line.startsWith('| symptom |');
    if (!isRow) return [];
    const message =
      testsNamedIn(line).length === 0 ? 'a bug without a test' : missingTest(house, line);
    return message ? [{ path: bugsPath, line: at + 1, message }] : [];
  });
}

const plantedPath = 'docs/planted-bugs.md';
const mutationFile = /^tools\/mutations\/[a-z]+-mutations\.ts$/;

export const plantedBugs: Rule = {
  name: 'planted-bugs',
  reason: 'The table says which judge finds what: a mutation that is not in it was never measured.',
  check: (house) => (house.has(plantedPath) ? checkPlantedBugs(house) : []),
  bad: [
    { [plantedPath]: '| `a` | x |', 'tools/mutations/core-mutations.ts': "    name: 'b'," },
    { [plantedPath]: '', 'tools/mutations/core-mutations.ts': "    name: 'b'," },
  ],
  good: [{ [plantedPath]: '| `b` | x |', 'tools/mutations/core-mutations.ts': "    name: 'b'," }],
};

function checkPlantedBugs(house: House): Finding[] {
  const rows = house.textOf(plantedPath) ?? '';
  const told = new Set([...rows.matchAll(/^\| `([\w-]+)` \|/gm)].map(([, name]) => name));
  const files = house.files.filter(({ path }) => mutationFile.test(path));
  const named = files.flatMap(({ text }) => [...text.matchAll(/^ {4}name: '([\w-]+)',$/gm)]);
  const planted = new Set(named.map(([, name]) => name));
  const messages = [
    ...[...planted].filter((name) => !told.has(name)).map((name) => `no row for ${name}`),
    ...[...told].filter((name) => !planted.has(name)).map((name) => `${name} is not planted`),
  ];
  return messages.map((message) => ({ path: plantedPath, line: 1, message }));
}

const invariantsPath = 'docs/invariants.md';
const ruleCount = 23;
const ruleNumbers = Array.from({ length: ruleCount }, (_, at) => at + 1);
const ruleRows = ruleNumbers.map((number) => `| ${number} | words |`).join('\n');

export const invariants: Rule = {
  name: 'invariants',
  reason: 'The code cites these rules by number: each must stand there, with what enforces it.',
  check: (house) => (house.has(invariantsPath) ? checkInvariants(house) : []),
  bad: [
    { [invariantsPath]: ruleRows.replace('| 7 |', '| 70 |') },
    { [invariantsPath]: `${ruleRows}\n| 1 | in \`raft/src/gone.ts\` |` },
    { [invariantsPath]: `${ruleRows}\n| a | judge \`gone.ts\` |` },
    {
      [invariantsPath]: ruleRows,
      'packages/raft/src/a.ts': `// As in safety.md ${ruleCount + 1}.`,
    },
  ],
  good: [
    {
      [invariantsPath]: `${ruleRows}\n| a | \`raft/src/a.ts\`, judge \`b.ts\` |`,
      'packages/raft/src/a.ts': '// As in safety.md 23.',
      'packages/simulator/src/judges/b.ts': '// A judge.',
    },
  ],
};

function checkInvariants(house: House): Finding[] {
  const text = house.textOf(invariantsPath) ?? '';
  const missing = ruleNumbers
    .filter((number) => text.match(new RegExp(`^\\| ${number} \\|`, 'gm'))?.length !== 1)
    .map((number) => `rule ${number} does not stand there once`);
  const gone = [...text.matchAll(/`([a-z]+\/(?:src|proto)\/[\w./-]+\.\w+|[a-z-]+\.ts)`/g)]
    .map(([, name]) => `packages/${name?.includes('/') ? '' : 'simulator/src/judges/'}${name}`)
    .filter((path) => !house.has(path))
    .map((path) => `${path} does not exist`);
  const findings = [...missing, ...gone].map((message) => ({
    path: invariantsPath,
    line: 1,
    message,
  }));
  return [...findings, ...house.sources.flatMap(checkCitations)];
}

function checkCitations({ path, text }: TextFile): Finding[] {
  return text.split('\n').flatMap((line, at) => {
    const cited = Number(/safety\.md (\d+)/.exec(line)?.[1] ?? 1);
    const message = `safety.md has no rule ${cited}`;
    return cited >= 1 && cited <= ruleCount ? [] : [{ path, line: at + 1, message }];
  });
}

const architecturePath = 'ARCHITECTURE.md';

const yamlRow = '## Dependencies\n| `yaml` | why | way out |';

export const architecture: Rule = {
  name: 'architecture',
  reason: 'The map is read before the code: a room or a dependency it does not show misleads.',
  check: (house) => (house.has(architecturePath) ? checkArchitecture(house) : []),
  bad: [
    { [architecturePath]: '' },
    { [architecturePath]: `${architectureOf(() => undefined)}\n${yamlRow}` },
    { [architecturePath]: architectureOf((room) => (room === 'raft' ? 'base, mvcc' : undefined)) },
    {
      [architecturePath]: architectureOf(() => undefined),
      'packages/raft/package.json': '{ "name": "@holdfast/raft", "dependencies": { "yaml": "1" } }',
    },
  ],
  good: [
    {
      [architecturePath]: `${architectureOf(() => undefined)}\n${yamlRow}`,
      'packages/raft/package.json': '{ "name": "@holdfast/raft", "dependencies": { "yaml": "1" } }',
    },
  ],
};

function architectureOf(instead: (room: string) => string | undefined): string {
  return Object.entries(rooms)
    .map(([room, { mayImport }]) => {
      const words = instead(room) ?? (mayImport.join(', ') || '–');
      return `| \`${room}\` | something | ${words} |`;
    })
    .join('\n');
}

function checkArchitecture(house: House): Finding[] {
  const text = house.textOf(architecturePath) ?? '';
  const messages = [...roomMessages(text), ...dependencyMessages(house, text)];
  return messages.map((message) => ({ path: architecturePath, line: 1, message }));
}

/** A room's row ends in what it may import, in any order. */
function roomMessages(text: string): string[] {
  return Object.entries(rooms).flatMap(([room, { mayImport }]) => {
    const row = new RegExp(`^\\| \`${room}\` \\|.*\\| ([^|]*) \\|$`, 'm').exec(text);
    if (!row) return [`no row for the room ${room}`];
    const named = (row[1] as string).split(/[,\s–]+/).filter((word) => word !== '');
    const [says, table] = [[...named].sort().join(', '), [...mayImport].sort().join(', ')];
    return says === table ? [] : [`${room} may import [${table}], the page says [${says}]`];
  });
}

function dependencyMessages(house: House, text: string): string[] {
  const used = externalDependencies(house);
  const table = text.slice(text.indexOf('## Dependencies'));
  const rows = [...table.matchAll(/^\| `([^`]+)` \|[^|]+\|[^|]+\|$/gm)];
  const named = new Set(rows.map((row) => row[1] as string));
  return [
    ...[...used]
      .filter((name) => !named.has(name))
      .map((name) => `the dependency ${name} has no row with its reason and its way out`),
    ...[...named]
      .filter((name) => !used.has(name))
      .map((name) => `the row of ${name} is about something that nothing depends on`),
  ];
}

function externalDependencies(house: House): ReadonlySet<string> {
  const manifests = house.files.filter(({ path }) => /(^|\/)package\.json$/.test(path));
  const names = manifests.flatMap((file) => {
    const { dependencies, devDependencies } = JSON.parse(file.text) as Manifest;
    return [...Object.keys(dependencies ?? {}), ...Object.keys(devDependencies ?? {})];
  });
  return new Set(names.filter((name) => roomOfPackageName(name) === undefined));
}

export const links: Rule = {
  name: 'links',
  reason: 'A document that points to nothing is worse than none: readers believe it.',
  check: (house) =>
    house.files
      .filter(({ path }) => path.endsWith('.md'))
      .flatMap(({ path }) => checkLinks(house, path)),
  bad: [
    { 'README.md': 'See [it](docs/gone.md).' },
    { 'docs/a.md': 'In `packages/raft/src/b.ts`.' },
  ],
  good: [
    { 'README.md': 'See [it](docs/a.md#part).', 'docs/a.md': '[back](../README.md), `DIR/pid`' },
  ],
};

/** Relative links, and paths in code quotes that lie under packages, tools, tests or docs. */
function checkLinks(house: House, path: string): Finding[] {
  const base = path.includes('/') ? path.slice(0, path.lastIndexOf('/') + 1) : '';
  return (house.textOf(path) ?? '').split('\n').flatMap((line, at) => {
    const linked = [...line.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(
      (match) => base + match[1],
    );
    const quoted = [...line.matchAll(/`((?:packages|tools|tests|docs)\/[\w./-]+\.\w+)`/g)];
    return [...linked, ...quoted.map((match) => match[1] as string)]
      .map((target) => new URL(target, 'file:///').pathname.slice(1))
      .filter((target) => !house.has(target))
      .map((target) => ({ path, line: at + 1, message: `${target} does not exist` }));
  });
}
