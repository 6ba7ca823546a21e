// etcd, as Debian packages it (etcd-server).
import { spawnSync } from 'node:child_process';

import { StatusRequest, StatusResponse } from '@holdfast/proto/etcd';

import { compactAll } from './etcd-compaction.ts';
import { callUnary } from './grpc-unary.ts';
import type { Command, MemberPlan, PeerSystem, Role } from './peer-system.ts';

/** A bench writes more than the two gigabytes at which etcd would refuse to go on. */
const quotaBytes = 64 * 2 ** 30;

export class EtcdSystem implements PeerSystem {
  readonly name = 'etcd';

  version(): string | undefined {
    const { status, stdout } = spawnSync('etcd', ['--version'], { encoding: 'utf8' });
    return status === 0 ? /etcd Version: (\S+)/.exec(stdout)?.[1] : undefined;
  }

  async prepare(): Promise<void> {
    // All is said in its command.
  }

  command(plan: MemberPlan, all: readonly MemberPlan[]): Command {
    const [client, peer] = [`http://${plan.client}`, `http://${plan.peer}`];
    const cluster = all.map(({ name, peer: of }) => `${name}=http://${of}`).join(',');
    return {
      program: 'etcd',
      args: [
        ...['--name', plan.name, '--data-dir', plan.data, '--logger', 'zap'],
        ...['--listen-client-urls', client, '--advertise-client-urls', client],
        ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
        ...['--initial-cluster', cluster],
        ...['--quota-backend-bytes', String(quotaBytes)],
      ],
    };
  }

  async role(plan: MemberPlan): Promise<Role | undefined> {
    try {
      const { header, leader } = await callUnary({
        endpoint: plan.client,
        path: '/etcdserverpb.Maintenance/Status',
        codecs: [StatusRequest, StatusResponse],
        request: {},
      });
      if (leader === 0n) return undefined;
      return leader === header?.memberId ? 'leader' : 'follower';
    } catch {
      return undefined; // Not listening yet.
    }
  }

  async compact(plan: MemberPlan): Promise<void> {
    await compactAll(plan.client);
  }
}
