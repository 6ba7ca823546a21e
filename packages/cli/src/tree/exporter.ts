// Writes configurations back as files, byte for byte. A file appears whole or not at all: it is
// written beside its place and moved there. No name leads out of the directory.
import { randomUUID } from 'node:crypto';
import { link, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { HoldfastError, messageOf } from '@holdfast/base/errors';
import type { ConfigApi } from '@holdfast/client/config-api';
import { makeDirectories } from '@holdfast/storage/node-disk';

import type { Progress } from './progress.ts';
import { prepareSafePath } from './safe-path.ts';
import { Tally } from './tally.ts';

export type ExportOptions = {
  readonly namespace: string;
  readonly group: string;
  readonly prefix: string;
  readonly directory: string;
  readonly overwrite: boolean;
  readonly concurrency: number;
};

export type ExportPorts = {
  readonly configs: Pick<ConfigApi, 'listAll' | 'get'>;
  readonly progress: Progress;
  readonly signal: AbortSignal;
};

export type ExportSummary = {
  readonly written: number;
  readonly bytes: number;
  readonly skipped: ReturnType<Tally['lines']>;
  readonly skippedCount: number;
};

export class Exporter {
  readonly #options: ExportOptions;
  readonly #ports: ExportPorts;
  readonly #skipped = new Tally();
  #written = 0;
  #bytes = 0;

  constructor(options: ExportOptions, ports: ExportPorts) {
    this.#options = options;
    this.#ports = ports;
  }

  get skipped(): Tally {
    return this.#skipped;
  }

  /** Rejects when the cluster or the disk fails; a name or a file in the way is counted. */
  async run(): Promise<ExportSummary> {
    const { namespace, group, prefix, directory, concurrency } = this.#options;
    await makeTarget(directory);
    const root = await realpath(directory);
    const { configs, signal } = this.#ports;
    const names = configs.listAll({ namespace, group, prefix, signal });
    const workers = Array.from({ length: concurrency }, () => this.#work(names, root));
    // A worker that fails ends the walk over the names, and with it the others: wait for all.
    for (const result of await Promise.allSettled(workers)) {
      if (result.status === 'rejected') throw result.reason;
    }
    return {
      written: this.#written,
      bytes: this.#bytes,
      skipped: this.#skipped.lines(),
      skippedCount: this.#skipped.count,
    };
  }

  async #work(names: AsyncGenerator<{ readonly name: string }>, root: string): Promise<void> {
    for await (const { name } of names) {
      await this.#write(name, root);
      this.#ports.progress.done(this.#written + this.#skipped.count, name);
    }
  }

  async #write(name: string, root: string): Promise<void> {
    const { namespace, group } = this.#options;
    const { signal } = this.#ports;
    const found = await this.#ports.configs.get({ namespace, group, name }, { signal });
    if (found === undefined) {
      this.#skipped.add('deleted meanwhile', name, 'it is no longer there');
      return;
    }
    try {
      const path = await prepareSafePath(root, name);
      await this.#place(path, found.content);
      this.#written += 1;
      this.#bytes += found.content.length;
    } catch (error) {
      const reason = reasonOf(error);
      const isInTheWay = reason === existsAlready;
      this.#skipped.add(reason, name, isInTheWay ? overwriteAdvice : messageOf(error));
    }
  }

  /**
   * A link, unlike a rename, fails where something stands already: no check that could be too
   * early.
   */
  async #place(path: string, content: Uint8Array): Promise<void> {
    const beside = join(dirname(path), `.holdfast-${randomUUID()}`);
    try {
      await writeFile(beside, content, { flag: 'wx' });
      if (this.#options.overwrite) await rename(beside, path);
      else await link(beside, path);
    } finally {
      await rm(beside, { force: true });
    }
  }
}

async function makeTarget(directory: string): Promise<void> {
  try {
    makeDirectories(directory);
  } catch (error) {
    if (!['EEXIST', 'ENOTDIR'].includes((error as { code?: string }).code ?? '')) throw error;
    throw new HoldfastError('invalid-argument', `${directory} is no directory`, {
      cause: error,
      details: { hint: 'a file stands there, or above it: name another place' },
    });
  }
}

const existsAlready = 'exists already';
const overwriteAdvice = 'the file is there; --overwrite replaces it';

/** What one name may suffer without ending the export; anything else does end it. */
function reasonOf(error: unknown): string {
  if (error instanceof HoldfastError) return 'unsafe name';
  switch ((error as { code?: string }).code) {
    case 'EEXIST':
      return existsAlready;
    case 'EISDIR':
    case 'ENOTDIR':
      return 'a file and a folder of one name';
    case 'ENAMETOOLONG':
      return 'name too long';
    case 'EACCES':
    case 'EPERM':
      return 'not writable';
    default:
      throw error;
  }
}
