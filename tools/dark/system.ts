// The commands that build and change a rig. Each ends by itself; one that fails says what it said.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { parseNamespaces } from './names.ts';

export function run(command: string, args: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    let [out, err] = ['', ''];
    child.stdout.on('data', (chunk) => {
      out += chunk;
    });
    child.stderr.on('data', (chunk) => {
      err += chunk;
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(out);
      else reject(new Error(`${command} ${args.join(' ')} ended with ${code}: ${err}${input}`));
    });
    child.stdin.on('error', () => undefined); // It ended without reading, and says so by its code.
    child.stdin.end(input);
  });
}

/** In the host's namespace where none is named. */
export function ipBatch(lines: readonly string[], namespace?: string): Promise<string> {
  const where = namespace === undefined ? [] : ['-n', namespace];
  return run('ip', [...where, '-batch', '-'], `${lines.join('\n')}\n`);
}

export const inNamespace = (namespace: string, command: readonly string[], input?: string) =>
  run('ip', ['netns', 'exec', namespace, ...command], input);

export const listNamespaces = async (): Promise<readonly string[]> =>
  parseNamespaces(await run('ip', ['netns', 'list']));

/** Ends whatever runs in these namespaces, frozen or not, and removes them. */
export async function removeNamespaces(namespaces: readonly string[]): Promise<void> {
  for (const namespace of namespaces) {
    try {
      const pids = (await run('ip', ['netns', 'pids', namespace])).split('\n').filter(Boolean);
      for (const pid of pids) endProcess(Number(pid));
      await run('ip', ['netns', 'delete', namespace]);
    } catch (error) {
      // Another run may be removing the same stale ones.
      if ((await listNamespaces()).includes(namespace)) throw error;
    }
  }
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended between the list and the signal.
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Stops a process as a paused machine does; resolves when the kernel says that it stands. */
export async function freeze(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  for (let state = stateOf(pid); state !== 'T'; state = stateOf(pid)) {
    if (state === 'Z') throw new Error(`process ${pid} has ended`);
    await delay(1);
  }
}

export const wake = (pid: number): boolean => process.kill(pid, 'SIGCONT');

/** The letter after the command's name, which may itself hold brackets. Throws once it is gone. */
function stateOf(pid: number): string | undefined {
  const status = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return status.slice(status.lastIndexOf(')') + 2)[0];
}

/** Milliseconds of the clock that all processes of this machine share. */
export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;
