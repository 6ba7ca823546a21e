// Runs one mutation in a process of its own, whose module loader gives it the broken texts. No file
// is changed. Owns the process, and tells how far it is.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { editText, type Mutation } from './mutation.ts';
import type { SearchResult } from './seed-search.ts';

export type Verdict = {
  readonly mutation: Mutation;
  /** Undefined: it survived. */
  readonly found: SearchResult | undefined;
  readonly seconds: number;
};

export type RunOptions = {
  readonly seedsMax: number;
  readonly onSeed?: (seed: number) => void;
};

const root = fileURLToPath(new URL('../../', import.meta.url));
/** A seed that takes longer than this has hung: what the broken member does never ends. */
const seedMs = 60_000;

/** Throws where a text to replace is not there. */
export async function runMutation(mutation: Mutation, options: RunOptions): Promise<Verdict> {
  for (const edit of mutation.edits) editText(readFileSync(root + edit.file, 'utf8'), edit);
  const startMs = performance.now();
  const found = await search(mutation, options);
  return { mutation, found, seconds: (performance.now() - startMs) / 1000 };
}

/** Cores alone see only their own mutations; whole members see all. */
const worldsOf = ({ edits }: Mutation): readonly string[] =>
  edits.every(({ file }) => file.startsWith('packages/raft/')) ? ['raft', 'cluster'] : ['cluster'];

function search(mutation: Mutation, { seedsMax, onSeed }: RunOptions): Promise<Verdict['found']> {
  const edits = mutation.edits.map((edit) => ({ ...edit, file: root + edit.file }));
  const child = spawn(process.execPath, commandOf(mutation, seedsMax), {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, HOLDFAST_EDITS: JSON.stringify(edits) },
  });
  let seed = 0;
  let isHung = false;
  let last: { readonly found?: SearchResult | null } = {};
  let errors = '';
  const hung = (): void => {
    isHung = true;
    child.kill('SIGKILL');
  };
  let timer = setTimeout(hung, seedMs);
  createInterface({ input: child.stdout }).on('line', (line) => {
    clearTimeout(timer);
    timer = setTimeout(hung, seedMs);
    last = JSON.parse(line);
    seed += 1;
    if (last.found === undefined) onSeed?.(seed);
  });
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', () => {
      clearTimeout(timer);
      if (isHung) resolve({ seed: seed + 1, world: 'cluster', judge: 'no end', message: '' });
      else if (last.found === undefined) reject(new Error(`${mutation.name}: ${errors}`));
      else resolve(last.found ?? undefined);
    });
  });
}

const commandOf = (mutation: Mutation, seedsMax: number): string[] => [
  '--conditions',
  'holdfast-source',
  '--import',
  './tools/mutations/register-hook.mjs',
  '--import',
  'tsx',
  'tools/mutations/seed-search.ts',
  String(seedsMax),
  ...worldsOf(mutation),
];
