// The import table: which room may import which, and where the system may be touched. It is checked
// against package.json, tsconfig.json, every import, and the table of ARCHITECTURE.md.

export type Room = {
  readonly level: 0 | 1 | 2 | 3 | 4;
  /** Upper bound of the package's dependencies. */
  readonly mayImport: readonly string[];
  /** Of these only types may be imported. */
  readonly typesOnly: readonly string[];
  /** Files (by name in `src`) that may touch Node's built-ins, the clock and randomness; or all. */
  readonly adapters: readonly string[] | 'all';
};

const pure = { typesOnly: [], adapters: [] } as const;
const levels01 = ['base', 'proto', 'raft', 'domain'];
const levels0to2 = [...levels01, 'storage', 'mvcc', 'transport', 'replica'];

export const rooms: Readonly<Record<string, Room>> = {
  base: {
    level: 0,
    mayImport: [],
    typesOnly: [],
    adapters: ['system-clock.ts', 'system-random.ts'],
  },
  proto: { ...pure, level: 0, mayImport: [] },
  raft: { ...pure, level: 1, mayImport: ['base'] },
  domain: { ...pure, level: 1, mayImport: ['base', 'proto'], typesOnly: ['proto'] },
  storage: { ...pure, level: 2, mayImport: ['base', 'raft'], adapters: ['node-disk.ts'] },
  mvcc: { ...pure, level: 2, mayImport: ['base', 'proto'] },
  transport: {
    ...pure,
    level: 2,
    mayImport: ['base', 'proto'],
    adapters: ['tcp-link.ts', 'tls-link.ts', 'pending-link.ts', 'certificate-maker.ts'],
  },
  replica: { ...pure, level: 2, mayImport: ['base', 'raft', 'proto'] },
  engine: { ...pure, level: 3, mayImport: levels0to2 },
  client: {
    level: 3,
    mayImport: ['base', 'proto', 'domain', 'transport'],
    typesOnly: [],
    adapters: 'all',
  },
  server: { level: 4, mayImport: [...levels0to2, 'engine'], typesOnly: [], adapters: 'all' },
  simulator: {
    level: 4,
    mayImport: [...levels0to2, 'engine', 'client'],
    typesOnly: [],
    adapters: ['main.ts'],
  },
  cli: {
    level: 4,
    mayImport: [...levels0to2, 'engine', 'client', 'server', 'simulator'],
    typesOnly: [],
    adapters: 'all',
  },
};

/** Whether the file is one of those that meet the system; an adapter's test meets it as well. */
export function isAdapter(path: string): boolean {
  const match = /^packages\/([^/]+)\/src\/(.+)$/.exec(path);
  if (!match) return true;
  const adapters = rooms[match[1] as string]?.adapters ?? [];
  if (adapters === 'all') return true;
  return adapters.includes((match[2] as string).replace(/\.test\.ts$/, '.ts'));
}
