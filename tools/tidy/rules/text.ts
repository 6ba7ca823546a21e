// Rules about lines of text, whatever they mean: width, marks left behind, traces of a machine.
import type { House, TextFile } from '../house.ts';
import type { Finding, Rule } from '../rule.ts';

const inRaft = (text: string): Record<string, string> => ({ 'packages/raft/src/a.ts': text });

function perLine(
  files: readonly TextFile[],
  judge: (line: string, path: string) => string | undefined,
): Finding[] {
  return files.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, at) => {
      const message = judge(line, path);
      return message === undefined ? [] : [{ path, line: at + 1, message }];
    }),
  );
}

const columnsMax = 100;
/** A test's title is one sentence in one string, which nothing can break. */
const title = /^\s*(it|describe)\(['`]/;

export const columns: Rule = {
  name: 'columns',
  reason: 'Two files stand side by side on one screen.',
  check: (house) =>
    perLine([...house.sources, ...protoFiles(house)], (line) =>
      line.length > columnsMax && !title.test(line) ? `${line.length} columns` : undefined,
    ),
  bad: [inRaft(`// ${'x'.repeat(98)}`)],
  good: [inRaft(`// ${'ü'.repeat(97)}`), inRaft(`it('${'x'.repeat(98)}', () => {`)],
};

const protoFiles = (house: House): readonly TextFile[] =>
  house.files.filter(({ path }) => path.endsWith('.proto'));

const mark = /\b(FIXME|TODO|XXX)\b/;

export const marks: Rule = {
  name: 'marks',
  reason: 'A promise in a comment is kept by nobody: do it, or write it down where it is owed.',
  check: (house) => perLine(house.sources, (line) => mark.exec(line)?.[0]),
  bad: [inRaft('// FIXME: later'), inRaft('// TODO'), inRaft('/* XXX */')],
  good: [inRaft('const method = "TODOS";')],
};

/** Homes of people, and hosts that only one place can reach. */
const machine = /(?<![\w.])\/(home|root|Users|work)\/[\w.-]+|registry\.[a-z-]+\.[a-z]+/;
const machineWords = /\.(ts|mjs|js|json|md|yaml|yml|proto|txt)$|^\.ci\/|^\.npmrc$/;

export const machinePaths: Rule = {
  name: 'machine-paths',
  reason: 'A clone must work anywhere: nothing in it may know the machine it was written on.',
  check: (house) =>
    perLine(
      house.files.filter(({ path }) => machineWords.test(path)),
      (line) => machine.exec(line)?.[0],
    ),
  bad: [
    inRaft("const data = '/home/ann/data';"),
    { '.npmrc': 'registry=https://registry.example.org' },
  ],
  good: [inRaft("import { work } from './work/line.ts';")],
};

export const lock: Rule = {
  name: 'lock',
  reason: 'The lock pins versions and checksums; which server delivers them is not its business.',
  check: (house) =>
    perLine(
      house.files.filter(({ path }) => path === 'package-lock.json'),
      (line) => (/"resolved": "\w+:/.test(line) ? 'resolved address' : undefined),
    ),
  bad: [{ 'package-lock.json': '"resolved": "https://host/x.tgz"' }],
  good: [{ 'package-lock.json': '"resolved": "packages/base"' }],
};

export const pins: Rule = {
  name: 'pins',
  reason: 'A version that moves by itself makes two clones of one commit behave differently.',
  check: (house) =>
    perLine(
      house.files.filter(({ path }) => /(^|\/)package\.json$/.test(path)),
      (line) => (/^\s+"[^"]+": "[\^~*]/.test(line) ? `not pinned: ${line.trim()}` : undefined),
    ),
  bad: [{ 'packages/raft/package.json': '{\n  "name": "@holdfast/raft",\n  "yaml": "^2.1.0"\n}' }],
  good: [{ 'packages/raft/package.json': '{\n  "name": "@holdfast/raft",\n  "yaml": "2.1.0"\n}' }],
};
