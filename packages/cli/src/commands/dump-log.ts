// `holdfast dump-log DIR`: the entries of a stopped member's log, one a line. Offline and
// read-only; at damage it stops with a sentence, or goes on with what is intact behind it.
import { HoldfastError } from '@holdfast/base/errors';
import { LogInspection } from '@holdfast/storage/log-inspection';
import { NodeDisk } from '@holdfast/storage/node-disk';
import { OverlayDisk } from '@holdfast/storage/overlay-disk';
import { type Command, Option } from 'commander';

import { type CliContext, globalsOf, type OutputForm, writeJsonLine } from '../context.ts';
import { entryHeads, entryLine, entryViews } from '../offline/entry-view.ts';
import { logDirectory } from '../offline/file-check.ts';
import { lockThere } from '../offline/lock-there.ts';
import { integerIn } from '../option-parsers.ts';

type DumpOptions = {
  readonly from?: number;
  readonly to?: number;
  readonly values?: boolean;
  readonly files?: boolean;
  readonly all?: boolean;
};

type Dump = {
  readonly log: LogInspection;
  readonly options: DumpOptions;
  readonly form: OutputForm;
  readonly context: CliContext;
};

const help = `
Entries that are in the log and not yet committed are among them: a start may still replace those.
With --output json each entry is an object on a line of its own.

Examples:
  holdfast dump-log /var/lib/holdfast --from 1200 --to 1300
  holdfast dump-log ./n1 --values --files
  holdfast dump-log ./n1 --all --output json | jq -r .command
`;

const valueBytesMax = 200;
const indexEnd = Number.MAX_SAFE_INTEGER;

export function addDumpLogCommand(program: Command, context: CliContext): void {
  const index = integerIn(1, indexEnd);
  program
    .command('dump-log')
    .description("print the log of a stopped member's data directory")
    .argument('<directory>', "the member's data directory")
    .addOption(new Option('--from <index>', 'the first entry').argParser(index))
    .addOption(new Option('--to <index>', 'the last entry').argParser(index))
    .option('--values', `values as well, up to ${valueBytesMax} bytes of each`)
    .option('--files', 'the file and the offset of each entry')
    .option('--all', 'go on behind damage with what is intact there')
    .addHelpText('after', help)
    .action(async (directory: string, options: DumpOptions, command: Command) => {
      await dumpLog(directory, { options, form: globalsOf(command).output, context });
    });
}

async function dumpLog(directory: string, parts: Omit<Dump, 'log'>): Promise<void> {
  const lock = await lockThere(directory);
  const disk = new OverlayDisk({ inner: new NodeDisk(directory) });
  try {
    const { signal } = parts.context;
    const log = await LogInspection.of({ disk, directory: logDirectory, watch: { signal } });
    if (!log) throw new HoldfastError('not-found', `${directory} holds no log`);
    await dump({ ...parts, log });
    await log.close();
  } finally {
    await disk.close();
    await lock.close();
  }
}

async function dump(parts: Dump): Promise<void> {
  const { log, form, options, context } = parts;
  const { from = 1, to = indexEnd - 1 } = options;
  expectEntries(log, options);
  if (form === 'table') await context.terminal.out(`${entryHeads()}\n`);
  for await (const located of log.entries(from, to + 1)) await writeEntry(parts, located);
  const { end } = log;
  if (end.kind !== 'rotten' || end.from > to) return;
  const at = end.offset === undefined ? '' : ` at offset ${end.offset}`;
  context.terminal.err(
    `The log is damaged from entry ${end.from} on: ${end.reason} (${end.path}${at}).\n` +
      `${options.all ? 'Intact records behind it, in no proven order:' : withAll}\n`,
  );
  context.exitCode = 1;
  if (options.all) await dumpSalvaged(parts);
}

/** Throws `invalid-argument` for a range in which the log has nothing. */
function expectEntries({ purged, last, end }: LogInspection, { from, to }: DumpOptions): void {
  if (from !== undefined && to !== undefined && from > to) {
    throw new HoldfastError('invalid-argument', `--from ${from} is above --to ${to}`);
  }
  const isBefore = to !== undefined && to <= purged.index;
  // Behind damage something may be: that is told, and --all shows it.
  const isBehind = from !== undefined && from > last.index && end.kind !== 'rotten';
  if (!isBefore && !isBehind) return;
  const range =
    last.index > purged.index
      ? `the log begins at entry ${purged.index + 1} and ends at entry ${last.index}`
      : `the log is empty, and goes on behind entry ${last.index}`;
  const option = isBefore ? `--to ${to}` : `--from ${from}`;
  throw new HoldfastError('invalid-argument', `there is nothing for ${option}: ${range}`);
}

const withAll =
  'What is intact behind it is shown with --all; `holdfast verify` says what it means.';

async function dumpSalvaged(parts: Dump): Promise<void> {
  const { from = 1, to = indexEnd - 1 } = parts.options;
  for await (const located of parts.log.salvaged()) {
    const { index } = located.entry;
    if (index >= from && index <= to) await writeEntry(parts, located);
  }
}

async function writeEntry(
  { form, options, context }: Dump,
  located: Parameters<typeof entryViews>[0],
): Promise<void> {
  context.signal.throwIfAborted();
  const text = { valueBytesMax: options.values ? valueBytesMax : undefined };
  for (const view of entryViews(located, text)) {
    if (form === 'json') await writeJsonLine(context, view);
    else await context.terminal.out(`${entryLine(view, options.files ?? false)}\n`);
  }
}
