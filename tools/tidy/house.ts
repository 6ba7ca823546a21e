// The repository as the rules see it: text files by path, parsed on demand, and the packages they
// belong to. Made from a plain map, so that a rule's bad sample is a house of one or two files.
import { type ParsedSource, parseSource } from './source.ts';

export type Manifest = {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly exports?: Readonly<Record<string, Readonly<Record<string, string>>>>;
};

/** A package of `packages/`; `room` is its folder's name, `holdfastDependencies` are rooms too. */
export type Package = {
  readonly room: string;
  readonly manifest: Manifest;
  readonly roomDependencies: readonly string[];
};

export type TextFile = { readonly path: string; readonly text: string };

const generated = /^packages\/proto\/src\/generated\//;
const roomOfPath = /^packages\/([^/]+)\//;

export class House {
  readonly files: readonly TextFile[];
  readonly packages: readonly Package[];
  readonly #byPath: ReadonlyMap<string, TextFile>;
  readonly #parsed = new Map<string, ParsedSource>();

  constructor(texts: Readonly<Record<string, string>>) {
    this.files = Object.entries(texts).map(([path, text]) => ({ path, text }));
    this.#byPath = new Map(this.files.map((file) => [file.path, file]));
    const rooms = this.files.filter(({ path }) => /^packages\/[^/]+\/package\.json$/.test(path));
    this.packages = rooms.map(toPackage);
  }

  has(path: string): boolean {
    return this.#byPath.has(path);
  }

  textOf(path: string): string | undefined {
    return this.#byPath.get(path)?.text;
  }

  /** What people wrote in TypeScript or JavaScript: everything that rules about code look at. */
  get sources(): readonly TextFile[] {
    return this.files.filter(({ path }) => /\.(ts|mjs|js)$/.test(path) && !generated.test(path));
  }

  /** TypeScript of the packages, generated files included: what imports and is imported. */
  get modules(): readonly TextFile[] {
    return this.files.filter(({ path }) => /^packages\/[^/]+\/src\/.*\.ts$/.test(path));
  }

  /** The modules that people wrote. */
  get writtenModules(): readonly TextFile[] {
    return this.modules.filter(({ path }) => !generated.test(path));
  }

  parsed(path: string): ParsedSource {
    const known = this.#parsed.get(path);
    if (known) return known;
    const fresh = parseSource(path, this.textOf(path) ?? '');
    this.#parsed.set(path, fresh);
    return fresh;
  }

  packageOf(path: string): Package | undefined {
    const room = roomOf(path);
    return this.packages.find((candidate) => candidate.room === room);
  }
}

/** The room that a path lies in, or undefined for the repository's own files. */
export const roomOf = (path: string): string | undefined => roomOfPath.exec(path)?.[1];

/** Tests, and the contract suites that several tests run. */
export const isTest = (path: string): boolean =>
  /\.(test|contract)\.ts$/.test(path) || path.startsWith('tests/');

/** `@holdfast/base` and `holdfast` (the command) are rooms; anything else comes from outside. */
export function roomOfPackageName(name: string): string | undefined {
  if (name === 'holdfast') return 'cli';
  return name.startsWith('@holdfast/') ? name.slice('@holdfast/'.length) : undefined;
}

function toPackage({ path, text }: TextFile): Package {
  const manifest = JSON.parse(text) as Manifest;
  const roomDependencies = Object.keys(manifest.dependencies ?? {})
    .map(roomOfPackageName)
    .filter((room) => room !== undefined);
  return { room: roomOf(path) ?? '', manifest, roomDependencies };
}
