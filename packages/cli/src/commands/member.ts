// `holdfast member`: who belongs to the cluster, and its changes. Machines are added where they
// stand, by `holdfast start --join`; everything else is asked for here, of any member.
import { HoldfastError } from '@holdfast/base/errors';
import type { ClientApi } from '@holdfast/client/client-api';
import type { ClusterMember } from '@holdfast/client/cluster-api';
import type { MemberChanges, MemberRow } from '@holdfast/client/member-api';
import type { Command } from 'commander';

import { type CliContext, withClient, writeJson } from '../context.ts';
import { joinCommand } from '../join-command.ts';
import { renderTable } from '../table.ts';
import type { Terminal } from '../terminal.ts';

export function addMemberCommands(program: Command, context: CliContext): void {
  const member = program.command('member').description("the cluster's members, and their changes");
  addList(member, context);
  addAdd(member, context);
  addChanges(member, context);
  addReplace(member, context);
  addTransfer(member, context);
}

function addList(member: Command, context: CliContext): void {
  member
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

/** A machine is added by itself, as only it knows its directory: this says how. */
function addAdd(member: Command, context: CliContext): void {
  member
    .command('add')
    .description('print the command that adds a machine, to be run there')
    .argument('<name>', 'a name that no member has')
    .argument('<host>', 'how the others reach that machine')
    .option('--observer', 'it gets all data, and never votes')
    .addHelpText(
      'after',
      `
The machine joins as an observer, catches up, and then votes, all by itself.

Example:
  holdfast member add n4 10.0.0.4 --endpoints 10.0.0.1:4653
`,
    )
    .action(async (name: string, host: string, options: { observer?: true }, command: Command) => {
      await withClient(context, command, async ({ cluster }, globals) => {
        const { members } = await cluster.view({ signal: context.signal });
        const machine = { name, host, isObserver: options.observer === true };
        const isSecure = globals.tls !== undefined;
        await context.terminal.out(joinCommand(machine, { members, isSecure }));
      });
    });
}

function addChanges(member: Command, context: CliContext): void {
  const kinds = [
    ['remove', 'remove members for good; refused where that costs the cluster its majority'],
    ['promote', 'let observers vote; refused while they lag'],
    ['demote', 'let voters only observe'],
  ] as const;
  for (const [kind, says] of kinds) {
    member
      .command(kind)
      .description(says)
      .argument('<members...>', 'names or ids; of several, all or none')
      .addHelpText('after', `\nExample:\n  holdfast member ${kind} n3\n`)
      .action(async (members: readonly string[], _options: unknown, command: Command) => {
        await change({ context, command, changes: { [kind]: members } });
      });
  }
}

function addReplace(member: Command, context: CliContext): void {
  member
    .command('replace')
    .description('remove a member and let another one vote in its place, in one step')
    .argument('<old>', 'name or id of the one that goes, dead or alive')
    .argument('<new>', 'name or id of an observer that has caught up')
    .addHelpText(
      'after',
      `
Start the new machine with --join and --observer first.

Example:
  holdfast member replace n1 n4
`,
    )
    .action(async (old: string, next: string, _options: unknown, command: Command) => {
      await withClient(context, command, ({ cluster }) => requireObserver(cluster, { old, next }));
      await change({ context, command, changes: { remove: [old], promote: [next] } });
    });
}

/** One that votes already would leave the cluster a voter short; unless all was done before. */
async function requireObserver(
  cluster: ClientApi['cluster'],
  { old, next }: { readonly old: string; readonly next: string },
): Promise<void> {
  const { members } = await cluster.view();
  const votes = (member: string): boolean =>
    members.some(({ id, name, role }) => [id, name].includes(member) && role !== 'observer');
  if (!votes(old) || !votes(next)) return;
  throw new HoldfastError(
    'failed-precondition',
    `${next} votes already, so that nobody would take the place of ${old}: a voter less is left`,
    { details: { hint: 'name an observer, or use holdfast member remove' } },
  );
}

function addTransfer(member: Command, context: CliContext): void {
  member
    .command('transfer')
    .description('hand leadership to another voter')
    .argument('[to]', 'name or id; without it whichever voter is best')
    .addHelpText('after', '\nExample:\n  holdfast member transfer n2\n')
    .action(async (to: string | undefined, _options: unknown, command: Command) => {
      await withClient(context, command, async ({ members }, globals) => {
        const leader = await members.transfer(to, { signal: context.signal });
        if (globals.output === 'json') await writeJson(context, { leader });
        else await context.terminal.out(`${leader} leads now.\n`);
      });
    });
}

type Asked = {
  readonly context: CliContext;
  readonly command: Command;
  readonly changes: MemberChanges;
};

async function change({ context, command, changes }: Asked): Promise<void> {
  await withClient(context, command, async ({ members }: ClientApi, globals) => {
    const now = await members.change(changes, { signal: context.signal });
    if (globals.output === 'json') await writeJson(context, now);
    else await context.terminal.out(rolesText(now));
  });
}

function rolesText(members: readonly MemberRow[]): string {
  const named = (isObserver: boolean): string =>
    members
      .filter(({ role }) => (role === 'observer') === isObserver)
      .map(({ name }) => name)
      .join(', ');
  const observers = named(true);
  return `Voters: ${named(false)}.${observers === '' ? '' : ` Observers: ${observers}.`}\n`;
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
