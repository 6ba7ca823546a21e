// Three members of etcd itself, as Debian packages it, on loopback: what its programs print there
// is what they have to print here. Everything is ended and removed by its dispose.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { freePorts, until } from '../process-cluster.ts';
import { Etcdctl } from './etcdctl.ts';

export class EtcdCluster implements AsyncDisposable {
  readonly endpoints: readonly string[];
  readonly #root: string;
  readonly #members: readonly ChildProcess[];

  private constructor(root: string, endpoints: readonly string[], members: ChildProcess[]) {
    this.#root = root;
    this.endpoints = endpoints;
    this.#members = members;
  }

  static async start(size: number): Promise<EtcdCluster> {
    const root = mkdtempSync(join(tmpdir(), 'holdfast-etcd-'));
    const ports = await freePorts(size * 2);
    const places = Array.from({ length: size }, (_, at) => ({
      name: `n${at + 1}`,
      client: `127.0.0.1:${ports[at * 2]}`,
      peer: `http://127.0.0.1:${ports[at * 2 + 1]}`,
    }));
    const all = places.map(({ name, peer }) => `${name}=${peer}`).join(',');
    const members = places.map(({ name, client, peer }) => {
      const url = `http://${client}`;
      const args = [
        ...['--name', name, '--data-dir', join(root, name), '--logger', 'zap'],
        ...['--listen-client-urls', url, '--advertise-client-urls', url],
        ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
        ...['--initial-cluster', all],
      ];
      const child = spawn('etcd', args, { stdio: ['ignore', 'ignore', 'pipe'] });
      child.stderr?.pipe(createWriteStream(join(root, `${name}.log`)));
      return child;
    });
    const cluster = new EtcdCluster(
      root,
      places.map(({ client }) => client),
      members,
    );
    await cluster.#ready();
    return cluster;
  }

  async #ready(): Promise<void> {
    const etcdctl = new Etcdctl(this.endpoints);
    try {
      await until(async () => (await etcdctl.run(['endpoint', 'health'])).code === 0, {
        timeoutMs: 30_000,
        what: () => 'three members of etcd',
      });
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#members.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        child.kill('SIGKILL');
        await once(child, 'exit');
      }),
    );
    rmSync(this.#root, { recursive: true, force: true });
  }
}
