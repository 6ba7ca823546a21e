// The shape of a source file: its name, its head, what it exports, how long it is.
import { type House, isTest, roomOf, type TextFile } from '../house.ts';
import type { Finding, Rule } from '../rule.ts';
import { type Node, walk } from '../source.ts';

const inRaft = (text: string): Record<string, string> => ({ 'packages/raft/src/a.ts': text });

/** Findings of the statements or nodes of every source that `judge` has words for. */
function perNode(
  house: House,
  judge: (node: Node, parent: Node | undefined) => string | undefined,
): Finding[] {
  return house.sources.flatMap(({ path }) => {
    const { program, lineOf } = house.parsed(path);
    const findings: Finding[] = [];
    walk(program, (node, parent) => {
      const message = judge(node, parent);
      if (message) findings.push({ path, line: lineOf(node.start), message });
    });
    return findings;
  });
}

/** Tools ask for a default export in their configuration files. */
const isConfiguration = (path: string): boolean => /^[a-z]+\.config\.ts$/.test(path);

export const defaultExports: Rule = {
  name: 'default-exports',
  reason: 'One name everywhere: a default export is called something else by each importer.',
  check: (house) =>
    perNode(house, ({ type }) =>
      type === 'ExportDefaultDeclaration' ? 'default export' : undefined,
    ).filter(({ path }) => !isConfiguration(path)),
  bad: [inRaft('export default function f() {}'), inRaft('export default 5;')],
  good: [{ 'vitest.config.ts': 'export default {};' }, inRaft('export const a = 5;')],
};

export const barrels: Rule = {
  name: 'barrels',
  reason: 'A file that only passes on what others export hides circles and where things live.',
  check: (house) =>
    house.sources
      .filter(({ path }) => isBarrel(house.parsed(path).statements))
      .map(({ path }) => ({ path, line: 1, message: 'only re-exports' })),
  bad: [
    inRaft("export * from './b.ts';\nexport { c } from './c.ts';"),
    inRaft("import { b } from './b.ts';\nexport { b };"),
    inRaft("export type { B } from './b.ts';"),
  ],
  good: [inRaft("export const a = 1;\nexport { c } from './c.ts';"), inRaft("import './b.ts';")],
};

function isBarrel(statements: readonly Node[]): boolean {
  const passesOn = (node: Node): boolean =>
    node.type === 'ExportAllDeclaration' ||
    (node.type === 'ExportNamedDeclaration' && !node.declaration);
  const exporting = statements.filter(passesOn);
  const others = statements.filter((node) => !passesOn(node) && node.type !== 'ImportDeclaration');
  return exporting.length > 0 && others.length === 0;
}

export const erasable: Rule = {
  name: 'erasable',
  reason: 'Enums, namespaces and parameter properties are code that types should not make.',
  check: (house) => perNode(house, judgeErasable),
  bad: [
    inRaft('export enum Role { leader }'),
    inRaft('export namespace N { export const a = 1; }'),
    inRaft('export class A { constructor(private readonly b: number) {} }'),
  ],
  good: [inRaft("export type Role = 'leader' | 'follower';"), inRaft('declare global {}')],
};

function judgeErasable(node: Node): string | undefined {
  if (node.type === 'TSEnumDeclaration') return 'enum: write a union of string literals';
  if (node.type === 'TSParameterProperty') return 'parameter property: write the field';
  const isNamespace = node.type === 'TSModuleDeclaration' && node.kind !== 'global';
  return isNamespace ? 'namespace: write a module' : undefined;
}

export const fileNames: Rule = {
  name: 'file-names',
  reason: 'Kebab-case is the same on every file system, and one style needs no thought.',
  check: (house) =>
    house.sources
      .filter(({ path }) => !path.split('/').every((part) => /^\.?[a-z0-9][a-z0-9.-]*$/.test(part)))
      .map(({ path }) => ({ path, line: 1, message: 'not kebab-case' })),
  bad: [{ 'packages/raft/src/SegmentedLog.ts': '' }, { 'packages/raft/src/segmented_log.ts': '' }],
  good: [{ 'packages/raft/src/raft.thesis.test.ts': '' }],
};

export const headers: Rule = {
  name: 'headers',
  reason: 'Three lines at the top save each reader ten minutes: what it is, owns, never does.',
  check: (house) =>
    house.sources
      .filter(({ path, text }) => !isConfiguration(path) && !/^(#!.*\n)?\/[/*]/.test(text))
      .map(({ path }) => ({ path, line: 1, message: 'no comment at its head' })),
  bad: [inRaft('export const a = 1;\n')],
  good: [inRaft('// What it is.\n'), { 'tools/a.mjs': '#!/usr/bin/env node\n// What it is.\n' }],
};

/** Tests may be longer: they are read a case at a time. */
const linesMax = { product: 400, test: 800 };

export const fileLength: Rule = {
  name: 'file-length',
  reason: 'A file is one idea; one that does not fit a sitting holds several.',
  check: (house) => house.sources.flatMap(checkLength),
  bad: [inRaft('// head\n'.repeat(401)), { 'packages/raft/src/a.test.ts': '//\n'.repeat(801) }],
  good: [inRaft('// head\n'.repeat(400)), { 'packages/raft/src/a.test.ts': '//\n'.repeat(800) }],
};

function checkLength({ path, text }: TextFile): Finding[] {
  const lines = text.split('\n').length - 1;
  const max = isTest(path) ? linesMax.test : linesMax.product;
  return lines <= max ? [] : [{ path, line: max, message: `${lines} lines, ${max} at most` }];
}

/** The guide's median is 7 to 10; this only catches what fits no screen at all. */
const functionLinesMax = 60;

export const functionLength: Rule = {
  name: 'function-length',
  reason: 'A function fits a screen; ifs go up to the parent, loops down to helpers.',
  check: (house) =>
    house.sources
      .filter(({ path }) => !isTest(path))
      .flatMap((file) => checkFunctions(house, file)),
  bad: [inRaft(`export function f() {\n${'  a();\n'.repeat(60)}}`)],
  good: [inRaft(`export function f() {\n${'  a();\n'.repeat(50)}}`)],
};

function checkFunctions(house: House, { path }: TextFile): Finding[] {
  const { program, lineOf } = house.parsed(path);
  const findings: Finding[] = [];
  walk(program, (node) => {
    if (!functionTypes.has(node.type)) return;
    const line = lineOf(node.start);
    const lines = lineOf(node.end) - line + 1;
    if (lines > functionLinesMax) findings.push({ path, line, message: `${lines} lines` });
  });
  return findings;
}

const functionTypes: ReadonlySet<string> = new Set([
  'FunctionDeclaration',
  'FunctionExpression',
  'ArrowFunctionExpression',
]);

export const parameters: Rule = {
  name: 'parameters',
  reason: 'A fourth positional argument cannot be read at the call: take an options object.',
  check: (house) =>
    perNode(house, (node, parent) => {
      // What is handed to somebody else's function has the parameters that it asks for.
      const chosen = functionTypes.has(node.type) && parent?.type !== 'CallExpression';
      const count = chosen ? (node.params as Node[]).length : 0;
      return count > 3 ? `${count} parameters` : undefined;
    }).filter(({ path }) => roomOf(path) !== undefined && !isTest(path)),
  bad: [inRaft('export function f(a, b, c, d) {}'), inRaft('class A { f(a, b, c, d) {} }')],
  good: [inRaft('export function f(a, b, { c, d }) {}'), inRaft('on((a, b, c, d) => {});')],
};
