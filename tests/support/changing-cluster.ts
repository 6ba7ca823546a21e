// A cluster of real processes to which machines come, and from which they go.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  freePorts,
  type MemberPlace,
  ProcessCluster,
  ProcessMember,
  placeArgs,
} from './process-cluster.ts';

export type MemberRow = {
  readonly name: string;
  readonly role: string;
  readonly reachable: boolean;
  readonly peerAddresses: readonly string[];
};

export class ChangingCluster extends ProcessCluster {
  /** The same list; whoever joined stands there, and whoever was removed stays. */
  readonly #all: ProcessMember[];

  private constructor(root: string, members: ProcessMember[]) {
    super(root, members);
    this.#all = members;
  }

  static override async layOut(
    size: number,
    flags: readonly string[] = [],
  ): Promise<ChangingCluster> {
    const { root, members } = await ProcessCluster.layOut(size, flags);
    return new ChangingCluster(root, [...members]);
  }

  static override async start(
    size: number,
    flags: readonly string[] = [],
  ): Promise<ChangingCluster> {
    const { root, members } = await ProcessCluster.start(size, flags);
    return new ChangingCluster(root, [...members]);
  }

  /** The process of a machine that asks `via` to be taken in; not awaited. */
  async join(
    name: string,
    via: ProcessMember,
    flags: readonly string[] = [],
  ): Promise<ProcessMember> {
    const place = await this.place(name);
    const member = new ProcessMember(place, [
      ...placeArgs(place),
      '--join',
      via.place.client,
      ...flags,
    ]);
    this.#all.push(member);
    member.start();
    return member;
  }

  /** A new directory, and ports of its own. */
  async place(name: string): Promise<MemberPlace> {
    const [client, peer] = await freePorts(2);
    const dataDir = join(this.root, name, 'data');
    mkdirSync(dataDir, { recursive: true });
    return { name, client: `127.0.0.1:${client}`, peer: `127.0.0.1:${peer}`, dataDir };
  }
}

/** As that member sees them. */
export async function rowsAt(member: ProcessMember): Promise<readonly MemberRow[]> {
  const answer = await member.get('/v1/cluster', 1000);
  return ((await answer.json()) as { readonly members: readonly MemberRow[] }).members;
}

/** Status and body of a change that was asked for. */
export async function change(
  member: ProcessMember,
  changes: { readonly remove?: readonly string[]; readonly promote?: readonly string[] },
): Promise<{ readonly status: number; readonly detail: string; readonly code: string }> {
  const answer = await fetch(`${member.url}/v1/members/changes`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(changes),
    signal: AbortSignal.timeout(20_000),
  });
  const { detail = '', code = '' } = (await answer.json()) as { detail?: string; code?: string };
  return { status: answer.status, detail, code };
}
