// `holdfast start`: becomes a member. The flags are the server's own table of settings, so that
// none can be missing here; what they mean together is settled by the server.
import {
  flagOfKey,
  type SettingRow,
  settingKeys,
  settingTable,
} from '@holdfast/server/setting-table';
import { type Command, Option } from 'commander';

import type { CliContext } from '../context.ts';
import type { StartFlags } from '../start-flags.ts';

export function addStartCommand(program: Command, context: CliContext): void {
  const start = program
    .command('start')
    .description('run a member of a cluster in this process, until it is told to end')
    .option('--config <file>', 'read settings from this file (holdfast.yaml)');
  for (const key of settingKeys) {
    start.addOption(optionOf(key, settingTable[key]));
  }
  start
    .addOption(new Option('--end-with-parent', 'end when standard input is closed').hideHelp())
    .addHelpText('after', startHelp)
    .action(async ({ endWithParent, ...flags }: StartFlags) => {
      const signal = endWithParent
        ? AbortSignal.any([context.signal, untilInputEnds(context)])
        : context.signal;
      context.exitCode = await context.runMember(flags, signal);
    });
}

/** Values go to the server as they are written: it knows their kinds, and says what is wrong. */
export function optionOf(key: string, row: SettingRow): Option {
  const fallback = row.default === undefined ? '' : ` (default: ${row.default})`;
  const flags = row.kind === 'flag' ? flagOfKey(key) : `${flagOfKey(key)} <${wordOf(row)}>`;
  return new Option(flags, row.kind === 'flag' ? row.help : `${row.help}${fallback}`);
}

function wordOf(row: SettingRow): string {
  switch (row.kind) {
    case 'address':
      return 'host:port';
    case 'members':
      return 'list';
    case 'choice':
      return row.of.join('|');
    default:
      return row.kind === 'number' ? 'number' : 'text';
  }
}

const startHelp = `
Every flag is also a key of holdfast.yaml and a HOLDFAST_* variable; flags beat variables, variables
beat the file. The member writes its process id to DIR/pid, and its log to standard error. At SIGHUP
it reads the file anew, applies what may change while it runs, and says what needs a restart.

Examples:
  holdfast start --name n1 --data-dir ./n1
  holdfast start --name n2 --data-dir /var/lib/holdfast --insecure \\
    --listen-client 10.0.0.2:4653 --listen-peer 10.0.0.2:4654 \\
    --initial-cluster n1=10.0.0.1:4654,n2=10.0.0.2:4654,n3=10.0.0.3:4654
  holdfast start --name n4 --data-dir /var/lib/holdfast --insecure \\
    --listen-client 10.0.0.4:4653 --listen-peer 10.0.0.4:4654 --join 10.0.0.1:4653
`;

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
