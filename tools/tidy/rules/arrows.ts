// The direction of the arrows between the rooms: what a package may depend on, what of it may be
// imported, and through which door.
import { type House, isTest, roomOf } from '../house.ts';
import { rooms } from '../rooms.ts';
import type { Finding, Rule } from '../rule.ts';
import { resolveImport } from './resolve.ts';

const manifest = (name: string, more: object = {}): string =>
  JSON.stringify({ name: `@holdfast/${name}`, ...more }, undefined, 2);
const door = { './assert': { 'holdfast-source': './src/assert.ts' } };

export const arrows: Rule = {
  name: 'arrows',
  reason: 'Every arrow points down the import table; one upward makes the pure core impure.',
  check: (house) => house.packages.flatMap(({ room }) => checkArrows(house, room)),
  bad: [
    { 'packages/raft/package.json': manifest('raft', { dependencies: { '@holdfast/mvcc': '1' } }) },
    { 'packages/attic/package.json': manifest('attic') },
    {
      'packages/raft/package.json': manifest('raft', { dependencies: { '@holdfast/base': '1' } }),
      'packages/raft/tsconfig.json': '{ "references": [] }',
    },
  ],
  good: [
    {
      'packages/raft/package.json': manifest('raft', { dependencies: { '@holdfast/base': '1' } }),
      'packages/raft/tsconfig.json': '{ "references": [{ "path": "../base" }] }',
    },
  ],
};

function checkArrows(house: House, room: string): Finding[] {
  const path = `packages/${room}/package.json`;
  const table = rooms[room];
  if (!table) return [{ path, line: 1, message: `the import table has no room "${room}"` }];
  const own = house.packages.find((candidate) => candidate.room === room);
  const dependencies = own?.roomDependencies ?? [];
  const forbidden = dependencies
    .filter((dependency) => !table.mayImport.includes(dependency))
    .map((dependency) => ({ path, line: 1, message: `${room} may not import ${dependency}` }));
  return [...forbidden, ...checkReferences(house, room, dependencies)];
}

/** The build's order comes from tsconfig references: they must be the dependencies. */
function checkReferences(house: House, room: string, dependencies: readonly string[]): Finding[] {
  const path = `packages/${room}/tsconfig.json`;
  const text = house.textOf(path);
  if (text === undefined) return [];
  const { references = [] } = JSON.parse(text) as { references?: { path: string }[] };
  const referred = references.map((reference) => reference.path.replace('../', '')).sort();
  const expected = [...dependencies].sort();
  const [is, should] = [referred.join(', '), expected.join(', ')];
  if (is === should) return [];
  const message = `references are [${is}], dependencies of package.json are [${should}]`;
  return [{ path, line: 1, message }];
}

export const doors: Rule = {
  name: 'doors',
  reason: "A package's exports are its door: what is not behind it can be changed freely.",
  check: (house) => house.modules.flatMap(({ path }) => checkDoors(house, path)),
  bad: [
    {
      'packages/base/package.json': manifest('base', { exports: door }),
      'packages/raft/package.json': manifest('raft', { dependencies: { '@holdfast/base': '1' } }),
      'packages/raft/src/a.ts': "import { secret } from '@holdfast/base/secret';",
    },
    { 'packages/raft/src/a.ts': "import { assert } from '../../base/src/assert.ts';" },
    { 'packages/raft/src/a.ts': "import { b } from './gone.ts';" },
    {
      'packages/base/package.json': manifest('base', { exports: door }),
      'packages/base/src/assert.ts': 'export const a = 1;',
      'packages/raft/package.json': manifest('raft'),
      'packages/raft/src/a.ts': "import { a } from '@holdfast/base/assert';",
    },
    {
      'packages/base/package.json': manifest('base', { exports: door }),
      'packages/base/src/assert.ts': 'export const a = 1;',
      'packages/base/src/b.ts': "import { a } from '@holdfast/base/assert';",
    },
  ],
  good: [
    {
      'packages/base/package.json': manifest('base', { exports: door }),
      'packages/base/src/assert.ts': 'export const a = 1;',
      'packages/raft/package.json': manifest('raft', { dependencies: { '@holdfast/base': '1' } }),
      'packages/raft/src/a.ts': "import { a } from '@holdfast/base/assert';",
    },
  ],
};

