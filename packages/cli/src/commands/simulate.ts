// `holdfast simulate`: runs the simulated world on seeds. All of it stands in the simulator; this
// only reads the command line.
import { type Command, Option } from 'commander';

import type { CliContext } from '../context.ts';
import { integerIn } from '../option-parsers.ts';

type SimulateOptions = {
  readonly seeds?: number;
  readonly firstSeed: number;
  readonly seed?: number;
  readonly seconds?: number;
  readonly trace?: boolean;
  readonly shrink?: boolean;
  readonly without?: string;
  readonly scenario?: string;
  readonly times?: number;
  readonly keep?: string;
  readonly record?: string;
  readonly replay?: string;
  readonly world: string;
};

const seedEnd = 2 ** 32;

const examples = `
Examples:
  holdfast simulate --seeds 500
  holdfast simulate --seed 7 --trace
  holdfast simulate --seed 7 --shrink
  holdfast simulate --scenario power-cycles --times 1000 --seeds 1
  holdfast simulate --seed 7 --record /tmp/seven
  holdfast simulate --replay /tmp/seven/n1 --trace
`;

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
    .addOption(
      new Option('--seconds <count>', 'seeds for so long').argParser(integerIn(1, 100_000_000)),
    )
    .option('--trace', 'print what happens in the one run')
    .option('--shrink', 'find the fewest faults with which the one run still fails')
    .option('--without <places>', 'leave out these faults of the plan: 3,4,9')
    .addOption(
      new Option('--scenario <name>', 'one kind of trouble again and again').choices([
        'power-cycles',
        'crash-restarts',
        'reconnects',
        'decays',
        'replacements',
        'ailing-disks',
      ]),
    )
    .addOption(
      new Option('--times <count>', 'how often in each run').argParser(integerIn(1, 100_000)),
    )
    .option('--keep <directory>', 'keep reports of failing runs there')
    .option('--record <directory>', 'record what the members of the one run are told, there')
    .option('--replay <path>', 'replay a recording: a data directory, or one segment of it')
    .addOption(
      new Option('--world <world>', 'whole members under clients, consensus alone, or both')
        .choices(['cluster', 'raft', 'all'])
        .default('cluster'),
    )
    .addHelpText('after', examples)
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
  const { seed, seeds, seconds, firstSeed, trace, shrink, world, replay } = options;
  if (replay !== undefined) {
    const traced = trace ? ['--trace'] : [];
    context.exitCode = await context.runSimulator(['--replay', replay, ...traced]);
    return;
  }
  if (seeds === undefined && seed === undefined && seconds === undefined) {
    command.error('error: name --seeds COUNT, --seconds COUNT or --seed SEED, or --replay PATH');
  }
  const { without, scenario, times, keep, record } = options;
  const which =
    seed === undefined ? { seeds, seconds, 'first-seed': firstSeed } : { seed, without, record };
  const args = Object.entries({ ...which, scenario, times, keep })
    .filter(([, value]) => value !== undefined)
    .flatMap(([name, value]) => [`--${name}`, String(value)]);
  const isOne = seed !== undefined;
  if (isOne && trace) args.push('--trace');
  if (isOne && shrink) args.push('--shrink');
  context.exitCode = await context.runSimulator([...args, '--world', world]);
}
