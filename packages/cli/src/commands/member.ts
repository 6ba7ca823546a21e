// `holdfast member list`: who belongs to the cluster, as the asked member sees it.
import type { ClusterMember } from '@holdfast/client/cluster-api';
import type { Command } from 'commander';

import { type CliContext, withClient, writeJson } from '../context.ts';
import { renderTable } from '../table.ts';
import type { Terminal } from '../terminal.ts';

export function addMemberCommands(program: Command, context: CliContext): void {
  program
    .command('member')
    .description("the cluster's members")
    .command('list')
    .alias('ls')
    .description('list them, with role and reachability')
    .addHelpText('after', '\nExample:\n  holdfast member list --endpoints 10.0.0.1:4653\n')
    .action(async (_options: unknown, command: Command) => {
      await withClient(context, command, async ({ cluster }, globals) => {
        const { members } = await cluster.view({ signal: context.signal });
        if (globals.output === 'json') await writeJson(context, members);
        else await context.terminal.out(memberTable(members, context.terminal));
      });
    });
}

export function memberTable(members: readonly ClusterMember[], terminal: Terminal): string {
  return renderTable(
    terminal,
    ['name', 'id', 'role', 'state', 'lag', 'client address', 'peer address'],
    members.map((member) => [
      member.name,
      member.id,
      member.role,
      member.reachable ? 'reachable' : 'unreachable',
      member.lag ?? undefined,
      member.clientAddresses.join(','),
      member.peerAddresses.join(','),
    ]),
  );
}
