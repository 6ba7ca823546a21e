// What a fresh clone needs before anything of it can run: the right Node, the dependencies, the
// build. Plain JavaScript on Node's built-ins, because it runs before either is there.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const root = resolve(import.meta.dirname, '../..');
export const binary = join(root, 'packages/cli/bin/holdfast.js');

/** Of Node, as the command asks for them when it is run by its name. */
export function commandFlags() {
  const [first = ''] = readFileSync(binary, 'utf8').split('\n');
  return first.split(' ').filter((word) => word.startsWith('--'));
}

const lockPath = join(root, 'package-lock.json');
const installedPath = join(root, 'node_modules/.package-lock.json');
const stampPath = join(root, 'node_modules/.holdfast-installed');

/** Ends the process with a sentence when this Node is older than package.json allows. */
export function requireNode() {
  const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const [major = 0, minor = 0] = String(engines.node).replace('>=', '').split('.').map(Number);
  const [ownMajor = 0, ownMinor = 0] = process.versions.node.split('.').map(Number);
  if (ownMajor > major || (ownMajor === major && ownMinor >= minor)) return;
  process.stderr.write(`Holdfast needs Node ${engines.node}; this is ${process.versions.node}.\n`);
  process.exit(1);
}

/** Whether node_modules holds what package-lock.json asks for. */
export function isInstalled() {
  if (!existsSync(installedPath)) return false;
  if (existsSync(stampPath)) return readFileSync(stampPath, 'utf8') === lockDigest();
  return statSync(installedPath).mtimeMs >= statSync(lockPath).mtimeMs;
}

/**
 * Installs what is missing; the lock is not changed by it.
 * @returns {boolean} false when npm failed, which it has explained itself.
 */
export function install() {
  // The npm that runs this script, if one does: a plain `npm` may be another one.
  const npm = process.env.npm_execpath;
  const [command, first] = npm ? [process.execPath, [npm]] : ['npm', []];
  const args = [...first, 'install', '--no-audit', '--no-fund'];
  const { status } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (status === 0) writeFileSync(stampPath, lockDigest());
  return status === 0;
}

const lockDigest = () => createHash('sha256').update(readFileSync(lockPath)).digest('hex');

/**
 * The path of a tool's script below node_modules, to be run by this very Node.
 * @param {string} path
 */
export const tool = (path) => join(root, 'node_modules', path);

export const buildCommand = () => [process.execPath, tool('typescript/bin/tsc'), '-b'];
