// `holdfast start`: becomes a member. What the flags mean together, and what they default to, is
// settled by the server; this names them, and ends the member when it is told to.
import { type Command, Option } from 'commander';

import type { CliContext } from '../context.ts';
import type { StartFlags } from '../start-flags.ts';

export function addStartCommand(program: Command, context: CliContext): void {
  program
    .command('start')
    .description('run a member of a cluster in this process, until it is told to end')
    .option('--name <name>', "the member's name, as --initial-cluster calls it")
    .option('--data-dir <dir>', 'where its data is kept')
    .option('--listen-client <host:port>', 'where clients reach it (127.0.0.1:4653)')
    .option('--listen-peer <host:port>', 'where members reach it (127.0.0.1:4654)')
    .option('--initial-cluster <list>', 'n1=HOST:PORT,n2=... of all members of a new cluster')
    .addOption(
      new Option('--join <host:port>', 'a member of a running cluster to be added to').conflicts(
        'initialCluster',
      ),
    )
    .option('--advertise-client <host:port>', 'how clients reach it, where that differs')
    .option('--advertise-peer <host:port>', 'how members reach it, where that differs')
    .option('--insecure', 'listen beyond this machine without proof of who calls')
    .option('--config <file>', 'read settings from this file (holdfast.yaml)')
    .addOption(new Option('--end-with-parent', 'end when standard input is closed').hideHelp())
    .addHelpText(
      'after',
      `
Every flag is also a key of holdfast.yaml and a HOLDFAST_* variable; flags beat variables, variables
beat the file. The member writes its process id to DIR/pid, and its log to standard error.

Examples:
  holdfast start --name n1 --data-dir ./n1 --initial-cluster n1=127.0.0.1:4654
  holdfast start --name n2 --data-dir /var/lib/holdfast --insecure \\
    --listen-client 10.0.0.2:4653 --listen-peer 10.0.0.2:4654 \\
    --initial-cluster n1=10.0.0.1:4654,n2=10.0.0.2:4654,n3=10.0.0.3:4654
`,
    )
    .action(async (flags: StartFlags) => {
      const { endWithParent, ...rest } = flags;
      const signal = endWithParent
        ? AbortSignal.any([context.signal, untilInputEnds(context)])
        : context.signal;
      context.exitCode = await context.runMember(rest, signal);
    });
}

/** Aborts when the parent that holds the other end of the pipe is gone, however it went. */
function untilInputEnds({ terminal }: CliContext): AbortSignal {
  const controller = new AbortController();
  const drain = async (): Promise<void> => {
    for await (const _ of terminal.input()); // What it says does not matter, only that it is there.
  };
  const end = (): void => controller.abort(new Error('the parent process has ended'));
  drain().then(end, end);
  return controller.signal;
}
