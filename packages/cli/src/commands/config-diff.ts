// `holdfast config diff`: what changed between two versions, or between a version and a file.
import { readFile } from 'node:fs/promises';

import type { ConfigApi } from '@holdfast/client/config-api';
import type { Command } from 'commander';
import { createTwoFilesPatch } from 'diff';
import pc from 'picocolors';

import { type CliContext, withClient, writeJson } from '../context.ts';
import { readInput, type Terminal } from '../terminal.ts';
import { contentBytesMax } from '../tree/content-limit.ts';
import { idOf, type PlaceOptions, versionOption, withPlace } from './config-options.ts';
import { missing } from './config-versions.ts';

type DiffOptions = PlaceOptions & {
  readonly from?: number;
  readonly to?: number;
  readonly file?: string;
};

type Side = { readonly title: string; readonly text: string };

export function addConfigDiffCommand(config: Command, context: CliContext): void {
  withPlace(config.command('diff'))
    .description('show what changed, by default from the version before the newest')
    .argument('<name>')
    .addOption(versionOption('--from <version>', 'the older one'))
    .addOption(versionOption('--to <version>', 'the newer one, instead of the newest'))
    .option('--file <file>', 'compare with this file, or - for standard input, as the newer one')
    .addHelpText(
      'after',
      `
Exits with 0 where both are the same, and with 1 where they differ.

Examples:
  holdfast config diff app.yaml --from 3 --to 5
  holdfast config diff app.yaml --file ./app.yaml
`,
    )
    .action(async (name: string, options: DiffOptions, command: Command) => {
      await withClient(context, command, async ({ configs }, globals) => {
        const [older, newer] = await bothSides(name, options, { configs, context });
        const isSame = older.text === newer.text;
        const patch = isSame
          ? ''
          : createTwoFilesPatch(older.title, newer.title, older.text, newer.text);
        if (globals.output === 'json') await writeJson(context, { same: isSame, patch });
        else await context.terminal.out(isSame ? '' : colored(patch, context.terminal));
        if (!isSame) context.exitCode = 1;
      });
    });
}

async function bothSides(
  name: string,
  options: DiffOptions,
  ports: { readonly configs: ConfigApi; readonly context: CliContext },
): Promise<readonly [Side, Side]> {
  const stored = (version: number | undefined): Promise<Side> =>
    storedSide(name, options, { ...ports, version });
  if (options.file !== undefined) {
    return [await stored(options.from), await fileSide(options.file, ports.context)];
  }
  const newer = await stored(options.to);
  if (options.from !== undefined) return [await stored(options.from), newer];
  const before = await versionBefore(name, options, ports);
  if (before === undefined) return [{ title: 'nothing', text: '' }, newer];
  return [await stored(before), newer];
}

/** Of the newest, or of `--to`: the next older one that history still has. */
async function versionBefore(
  name: string,
  options: DiffOptions,
  { configs, context }: { readonly configs: ConfigApi; readonly context: CliContext },
): Promise<number | undefined> {
  const history = await configs.history(idOf(name, options), { signal: context.signal });
  const versions = history.map((one) => one.version).sort((a, b) => b - a);
  const newest = options.to ?? versions[0] ?? 0;
  return versions.find((version) => version < newest);
}

async function storedSide(
  name: string,
  options: DiffOptions,
  ports: {
    readonly configs: ConfigApi;
    readonly context: CliContext;
    readonly version: number | undefined;
  },
): Promise<Side> {
  const { version, context } = ports;
  const found = await ports.configs.get(idOf(name, options), { version, signal: context.signal });
  if (found === undefined) throw missing(name, version, options);
  return { title: `${name} (version ${found.version})`, text: textOf(found.content) };
}

async function fileSide(file: string, { terminal }: CliContext): Promise<Side> {
  const content = file === '-' ? await readInput(terminal, contentBytesMax) : await readFile(file);
  return { title: file, text: textOf(content) };
}

const textOf = (content: Uint8Array): string => Buffer.from(content).toString('utf8');

function colored(patch: string, terminal: Terminal): string {
  const { red, green, cyan } = pc.createColors(terminal.useColor);
  const line = (text: string): string => {
    if (text.startsWith('+')) return green(text);
    if (text.startsWith('-')) return red(text);
    return text.startsWith('@@') ? cyan(text) : text;
  };
  return patch
    .split('\n')
    .filter((text) => !/^=+$/.test(text))
    .map(line)
    .join('\n');
}
