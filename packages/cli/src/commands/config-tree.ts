// `holdfast config import|export`: whole trees of files.
import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';

import { HoldfastError } from '@holdfast/base/errors';
import { type Command, Option } from 'commander';
import picomatch from 'picomatch';

import { type CliContext, withClient, writeJson } from '../context.ts';
import { collect, durationMs, integerIn } from '../option-parsers.ts';
import { renderFacts, renderTable } from '../table.ts';
import { contentBytesMax } from '../tree/content-limit.ts';
import { Exporter, type ExportSummary } from '../tree/exporter.ts';
import { listedFiles } from '../tree/file-list.ts';
import { Importer, type ImportSummary } from '../tree/importer.ts';
import { type Progress, startProgress } from '../tree/progress.ts';
import type { Tally } from '../tree/tally.ts';
import { type FoundFile, type FoundOther, type TreeRoot, walkTrees } from '../tree/tree-walker.ts';
import { type PlaceOptions, withPlace } from './config-options.ts';

type ImportCommandOptions = PlaceOptions & {
  readonly include?: readonly string[];
  readonly concurrency: number;
  readonly dryRun?: boolean;
  readonly comment?: string;
  readonly patience: number;
  readonly filesFrom?: string;
};

type ExportCommandOptions = PlaceOptions & {
  readonly prefix: string;
  readonly overwrite?: boolean;
  readonly concurrency: number;
};

export function addConfigTreeCommands(config: Command, context: CliContext): void {
  addImport(config, context);
  addExport(config, context);
}

const concurrencyOption = (): Option =>
  new Option('--concurrency <count>', 'how many at once').default(16).argParser(integerIn(1, 257));

function addImport(config: Command, context: CliContext): void {
  withPlace(config.command('import'))
    .description('publish every file of a tree; its name is its path, its format its ending')
    .argument('[dirs...]', 'directories, each as DIR or PREFIX=DIR')
    .addOption(
      new Option('--include <glob...>', 'only these, by name or, with a slash, by path').argParser(
        collect,
      ),
    )
    .option('--files-from <file>', 'a list of files, one a line, or - for standard input')
    .addOption(concurrencyOption())
    .option('--dry-run', 'look and count, publish nothing')
    .option('--comment <text>', 'why, for the history')
    .addOption(
      new Option('--patience <duration>', 'how long the cluster may refuse before it gives up')
        .default(60_000, '60s')
        .argParser(durationMs),
    )
    .addHelpText(
      'after',
      `
Files that do not parse as their ending says go in as text. Larger than 1 MiB, unreadable, or no
regular file: skipped and counted, with the reason; links are not followed. Publishing the same
content again changes nothing, so an import that was interrupted may simply be run again.

Examples:
  holdfast config import ./conf
  holdfast config import etc=/etc web=./web/conf --include '*.json' '*.yaml' --group prod
  find /etc -name '*.conf' | holdfast config import --files-from -
`,
    )
    .action(async (dirs: readonly string[], options: ImportCommandOptions, command: Command) => {
      await runImport(dirs, options, { command, context });
    });
}

async function runImport(
  dirs: readonly string[],
  options: ImportCommandOptions,
  { command, context }: { readonly command: Command; readonly context: CliContext },
): Promise<void> {
  const find = await findersOf(dirs, options, context);
  await withClient(context, command, async (client, globals) => {
    // A file that has to be sent again, because its answer was lost, is published once anyway.
    await using session = client.exactlyOnce();
    const { clock, random, terminal, signal } = context;
    const progress = startProgress(terminal, clock, options.dryRun ? 'Looking' : 'Importing');
    const importer = new Importer(
      {
        namespace: options.namespace,
        group: options.group,
        concurrency: options.concurrency,
        bytesMax: contentBytesMax,
        dryRun: options.dryRun ?? false,
        comment: options.comment,
        patienceMs: options.patience,
        includes: includesOf(options.include ?? []),
      },
      { configs: session.configs, clock, random, progress, signal },
    );
    const startMs = clock.monotonicMs();
    const textOf = options.dryRun ? dryRunText : importText;
    const tell = async (): Promise<void> => {
      progress.stop();
      const summary = importer.summary(clock.monotonicMs() - startMs);
      if (globals.output === 'json') await writeJson(context, summary);
      else await terminal.out(textOf(summary, importer.skipped, context));
    };
    try {
      if (terminal.isErrTty && options.filesFrom === undefined)
        await countInto(progress, find(), signal);
      await importer.run(find());
    } catch (error) {
      await tell(); // What was taken in so far is worth knowing when it breaks off.
      throw error;
    }
    await tell();
  });
}

type Finder = () => AsyncGenerator<FoundFile | FoundOther>;

async function findersOf(
  dirs: readonly string[],
  { filesFrom }: ImportCommandOptions,
  context: CliContext,
): Promise<Finder> {
  if (filesFrom === undefined && dirs.length === 0) {
    throw new HoldfastError('invalid-argument', 'there is nothing to import', {
      details: { hint: 'name a directory, or a list of files with --files-from' },
    });
  }
  if (filesFrom !== undefined) {
    if (dirs.length > 1) {
      throw new HoldfastError('invalid-argument', '--files-from goes with one directory at most', {
        details: { hint: 'the names are the paths below that directory' },
      });
    }
    return () => listedFiles(filesFrom, resolve(dirs[0] ?? '.'), context.terminal);
  }
  const roots = await rootsOf(dirs);
  return () => walkTrees(roots);
}

