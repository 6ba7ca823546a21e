// No import circles, type imports included, inside a package and across packages.
import type { House } from '../house.ts';
import type { Finding, Rule } from '../rule.ts';
import { resolveImport } from './resolve.ts';

const file = (imports: string): string =>
  `import type { T } from '${imports}';\nexport type U = T;`;

export const circles: Rule = {
  name: 'circles',
  reason: 'Files in a circle can only be understood, tested and replaced together.',
  check: findCircles,
  bad: [
    { 'packages/raft/src/a.ts': file('./b.ts'), 'packages/raft/src/b.ts': file('./a.ts') },
    {
      'packages/raft/src/a.ts': file('./b.ts'),
      'packages/raft/src/b.ts': file('./sub/c.ts'),
      'packages/raft/src/sub/c.ts': file('../a.ts'),
    },
  ],
  good: [{ 'packages/raft/src/a.ts': file('./b.ts'), 'packages/raft/src/b.ts': '' }],
};

function findCircles(house: House): Finding[] {
  const graph = new Map<string, readonly string[]>();
  for (const { path } of house.modules) graph.set(path, importedFiles(house, path));
  return circlesOf(graph).map((members) => ({
    path: members[0] as string,
    line: 1,
    message: `circle: ${members.join(' -> ')} -> ${members[0]}`,
  }));
}

function importedFiles(house: House, path: string): string[] {
  return house
    .parsed(path)
    .imports.map((each) => resolveImport(house, path, each))
    .flatMap((target) => ('path' in target && target.path !== undefined ? [target.path] : []));
}

/** Each circle once, found by a depth-first walk that remembers its way. */
function circlesOf(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const circles: string[][] = [];
  const done = new Set<string>();
  const way: string[] = [];
  const visit = (path: string): void => {
    const at = way.indexOf(path);
    if (at >= 0) circles.push(way.slice(at));
    if (at >= 0 || done.has(path)) return;
    way.push(path);
    for (const next of graph.get(path) ?? []) visit(next);
    way.pop();
    done.add(path);
  };
  for (const path of graph.keys()) visit(path);
  return circles;
}
