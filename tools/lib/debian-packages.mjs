// Installs Debian's packages, where this is Debian and we are root; elsewhere it does nothing. That
// one of them brings a service does not start it: whoever wants it runs it himself.
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';

/**
 * A failure is not told here: whoever needs them says what is still missing.
 * @param {readonly string[]} names @param {string} purpose
 */
export function installDebian(names, purpose) {
  if (names.length === 0 || process.getuid?.() !== 0) return;
  if (spawnSync('apt-get', ['--version']).status !== 0) return;
  process.stderr.write(`installing ${names.join(' and ')} for ${purpose}\n`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  /** @type {import('node:child_process').SpawnSyncOptions} */
  const options = { env, stdio: ['ignore', 'ignore', 'inherit'] };
  withoutServices(() => {
    spawnSync('apt-get', ['update', '-qq'], options);
    spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...names], options);
  });
}

/** What Debian asks whether a package may start its service. */
const policy = '/usr/sbin/policy-rc.d';
const forbidden = 101;

/** @param {() => void} work */
function withoutServices(work) {
  if (existsSync(policy)) return work();
  writeFileSync(policy, `#!/bin/sh\nexit ${forbidden}\n`, { mode: 0o755 });
  try {
    work();
  } finally {
    rmSync(policy, { force: true });
  }
}
