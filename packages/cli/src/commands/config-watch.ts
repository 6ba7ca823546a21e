// `holdfast config watch`: a line a change, until Ctrl-C.
import type { ConfigChange } from '@holdfast/client/config-api';
import type { Command } from 'commander';

import { type CliContext, withClient, writeJsonLine } from '../context.ts';
import { type PlaceOptions, revisionOption, withPlace } from './config-options.ts';
import { textOrBase64 } from './text-or-base64.ts';

type WatchOptions = PlaceOptions & {
  readonly prefix?: boolean;
  readonly content?: boolean;
  readonly fromRevision?: number;
};

export function addConfigWatchCommand(config: Command, context: CliContext): void {
  withPlace(config.command('watch'))
    .description('follow the changes of one configuration, or of a whole group')
    .argument('[name]', 'all of the group without it')
    .option('--prefix', 'all names that begin so')
    .option('--content', 'with the contents, in --output json')
    .addOption(revisionOption('--from-revision <revision>', 'begin in the past'))
    .addHelpText(
      'after',
      `
After a broken connection it goes on with another member, and neither skips nor repeats a change.

Examples:
  holdfast config watch app.yaml
  holdfast config watch --group web --output json
`,
    )
    .action(async (name: string | undefined, options: WatchOptions, command: Command) => {
      await withClient(context, command, async ({ configs }, globals) => {
        const { namespace, group, fromRevision } = options;
        const changes = configs.watch({
          namespace,
          group,
          ...(options.prefix || name === undefined ? { prefix: name ?? '' } : { name }),
          withContent: options.content,
          fromRevision,
          signal: context.signal,
        });
        for await (const change of changes) {
          if (globals.output === 'table') await context.terminal.out(lineOf(change));
          else await writeJsonLine(context, { ...change, content: contentOf(change) });
        }
      });
    });
}

function lineOf(change: ConfigChange): string {
  const { revision, kind, version, name, bytes, actor } = change;
  const size = kind === 'delete' ? '' : `  ${bytes} bytes`;
  return `${revision}  ${kind}  ${name}  version ${version}${size}  by ${actor}\n`;
}

const contentOf = ({ content }: ConfigChange) =>
  content === undefined ? undefined : textOrBase64(content);
