// The command tree. Commands are made from one context and talk through it, so that the whole
// program runs inside a test as it does in a process.
import { Command, Option } from 'commander';

import { addCompletionCommand } from './commands/completion.ts';
import { addConfigCommands } from './commands/config.ts';
import { addDevCommand } from './commands/dev.ts';
import { addDumpLogCommand } from './commands/dump-log.ts';
import { addKvCommands } from './commands/kv.ts';
import { addLeaseCommands } from './commands/lease.ts';
import { addMemberCommands } from './commands/member.ts';
import { addSimulateCommand } from './commands/simulate.ts';
import { addStartCommand } from './commands/start.ts';
import { addStatusCommand } from './commands/status.ts';
import { addVerifyCommand } from './commands/verify.ts';
import { addVersionCommand } from './commands/version.ts';
import type { CliContext, OutputForm } from './context.ts';
import { reportFailure } from './failure.ts';
import { durationMs } from './option-parsers.ts';

/** Runs one command line (without node and the script) to its exit code. Never rejects. */
export async function runProgram(args: readonly string[], context: CliContext): Promise<number> {
  const program = makeProgram(context);
  try {
    await program.parseAsync(args, { from: 'user' });
    return context.exitCode;
  } catch (error) {
    const form = outputFormOf(program);
    // A variable that stands for the option is commander's default, too.
    const isDefault = program.getOptionValueSource('endpoints') === 'default';
    const isNamed = !isDefault || Boolean(context.env['HOLDFAST_ENDPOINTS']);
    return reportFailure(context.terminal, error, { form, areEndpointsNamed: isNamed });
  }
}

export function makeProgram(context: CliContext): Command {
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
    .addHelpText('after', examples);
  addConfigCommands(program, context);
  addKvCommands(program, context);
  addLeaseCommands(program, context);
  addMemberCommands(program, context);
  addStatusCommand(program, context);
  addStartCommand(program, context);
  addDevCommand(program, context);
  addVerifyCommand(program, context);
  addDumpLogCommand(program, context);
  addSimulateCommand(program, context);
  addCompletionCommand(program, context);
  addVersionCommand(program, context);
  forEachCommand(program, (command) => settle(command, context));
  return program;
}

const examples = `
Environment: HOLDFAST_ENDPOINTS stands for --endpoints, NO_COLOR for no colours.

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