async function requireDirectory(directory: string): Promise<void> {
  const problem = await problemOf(directory);
  if (problem === undefined) return;
  const { text, hint } = problem;
  throw new HoldfastError('invalid-argument', text, { details: { hint } });
}

async function problemOf(directory: string) {
  try {
    if ((await stat(directory)).isDirectory()) return undefined;
    const hint = 'name the directory around it, and the file with --include';
    return { text: `${directory} is no directory`, hint };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    const hint = 'name a directory that is there, as DIR or PREFIX=DIR';
    return { text: `there is no directory ${directory}`, hint };
  }
}

/** One directory needs no prefix; several get their last part, so that names do not meet. */
async function rootsOf(dirs: readonly string[]): Promise<readonly TreeRoot[]> {
  const roots = dirs.map((text) => {
    const found = /^([^=/]*(?:\/[^=/]+)*)=(.+)$/.exec(text);
    if (found !== null)
      return { prefix: found[1] as string, directory: resolve(found[2] as string) };
    return { prefix: dirs.length === 1 ? '' : basename(resolve(text)), directory: resolve(text) };
  });
  for (const [at, { prefix, directory }] of roots.entries()) {
    await requireDirectory(directory);
    if (roots.findIndex((other) => other.prefix === prefix) !== at) {
      throw new HoldfastError(
        'invalid-argument',
        `two directories would have the prefix "${prefix}"`,
        {
          details: { hint: 'tell them apart as PREFIX=DIR' },
        },
      );
    }
  }
  return roots;
}

async function countInto(
  progress: Progress,
  found: AsyncGenerator<FoundFile | FoundOther>,
  signal: AbortSignal,
): Promise<void> {
  let count = 0;
  for await (const _ of found) {
    signal.throwIfAborted();
    count += 1;
  }
  progress.total(count);
}

/** Globs without a slash look at the last part of a name, as people expect of `*.json`. */
function includesOf(globs: readonly string[]): (name: string) => boolean {
  if (globs.length === 0) return () => true;
  const matchers = globs.map((glob) => {
    const matches = picomatch(glob, { dot: true });
    return glob.includes('/') ? matches : (name: string) => matches(basename(name));
  });
  return (name) => matchers.some((matches) => matches(name));
}

function importText(summary: ImportSummary, skipped: Tally, context: CliContext): string {
  const facts = renderFacts(context.terminal, [
    ['published', summary.published],
    ['  unchanged', summary.unchanged],
    ['  as text', summary.asText],
    ['skipped', summary.skippedCount],
    ['not included', summary.notIncluded],
    ['bytes', summary.bytes],
    ['retries', summary.retries],
    ['last revision', summary.lastRevision],
    ['seconds', summary.seconds.toFixed(1)],
  ]);
  return facts + skippedText(skipped, context);
}

/** Without what only the cluster could have said. */
function dryRunText(summary: ImportSummary, skipped: Tally, context: CliContext): string {
  const facts = renderFacts(context.terminal, [
    ['would publish', summary.published],
    ['skipped', summary.skippedCount],
    ['not included', summary.notIncluded],
    ['bytes', summary.bytes],
    ['seconds', summary.seconds.toFixed(1)],
  ]);
  return facts + skippedText(skipped, context);
}

function skippedText(skipped: Tally, { terminal }: CliContext): string {
  if (skipped.count === 0) return '';
  return `\n${renderTable(terminal, ['skipped because', 'files', 'for example'], skipped.rows())}`;
}

function addExport(config: Command, context: CliContext): void {
  withPlace(config.command('export'))
    .description('write every configuration of a group to a file below a directory')
    .argument('<dir>')
    .option('--prefix <text>', 'only names that begin so', '')
    .option('--overwrite', 'replace files that are there already')
    .addOption(concurrencyOption())
    .addHelpText('after', '\nExample:\n  holdfast config export ./backup --group web\n')
    .action(async (directory: string, options: ExportCommandOptions, command: Command) => {
      await withClient(context, command, async ({ configs }, globals) => {
        const { clock, terminal, signal } = context;
        const progress = startProgress(terminal, clock, 'Exporting');
        const { namespace, group, prefix, concurrency, overwrite = false } = options;
        const exporter = new Exporter(
          { namespace, group, prefix, directory: resolve(directory), overwrite, concurrency },
          { configs, progress, signal },
        );
        const summary = await exporter.run().finally(() => progress.stop());
        if (globals.output === 'json') await writeJson(context, summary);
        else await terminal.out(exportText(summary, exporter.skipped, context));
        // Whoever asked for all of them must not take a part for the whole.
        if (summary.skippedCount > 0) context.exitCode = 1;
      });
    });
}

function exportText(summary: ExportSummary, skipped: Tally, context: CliContext): string {
  const facts = renderFacts(context.terminal, [
    ['written', summary.written],
    ['skipped', summary.skippedCount],
    ['bytes', summary.bytes],
  ]);
  return facts + skippedText(skipped, context);
}
