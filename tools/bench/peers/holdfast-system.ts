// Holdfast, as this checkout has built it, with the settings that it has by default.
import { readFileSync } from 'node:fs';

import { holdfastCommand, holdfastFlags } from '../bench-cluster.ts';
import { compactAll } from './etcd-compaction.ts';
import type { Command, MemberPlan, PeerSystem, Role } from './peer-system.ts';

export class HoldfastSystem implements PeerSystem {
  readonly name = 'holdfast';

  version(): string {
    const manifest = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
    const { version } = JSON.parse(manifest) as { readonly version: string };
    return `${version} on Node ${process.versions.node}`;
  }

  async prepare(): Promise<void> {
    // All is said in its command.
  }

  command(plan: MemberPlan, all: readonly MemberPlan[]): Command {
    const cluster = all.map(({ name, peer }) => `${name}=${peer}`).join(',');
    return {
      program: process.execPath,
      args: [
        ...[
          ...holdfastFlags,
          holdfastCommand,
          'start',
          '--name',
          plan.name,
          '--data-dir',
          plan.data,
        ],
        ...['--listen-client', plan.client, '--listen-peer', plan.peer],
        ...['--initial-cluster', cluster],
      ],
    };
  }

  async role(plan: MemberPlan): Promise<Role | undefined> {
    try {
      if (!(await fetch(`http://${plan.client}/readyz`)).ok) return undefined;
      const answer = await fetch(`http://${plan.client}/v1/cluster`);
      const { role } = (await answer.json()) as { readonly role: string };
      return role === 'leader' ? 'leader' : 'follower';
    } catch {
      return undefined; // Not listening yet.
    }
  }

  async compact(plan: MemberPlan): Promise<void> {
    await compactAll(plan.client);
  }
}
