// A cluster of real processes on loopback, with real disks under a temporary folder: started with
// the command that users start it with, ended by SIGKILL as the operating system would. Everything
// it started is ended, and everything it wrote is removed, by its dispose.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

export const holdfastBin = new URL('../../packages/cli/bin/holdfast.js', import.meta.url).pathname;

export type MemberPlace = {
  readonly name: string;
  readonly client: string;
  readonly peer: string;
  readonly dataDir: string;
};

export type Exit = { readonly code: number | null; readonly signal: string | null };

export class ProcessMember {
  readonly place: MemberPlace;
  readonly #args: readonly string[];
  #child: ChildProcess | undefined;
  #exited: Promise<Exit> | undefined;

  constructor(place: MemberPlace, args: readonly string[]) {
    this.place = place;
    this.#args = args;
  }

  get url(): string {
    return `http://${this.place.client}`;
  }

  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error(`${this.place.name} is not running`);
    return pid;
  }

  /** What the member wrote to its log so far. */
  get log(): string {
    return readFileSync(this.#logPath, 'utf8');
  }

  start(extra: readonly string[] = []): void {
    // Standard input is the lifeline: should this test process vanish, the member ends by itself.
    const child = this.launch([holdfastBin, ...this.#args, '--end-with-parent', ...extra]);
    child.stdin?.on('error', () => undefined); // A killed member has no use for it.
    const log = createWriteStream(this.#logPath, { flags: 'a' });
    child.stdout?.pipe(log, { end: false });
    child.stderr?.pipe(log, { end: false });
    this.#child = child;
    this.#exited = once(child, 'exit').then(([code, signal]) => {
      this.#child = undefined;
      return { code, signal } as Exit;
    });
  }

  /** Runs Node with pipes for its input and output; another kind of cluster has another place. */
  protected launch(args: readonly string[]): ChildProcess {
    return spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  }

  /** Power off for the process alone: no shutdown, no last word. */
  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL');
    await this.#exited;
  }

  async stop(): Promise<Exit | undefined> {
    this.#child?.kill('SIGTERM');
    return await this.#exited;
  }

  exited(): Promise<Exit> {
    if (!this.#exited) throw new Error(`${this.place.name} was never started`);
    return this.#exited;
  }

  get(path: string, timeoutMs = 5000): Promise<Response> {
    return fetch(`${this.url}${path}`, { signal: AbortSignal.timeout(timeoutMs) });
  }

  put(path: string, body: string | Uint8Array, timeoutMs = 5000): Promise<Response> {
    return fetch(`${this.url}${path}`, {
      method: 'PUT',
      body,
      headers: { 'content-type': 'application/octet-stream' },
      signal: AbortSignal.timeout(timeoutMs),
    });
  }

  async isReady(): Promise<boolean> {
    try {
      return (await this.get('/readyz', 1000)).ok;
    } catch {
      return false; // Not listening yet is not ready.
    }
  }

  get #logPath(): string {
    return join(this.place.dataDir, '..', `${this.place.name}.log`);
  }
}

export class ProcessCluster implements AsyncDisposable {
  readonly root: string;
  readonly members: readonly ProcessMember[];

  protected constructor(root: string, members: readonly ProcessMember[]) {
    this.root = root;
    this.members = members;
  }

  /** Lays a cluster out; nothing runs yet. */
  static async layOut(size: number, flags: readonly string[] = []): Promise<ProcessCluster> {
    const root = mkdtempSync(join(tmpdir(), 'holdfast-e2e-'));
    const ports = await freePorts(size * 2);
    const places = Array.from({ length: size }, (_, at): MemberPlace => {
      const dataDir = join(root, `n${at + 1}`, 'data');
      mkdirSync(dataDir, { recursive: true });
      const [client, peer] = [ports[at * 2], ports[at * 2 + 1]];
      return {
        name: `n${at + 1}`,
        client: `127.0.0.1:${client}`,
        peer: `127.0.0.1:${peer}`,
        dataDir,
      };
    });
    const initial = places.map(({ name, peer }) => `${name}=${peer}`).join(',');
    const members = places.map(
      (place) => new ProcessMember(place, [...startArgs(place, initial), ...flags]),
    );
    return new ProcessCluster(root, members);
  }

