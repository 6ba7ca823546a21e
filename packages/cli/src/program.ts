// The command tree. Commands are made from one context and talk through it, so that the whole
// program runs inside a test as it does in a process.
import { Command, Option } from 'commander';

import type { CliContext, OutputForm } from './context.ts';
import { reportFailure } from './failure.ts';
import { durationMs } from './option-parsers.ts';

type AddCommands = (program: Command, context: CliContext) => void;

/**
 * By the first word of a command line, in the order of the help. Each brings libraries of its own,
 * and a member's start, above all, need not wait for those of the others.
 */
const loaders: Readonly<Record<string, () => Promise<AddCommands>>> = {
  config: async () => (await import('./commands/config.ts')).addConfigCommands,
  kv: async () => (await import('./commands/kv.ts')).addKvCommands,
  lease: async () => (await import('./commands/lease.ts')).addLeaseCommands,
  member: async () => (await import('./commands/member.ts')).addMemberCommands,
  quota: async () => (await import('./commands/quota.ts')).addQuotaCommands,
  connections: async () => (await import('./commands/connections.ts')).addConnectionsCommands,
  integrity: async () => (await import('./commands/integrity.ts')).addIntegrityCommands,
  scrub: async () => (await import('./commands/integrity.ts')).addScrubCommand,
  status: async () => (await import('./commands/status.ts')).addStatusCommand,
  diagnose: async () => (await import('./commands/diagnose.ts')).addDiagnoseCommand,
  debug: async () => (await import('./commands/debug.ts')).addDebugCommand,
  start: async () => (await import('./commands/start.ts')).addStartCommand,
  dev: async () => (await import('./commands/dev.ts')).addDevCommand,
  settings: async () => (await import('./commands/settings.ts')).addSettingsCommands,
  certs: async () => (await import('./commands/certs.ts')).addCertsCommands,
  backup: async () => (await import('./commands/backup.ts')).addBackupCommand,
  restore: async () => (await import('./commands/restore.ts')).addRestoreCommand,
  verify: async () => (await import('./commands/verify.ts')).addVerifyCommand,
  'dump-log': async () => (await import('./commands/dump-log.ts')).addDumpLogCommand,
  'recover-quorum': async () =>
    (await import('./commands/recover-quorum.ts')).addRecoverQuorumCommand,
  simulate: async () => (await import('./commands/simulate.ts')).addSimulateCommand,
  completion: async () => (await import('./commands/completion.ts')).addCompletionCommand,
  version: async () => (await import('./commands/version.ts')).addVersionCommand,
};

/** Only `completion` looks at the others; anything but a command's name may be a call for help. */
const isAlone = (word: string | undefined): word is string =>
  word !== undefined && word !== 'completion' && Object.hasOwn(loaders, word);

/** Runs one command line (without node and the script) to its exit code. Never rejects. */
export async function runProgram(args: readonly string[], context: CliContext): Promise<number> {
  const program = await makeProgram(args, context);
  try {
    await program.parseAsync(args, { from: 'user' });
    return context.exitCode;
  } catch (error) {
    const form = outputFormOf(program);
    // A variable that stands for the option is commander's default, too.
    const isDefault = program.getOptionValueSource('endpoints') === 'default';
    const isNamed = !isDefault || Boolean(context.env['HOLDFAST_ENDPOINTS']);
    const name = args.find((word) => Object.hasOwn(loaders, word));
    const isAboutData = name === 'kv' || name === 'config';
    const options = { form, areEndpointsNamed: isNamed, isAboutData };
    return reportFailure(context.terminal, error, options);
  }
}

async function makeProgram(args: readonly string[], context: CliContext): Promise<Command> {
  const env = {
    ca: context.env['HOLDFAST_CA'],
    cert: context.env['HOLDFAST_CERT'],
    key: context.env['HOLDFAST_KEY'],
  };
  const program = new Command('holdfast')
    .description('A highly available configuration centre and service registry.')
    .addOption(
      new Option('--endpoints <list>', 'members to ask, host:port with commas between')
        .default(context.env['HOLDFAST_ENDPOINTS'] || '127.0.0.1:4653', '127.0.0.1:4653')
        .helpGroup('Everywhere:'),
    )
    .addOption(
      new Option('--output <form>', 'how to answer')
        .choices(['table', 'json'])
        .default('table')
        .helpGroup('Everywhere:'),
    )
    .addOption(
      new Option('--timeout <duration>', 'for one call, such as 500ms or 10s')
        .default(10_000, '10s')
        .argParser(durationMs)
        .helpGroup('Everywhere:'),
    )
    .addOption(
      new Option('--user <name:password>', 'who you are, where access control is on')
        .default(context.env['HOLDFAST_USER'] || undefined, 'as HOLDFAST_USER says')
        .helpGroup('Everywhere:'),
    )
    .addOption(fileOption('--ca <file>', 'authority of the members, to ask them by TLS', env.ca))
    .addOption(fileOption('--cert <file>', 'your certificate, where they ask for one', env.cert))
    .addOption(fileOption('--key <file>', 'its private key', env.key))
    .addHelpText('after', examples);
  const [word] = args;
  const wanted = isAlone(word) ? [word] : Object.keys(loaders);
  for (const name of wanted) (await loaders[name]?.())?.(program, context);
  forEachCommand(program, (command) => settle(command, context));
  return program;
}

const fileOption = (flags: string, text: string, fromEnvironment: string | undefined): Option =>
  new Option(flags, text).default(fromEnvironment || undefined).helpGroup('Everywhere:');

const examples = `
Environment: HOLDFAST_ENDPOINTS stands for --endpoints, HOLDFAST_CA, HOLDFAST_CERT and HOLDFAST_KEY
for --ca, --cert and --key, HOLDFAST_USER for --user, NO_COLOR for no colours.

Examples:
  holdfast dev                                  a cluster on this machine, until Ctrl-C
  holdfast config publish app.yaml ./app.yaml   publish a file
  holdfast config get app.yaml
  holdfast config watch app.yaml
  holdfast status
`;

/**
 * Commander hands these on to commands only when they are made by its own factory: do it for all.
 */
function settle(command: Command, context: CliContext): void {
  command
    .exitOverride()
    .showSuggestionAfterError()
    .showHelpAfterError(`Run \`${pathOf(command)} --help\` to see what it takes.`)
    .configureOutput({
      writeOut: (text) => void context.terminal.out(text),
      writeErr: (text) => context.terminal.err(text),
      getOutHelpWidth: () => context.terminal.columns,
      getErrHelpWidth: () => context.terminal.columns,
      getOutHasColors: () => context.terminal.useColor,
      getErrHasColors: () => context.terminal.useColor,
    });
}

function forEachCommand(command: Command, action: (command: Command) => void): void {
  action(command);
  for (const child of command.commands) forEachCommand(child, action);
}

const pathOf = (command: Command): string =>
  command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;

function outputFormOf(program: Command): OutputForm {
  return program.opts<{ output?: OutputForm }>().output ?? 'table';
}