function checkDoors(house: House, path: string): Finding[] {
  const room = roomOf(path) as string;
  const findings: Finding[] = [];
  for (const each of house.parsed(path).imports) {
    const complain = (message: string): void => {
      findings.push({ path, line: each.line, message });
    };
    const target = resolveImport(house, path, each);
    if (target.kind === 'file') {
      if (roomOf(target.path) !== room) complain(`${each.specifier} leaves the package`);
      else if (!house.has(target.path)) complain(`${each.specifier} does not exist`);
    }
    if (target.kind === 'door') {
      if (target.room === room) complain('a package imports its own files by relative paths');
      else if (!dependsOn(house, path, target.room)) complain(`${target.room} is no dependency`);
      else if (!target.path) complain(`${target.room} does not export ${target.subpath}`);
    }
  }
  return findings;
}

function dependsOn(house: House, path: string, room: string): boolean {
  const own = house.packageOf(path);
  if (!own) return false;
  const forTests = isTest(path) ? own.manifest.devDependencies : undefined;
  return own.roomDependencies.includes(room) || `@holdfast/${room}` in (forTests ?? {});
}

export const typeArrows: Rule = {
  name: 'type-arrows',
  reason: 'Some arrows carry types alone: the code behind them must stay replaceable.',
  check: (house) => house.modules.flatMap(({ path }) => checkTypeArrows(house, path)),
  bad: [{ 'packages/domain/src/a.ts': "import { Command } from '@holdfast/proto/internal';" }],
  good: [
    { 'packages/domain/src/a.ts': "import type { Command } from '@holdfast/proto/internal';" },
    { 'packages/domain/src/a.test.ts': "import { Command } from '@holdfast/proto/internal';" },
  ],
};

function checkTypeArrows(house: House, path: string): Finding[] {
  const typesOnly = rooms[roomOf(path) as string]?.typesOnly ?? [];
  if (typesOnly.length === 0 || isTest(path)) return [];
  return house.parsed(path).imports.flatMap((each) => {
    const target = resolveImport(house, path, each);
    const wrong = target.kind === 'door' && !each.typeOnly && typesOnly.includes(target.room);
    return wrong ? [{ path, line: each.line, message: `${each.specifier}: types only` }] : [];
  });
}

export const exportsShape: Rule = {
  name: 'exports-shape',
  reason: 'Tests resolve packages to their sources and products to the build: a door has both.',
  check: (house) => house.packages.flatMap(({ room }) => checkExports(house, room)),
  bad: [
    { 'packages/base/package.json': manifest('base', { exports: door }) },
    {
      'packages/base/package.json': manifest('base', {
        exports: { './a': { 'holdfast-source': './src/a.ts', types: './dist/b.d.ts' } },
      }),
      'packages/base/src/a.ts': 'export const a = 1;',
    },
  ],
  good: [
    {
      'packages/base/package.json': manifest('base', {
        exports: {
          './a': {
            'holdfast-source': './src/a.ts',
            types: './dist/a.d.ts',
            default: './dist/a.js',
          },
        },
      }),
      'packages/base/src/a.ts': 'export const a = 1;',
    },
  ],
};

function checkExports(house: House, room: string): Finding[] {
  const path = `packages/${room}/package.json`;
  const own = house.packages.find((candidate) => candidate.room === room);
  return Object.entries(own?.manifest.exports ?? {}).flatMap(([subpath, conditions]) => {
    const source = conditions['holdfast-source'] ?? '';
    const stem = source.replace('./src/', './dist/').replace(/\.ts$/, '');
    const exists = house.has(`packages/${room}/${source.replace('./', '')}`);
    const shaped = conditions.types === `${stem}.d.ts` && conditions.default === `${stem}.js`;
    const message = exists
      ? `${subpath} needs holdfast-source, types and default of one file, in this order`
      : `${subpath} points to ${source || 'nothing'}, which does not exist`;
    return exists && shaped ? [] : [{ path, line: 1, message }];
  });
}
