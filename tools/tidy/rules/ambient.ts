// What a pure file must not reach for: Node's built-ins, the clock, randomness, the process.
import { type House, isTest, roomOf } from '../house.ts';
import { isAdapter } from '../rooms.ts';
import type { Finding, Rule } from '../rule.ts';
import { isNode, type Node, walk } from '../source.ts';

export const builtins: Rule = {
  name: 'builtins',
  reason: 'A file that touches the system cannot run in the simulator: take a port instead.',
  check: (house) =>
    house.writtenModules
      .filter(({ path }) => !isAdapter(path) && !isTest(path))
      .flatMap(({ path }) => checkBuiltins(house, path)),
  bad: [
    { 'packages/storage/src/log.ts': "import { open } from 'node:fs';" },
    { 'packages/raft/src/log.ts': "import type { Socket } from 'node:net';" },
    { 'packages/raft/src/log.ts': "const fs = await import('fs');" },
  ],
  good: [
    { 'packages/storage/src/node-disk.ts': "import { open } from 'node:fs';" },
    { 'packages/server/src/main.ts': "import { open } from 'node:fs';" },
    { 'packages/storage/src/log.test.ts': "import { mkdtemp } from 'node:fs';" },
  ],
};

/** Built-ins without `node:` that somebody might type; the linter asks for the prefix. */
const bare = new Set(['fs', 'net', 'os', 'path', 'crypto', 'zlib', 'timers', 'process', 'events']);

function checkBuiltins(house: House, path: string): Finding[] {
  return house
    .parsed(path)
    .imports.filter(({ specifier }) => specifier.startsWith('node:') || bare.has(specifier))
    .map(({ specifier, line }) => ({ path, line, message: `imports ${specifier}` }));
}

export const ambient: Rule = {
  name: 'ambient',
  reason: 'The same seed must give the same run: time and chance come in as Clock and Random.',
  check: (house) =>
    house.writtenModules
      .filter(({ path }) => !isAdapter(path))
      .flatMap(({ path }) => checkAmbient(house, path)),
  bad: [
    'Date.now();',
    'new Date();',
    'Math.random();',
    'performance.now();',
    'setTimeout(() => {}, 5);',
    'await new Promise((resolve) => setImmediate(resolve));',
    'process.env;',
    'console.log(1);',
    'crypto.randomUUID();',
    'globalThis.setInterval(() => {}, 5);',
    'AbortSignal.timeout(5);',
  ].map((text) => ({ 'packages/raft/src/a.ts': text })),
  good: [
    { 'packages/base/src/system-clock.ts': 'Date.now();' },
    { 'packages/server/src/main.ts': 'process.env;' },
    { 'packages/raft/src/a.ts': 'new Date(5); Math.max(1, 2); this.process; x = { process: 1 };' },
    { 'packages/raft/src/a.ts': 'function f(process) { process.step(); }' },
    { 'packages/raft/src/a.ts': '// Date.now() in words\nconst text = "Math.random()";' },
  ],
};

const globals = new Set(
  'process console performance crypto setTimeout setInterval setImmediate fetch'.split(' '),
);
const members = new Set(['Date.now', 'Math.random', 'AbortSignal.timeout', 'Atomics.wait']);

function checkAmbient(house: House, path: string): Finding[] {
  const { program, lineOf } = house.parsed(path);
  const declared = declaredNames(program);
  const findings: Finding[] = [];
  walk(program, (node, parent) => {
    const name = ambientName(node, parent);
    if (name === undefined || declared.has(name)) return;
    findings.push({ path, line: lineOf(node.start), message: `reaches for ${name}` });
  });
  return findings;
}

function ambientName(node: Node, parent: Node | undefined): string | undefined {
  if (node.type === 'NewExpression' && nameOf(node.callee) === 'Date') {
    return (node.arguments as Node[]).length === 0 ? 'new Date()' : undefined;
  }
  if (node.type === 'MemberExpression') {
    const [object, property] = [nameOf(node.object), nameOf(node.property)];
    if (object === 'globalThis') return `globalThis.${property}`;
    return members.has(`${object}.${property}`) ? `${object}.${property}` : undefined;
  }
  const name = nameOf(node);
  return name !== undefined && globals.has(name) && isReference(node, parent) ? name : undefined;
}

const nameOf = (node: unknown): string | undefined =>
  isNode(node) && node.type === 'Identifier' ? String(node.name) : undefined;

/** Not the name of a property, a method, a label or a type member. */
function isReference(node: Node, parent: Node | undefined): boolean {
  if (!parent) return true;
  if (parent.type === 'MemberExpression') return parent.object === node || parent.computed === true;
  const isKey = parent.key === node && parent.computed !== true;
  const isShorthand = parent.shorthand === true;
  return !isKey || isShorthand;
}

/** Names that the file binds itself: a parameter `process` is nobody's global. */
function declaredNames(program: Node): ReadonlySet<string> {
  const names = new Set<string>();
  const add = (node: unknown): void => {
    const name = nameOf(node);
    if (name !== undefined) names.add(name);
  };
  walk(program, (node) => {
    if (node.type === 'VariableDeclarator' || node.type.endsWith('Declaration')) add(node.id);
    if (node.type.startsWith('Import')) add(node.local);
    if (Array.isArray(node.params)) for (const parameter of node.params) add(parameter);
  });
  return names;
}

export const seams: Rule = {
  name: 'seams',
  reason: 'Mocks test the mock: the memory twin behind a port has passed the contract suite.',
  check: (house) =>
    house.sources
      .filter(({ path }) => isTest(path) && roomOf(path) !== undefined)
      .flatMap(({ path }) => checkSeams(house, path)),
  bad: [
    "vi.mock('./x.ts');",
    'vi.useFakeTimers();',
    'it.only("x", f);',
    'describe.skip("x", f);',
  ].map((text) => ({ 'packages/raft/src/a.test.ts': text })),
  good: [{ 'packages/raft/src/a.test.ts': 'it("x", () => clock.advance(5));' }],
};

function checkSeams(house: House, path: string): Finding[] {
  const { program, lineOf } = house.parsed(path);
  const findings: Finding[] = [];
  walk(program, (node) => {
    if (node.type !== 'MemberExpression') return;
    const [object, property] = [nameOf(node.object), nameOf(node.property)];
    const narrowed = property === 'only' || property === 'skip' || property === 'todo';
    const suite = object === 'it' || object === 'describe' || object === 'test';
    if (object !== 'vi' && !(suite && narrowed)) return;
    findings.push({ path, line: lineOf(node.start), message: `${object}.${property}` });
  });
  return findings;
}