  static async start(size: number, flags: readonly string[] = []): Promise<ProcessCluster> {
    const cluster = await ProcessCluster.layOut(size, flags);
    await cluster.startAll();
    return cluster;
  }

  /** All serve when resolved; where one can not, nothing is left running. */
  async startAll(): Promise<void> {
    try {
      for (const member of this.members) member.start();
      await this.ready();
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error;
    }
  }

  get running(): readonly ProcessMember[] {
    return this.members.filter((member) => member.isRunning);
  }

  get endpoints(): readonly string[] {
    return this.members.map((member) => member.place.client);
  }

  /** Until every running member serves. */
  async ready(timeoutMs = 30_000): Promise<void> {
    await until(
      async () => {
        const ready = await Promise.all(this.running.map((member) => member.isReady()));
        return ready.every(Boolean);
      },
      { timeoutMs, what: () => `all members ready; logs:\n${this.logs()}` },
    );
  }

  /** The member that leads, as the first of these sees it that can say. */
  async leader(timeoutMs = 10_000, asked = this.running): Promise<ProcessMember> {
    let found: ProcessMember | undefined;
    await until(
      async () => {
        found = await this.#findLeader(asked);
        return found !== undefined;
      },
      { timeoutMs, what: () => `a leader; logs:\n${this.logs()}` },
    );
    return found as ProcessMember;
  }

  async #findLeader(asked: readonly ProcessMember[]): Promise<ProcessMember | undefined> {
    for (const member of asked) {
      try {
        const view = (await (await member.get('/v1/cluster', 1000)).json()) as ClusterView;
        const leader = view.members.find((one) => one.role === 'leader');
        const found = this.running.find((one) => one.place.name === leader?.name);
        if (found) return found;
      } catch {
        // A member that just ended cannot say; the next one can.
      }
    }
    return undefined;
  }

  /** The last lines of every member's log, for a failing test. */
  logs(lines = 15): string {
    return this.members
      .map(
        (member) => `--- ${member.place.name}\n${member.log.split('\n').slice(-lines).join('\n')}`,
      )
      .join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.running.map((member) => member.kill()));
    rmSync(this.root, { recursive: true, force: true });
  }
}

type ClusterView = {
  readonly members: readonly { readonly name: string; readonly role: string }[];
};

export const placeArgs = (place: MemberPlace): readonly string[] => [
  'start',
  ...['--name', place.name],
  ...['--data-dir', place.dataDir],
  ...['--listen-client', place.client],
  ...['--listen-peer', place.peer],
];

export const startArgs = (place: MemberPlace, initial: string): readonly string[] => [
  ...placeArgs(place),
  ...['--initial-cluster', initial],
];

export async function until(
  condition: () => Promise<boolean>,
  options: { readonly timeoutMs: number; readonly what: () => string; readonly everyMs?: number },
): Promise<void> {
  const endMs = performance.now() + options.timeoutMs;
  while (!(await condition())) {
    if (performance.now() > endMs) {
      throw new Error(`waited ${options.timeoutMs} ms in vain for ${options.what()}`);
    }
    await delay(options.everyMs ?? 50);
  }
}

/** Ports that nobody listens on just now, all different. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(
    servers.map((server) => {
      server.close();
      return once(server, 'close');
    }),
  );
  return ports;
}

/** Runs the command line to its end. */
export async function holdfast(
  args: readonly string[],
  options: { readonly timeoutMs?: number } = {},
): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }> {
  const child = spawn(process.execPath, [holdfastBin, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: options.timeoutMs ?? 60_000,
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    err += chunk;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, err };
}
