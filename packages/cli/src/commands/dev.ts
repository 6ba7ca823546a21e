// `holdfast dev`: a whole cluster on this machine, to try and to develop against.
import { resolve } from 'node:path';

import { HoldfastError } from '@holdfast/base/errors';
import { makeDirectories } from '@holdfast/storage/node-disk';
import { type Command, Option } from 'commander';
import pc from 'picocolors';

import { type CliContext, writeJsonLine } from '../context.ts';
import { DevCluster } from '../dev/dev-cluster.ts';
import { assertSameCluster } from '../dev/dev-folder.ts';
import { DevLock } from '../dev/dev-lock.ts';
import type { MemberExit, MemberPlan } from '../dev/member-process.ts';
import { assertPortsFree } from '../dev/ports-free.ts';
import { integerIn } from '../option-parsers.ts';

type DevOptions = { readonly nodes: number; readonly dataDir: string; readonly basePort: number };

export function addDevCommand(program: Command, context: CliContext): void {
  program
    .command('dev')
    .description('run a cluster of separate processes on this machine until Ctrl-C')
    .addOption(
      new Option('--nodes <count>', 'how many members').default(3).argParser(integerIn(1, 10)),
    )
    .option('--data-dir <dir>', 'where their data and logs are kept', '.holdfast')
    .addOption(
      new Option('--base-port <port>', "the first member's client port; the next is 10 higher")
        .default(4653)
        .argParser(integerIn(1_024, 65_400)),
    )
    .addHelpText(
      'after',
      '\nExamples:\n  holdfast dev\n  holdfast dev --nodes 1 --data-dir /tmp/a --base-port 5000\n',
    )
    .action(async (options: DevOptions, command: Command) => {
      await runDev(options, command, context);
    });
}

async function runDev(options: DevOptions, command: Command, context: CliContext): Promise<void> {
  const dataDir = resolve(options.dataDir);
  makeDirectories(dataDir);
  const lock = await DevLock.take(dataDir, pageOf(`127.0.0.1:${options.basePort}`));
  const cluster = makeCluster({ ...options, dataDir }, context);
  try {
    // A token is what a cluster is known by, whatever its members are.
    if (context.env['HOLDFAST_CLUSTER_TOKEN'] === undefined) {
      await assertSameCluster(dataDir, cluster.plans);
    }
    await assertPortsFree(cluster.plans.flatMap((plan) => [plan.client, plan.peer]));
    context.terminal.err(`Starting ${count(options.nodes)} on ${dataDir} ...\n`);
    await cluster.start(context.signal);
    for (const { name } of cluster.removed) tellRemoved(name, context);
    await announce(cluster, { command, context });
    await untilEnded(cluster, context);
  } finally {
    if (cluster.members.some((member) => member.exit === undefined)) {
      context.terminal.err('Ending all members ...\n');
    }
    await cluster.stop();
    await lock.release();
  }
}

function makeCluster(options: DevOptions, context: CliContext): DevCluster {
  return new DevCluster(
    {
      nodes: options.nodes,
      dataDir: options.dataDir,
      basePort: options.basePort,
      selfArgs: context.selfArgs,
      readyWithinMs: 60_000,
    },
    {
      clock: context.clock,
      isReady: (address) => isReady(context, address),
      onExit: (plan, exit) => tellExit(plan, exit, context),
    },
  );
}

async function isReady(context: CliContext, address: string): Promise<boolean> {
  const client = context.openClient({ endpoints: [address], output: 'json', timeoutMs: 1_000 });
  try {
    return await client.cluster.isReady();
  } catch {
    return false; // Not there yet is the ordinary answer while it starts.
  } finally {
    await client.close();
  }
}

function tellExit(plan: MemberPlan, exit: MemberExit, context: CliContext): void {
  const how = exit.signal === null ? `with code ${exit.code ?? 'unknown'}` : `by ${exit.signal}`;
  context.terminal.err(
    `Member ${plan.name} has ended ${how}. It is not started again; its log is ${plan.logPath}\n`,
  );
}

const pageOf = (client: string): string => `http://${client}/`;

const tellRemoved = (name: string, { terminal }: CliContext): void =>
  terminal.err(`Member ${name} was removed from this cluster: the others go on without it.\n`);

async function announce(
  cluster: DevCluster,
  { command, context }: { readonly command: Command; readonly context: CliContext },
): Promise<void> {
  const running = cluster.members.filter(({ plan }) => !cluster.removed.includes(plan));
  const clients = running.map(({ plan }) => plan.client);
  const first = clients[0] as string;
  const page = pageOf(first);
  if (command.optsWithGlobals()['output'] === 'json') {
    const members = running.map(({ plan, pid }) => ({ ...plan, pid }));
    await writeJsonLine(context, { page, endpoints: clients, members });
    return;
  }
  const { bold, cyan } = pc.createColors(context.terminal.useColor);
  const flag = first === '127.0.0.1:4653' ? '' : ` --endpoints ${first}`;
  await context.terminal.out(
    [
      '',
      `${bold('Holdfast is up')}: ${count(clients.length)} at ${clients.join(', ')}`,
      `Open ${cyan(page)} or try, in another terminal:`,
      '',
      `  echo 'retries: 3' | npx holdfast config publish app.yaml -${flag}`,
      `  npx holdfast config get app.yaml${flag}`,
      `  npx holdfast status${flag}`,
      `  ETCDCTL_API=3 ETCDCTL_ENDPOINTS=${first} etcdctl put greeting hello`,
      '',
      'Ctrl-C ends all members; their data stays for the next time.',
      '',
    ].join('\n'),
  );
}

/** Until the user ends it. When no member is left by itself, that is a failure. */
async function untilEnded(cluster: DevCluster, context: CliContext): Promise<void> {
  const asked = new Promise<'asked'>((resolve) => {
    if (context.signal.aborted) resolve('asked');
    context.signal.addEventListener('abort', () => resolve('asked'), { once: true });
  });
  const why = await Promise.race([asked, cluster.ended().then(() => 'alone' as const)]);
  if (why === 'asked') return;
  throw new HoldfastError('unavailable', 'all members have ended, and nobody asked them to', {
    details: { hint: 'the end of each log says why' },
  });
}

const count = (nodes: number): string => (nodes === 1 ? 'one member' : `${nodes} members`);
