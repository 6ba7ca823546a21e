// Where mistakes are made: a running cluster of three real processes, and what an operator has at
// hand there. Every mistake leaves it as it found it, or mends it.
import { cpSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ChangingCluster } from '../changing-cluster.ts';
import {
  holdfast,
  type MemberPlace,
  type ProcessMember,
  placeArgs,
  until,
} from '../process-cluster.ts';

export type Mistake = {
  /** What the operator did. */
  readonly did: string;
  /** What becomes of it, for the document. */
  readonly becomes: string;
  /** What stands in the sentence each time. */
  readonly says: RegExp;
  /** Does it, and answers the text that the sentence stands in. */
  readonly make: (scene: Scene) => Promise<string>;
};

type Three = readonly [ProcessMember, ProcessMember, ProcessMember];

export class Scene {
  readonly cluster: ChangingCluster;
  #places = 0;

  constructor(cluster: ChangingCluster) {
    this.cluster = cluster;
  }

  /** The founders, whoever has joined since. */
  get members(): Three {
    return this.cluster.members.slice(0, 3) as unknown as Three;
  }

  async followers(): Promise<readonly [ProcessMember, ProcessMember]> {
    const leader = await this.cluster.leader();
    return this.members.filter((one) => one !== leader) as [ProcessMember, ProcessMember];
  }

  get initialCluster(): string {
    return this.members.map(({ place }) => `${place.name}=${place.peer}`).join(',');
  }

  path(name: string): string {
    return join(this.cluster.root, name);
  }

  newPlace(): Promise<MemberPlace> {
    this.#places += 1;
    return this.cluster.place(`alone-${this.#places}`);
  }

  /** What a start that is refused has said; a single member's, but for these flags. */
  async startAlone(flags: Readonly<Record<string, string>>): Promise<string> {
    const place = { ...(await this.newPlace()), name: 'alone' };
    const founding = 'join' in flags ? {} : { 'initial-cluster': `alone=${place.peer}` };
    const given = Object.entries({ ...founding, ...flags }).flatMap(([name, value]) => [
      `--${name}`,
      value,
    ]);
    return await this.refused(...placeArgs(place), ...given);
  }

  /** What a command that fails has said. */
  async refused(...args: readonly string[]): Promise<string> {
    const { code, out, err } = await holdfast(args, { timeoutMs: 40_000 });
    if (code === 0) throw new Error(`${args.join(' ')} was not refused:\n${out}${err}`);
    return `${out}\n${err}`;
  }

  /** The same, of a command that asks the cluster. */
  asked(...args: readonly string[]): Promise<string> {
    return this.refused(...args, '--endpoints', this.members[0].place.client);
  }

  /** Something is done to a member while it is down; then it runs again, and serves. */
  async whileDown<T>(member: ProcessMember, work: () => Promise<T> | T): Promise<T> {
    await member.kill();
    const done = await work();
    member.start();
    await this.cluster.ready();
    return done;
  }

  /** Something is done to its directory; then the directory is as it was. */
  async whileSpoilt<T>(member: ProcessMember, work: () => Promise<T>): Promise<T> {
    const { dataDir } = member.place;
    return await this.whileDown(member, async () => {
      copyDirectory(dataDir, `${dataDir}.kept`);
      const done = await work();
      await member.kill();
      rmSync(dataDir, { recursive: true });
      renameSync(`${dataDir}.kept`, dataDir);
      return done;
    });
  }

  /** The line of its log that says this, once it does. */
  async hears(member: ProcessMember, says: RegExp): Promise<string> {
    const found = (): string | undefined =>
      logOf(member)
        .split('\n')
        .findLast((line) => says.test(line));
    await until(() => Promise.resolve(found() !== undefined), {
      timeoutMs: 20_000,
      what: () => `${says}\n${logOf(member)}`,
    });
    return found() ?? '';
  }
}

/** Nothing as long as it has written nothing. */
export function logOf(member: ProcessMember): string {
  try {
    return member.log;
  } catch {
    return '';
  }
}

/** Without what belongs to the process that lives there. */
export function copyDirectory(from: string, to: string): void {
  cpSync(from, to, { recursive: true, filter: (path) => !/\/(lock|pid)$/.test(path) });
}
