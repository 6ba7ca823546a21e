// `holdfast simulate`: runs the simulated world on seeds. All of it stands in the simulator; this
// only reads the command line.
import { type Command, Option } from 'commander';

import type { CliContext } from '../context.ts';
import { integerIn } from '../option-parsers.ts';

type SimulateOptions = {
  readonly seeds?: number;
  readonly firstSeed: number;
  readonly seed?: number;
  readonly trace?: boolean;
  readonly world: string;
};

const seedEnd = 2 ** 32;

export function addSimulateCommand(program: Command, context: CliContext): void {
  program
    .command('simulate')
    .description('run clusters in a simulated world, where one seed decides every fault')
    .addOption(new Option('--seeds <count>', 'how many runs').argParser(integerIn(1, 10_000_000)))
    .addOption(
      new Option('--first-seed <seed>', 'where to begin')
        .default(1)
        .argParser(integerIn(0, seedEnd)),
    )
    .addOption(
      new Option('--seed <seed>', 'one run').argParser(integerIn(0, seedEnd)).conflicts('seeds'),
    )
    .option('--trace', 'print what happens in the one run')
    .addOption(
      new Option('--world <world>', 'whole members under clients, or consensus alone')
        .choices(['cluster', 'raft'])
        .default('cluster'),
    )
    .addHelpText(
      'after',
      '\nExamples:\n  holdfast simulate --seeds 500\n  holdfast simulate --seed 7 --trace\n',
    )
    .action(async (options: SimulateOptions, command: Command) => {
      await simulate(options, command, context);
    });
}

/** The simulator reads its own command line; only what is known here is handed on. */
async function simulate(
  options: SimulateOptions,
  command: Command,
  context: CliContext,
): Promise<void> {
  if (options.seeds === undefined && options.seed === undefined) {
    command.error('error: name --seeds COUNT or --seed SEED');
  }
  const args =
    options.seed === undefined
      ? ['--seeds', String(options.seeds), '--first-seed', String(options.firstSeed)]
      : ['--seed', String(options.seed), ...(options.trace ? ['--trace'] : [])];
  context.exitCode = await context.runSimulator([...args, '--world', options.world]);
}
