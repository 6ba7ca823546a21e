// Where an import leads inside the repository, by the same doors that TypeScript uses: relative
// paths with `.ts`, and the `holdfast-source` condition of a package's exports.
import { posix } from 'node:path';
import { type House, roomOfPackageName } from '../house.ts';
import type { Import } from '../source.ts';

export type Target =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'door'; readonly room: string; readonly subpath: string; path?: string }
  | { readonly kind: 'builtin'; readonly name: string }
  | { readonly kind: 'external'; readonly name: string };

export function resolveImport(house: House, from: string, { specifier }: Import): Target {
  if (specifier.startsWith('.')) {
    return { kind: 'file', path: posix.join(posix.dirname(from), specifier) };
  }
  if (specifier.startsWith('node:')) return { kind: 'builtin', name: specifier };
  const name = packageNameOf(specifier);
  const room = roomOfPackageName(name);
  if (room === undefined) return { kind: 'external', name };
  const subpath = `.${specifier.slice(name.length)}`;
  const owner = house.packages.find((candidate) => candidate.room === room);
  const source = owner?.manifest.exports?.[subpath]?.['holdfast-source'];
  if (source === undefined) return { kind: 'door', room, subpath };
  return { kind: 'door', room, subpath, path: posix.join('packages', room, source) };
}

function packageNameOf(specifier: string): string {
  const parts = specifier.split('/');
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] as string);
}
