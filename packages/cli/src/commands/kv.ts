// `holdfast kv`: keys and values.
import { readFile } from 'node:fs/promises';

import { HoldfastError, messageOf } from '@holdfast/base/errors';
import type { KvChange, KvItem } from '@holdfast/client/kv-api';
import type { Command } from 'commander';

import { type CliContext, withClient, writeJson, writeJsonLine } from '../context.ts';
import { readInput } from '../terminal.ts';
import { contentBytesMax } from '../tree/content-limit.ts';
import {
  type FreshnessOptions,
  freshnessOf,
  revisionOption,
  withFreshness,
} from './config-options.ts';
import { textOrBase64 } from './text-or-base64.ts';

export function addKvCommands(program: Command, context: CliContext): void {
  const kv = program
    .command('kv')
    .description('write, read and watch keys')
    .addHelpText(
      'after',
      `
Examples:
  holdfast kv put /feature/dark-mode on
  holdfast kv get /feature/dark-mode
  holdfast kv watch /feature/ --prefix
`,
    );
  addPut(kv, context);
  addGet(kv, context);
  addDel(kv, context);
  addList(kv, context);
  addWatch(kv, context);
  addTxn(kv, context);
}

function addPut(kv: Command, context: CliContext): void {
  kv.command('put')
    .description('write a key; VALUE may be - for standard input')
    .argument('<key>')
    .argument('<value>')
    .addOption(
      revisionOption('--if-revision <revision>', 'only if it stands there; 0: only if new'),
    )
    .option('--lease <id>', 'the key vanishes with this lease (see `holdfast lease grant`)')
    .addHelpText('after', '\nExamples:\n  holdfast kv put a 1\n  holdfast kv put a - < file\n')
    .action(
      async (
        key: string,
        value: string,
        options: { readonly ifRevision?: number; readonly lease?: string },
        command: Command,
      ) => {
        const bytes =
          value === '-' ? await readInput(context.terminal, contentBytesMax) : Buffer.from(value);
        await withClient(context, command, async (client, globals) => {
          const put = { ...options, signal: context.signal };
          const result = await client.kv.put(key, bytes, put);
          if (globals.output === 'json') await writeJson(context, result);
          else await context.terminal.out(`Written at revision ${result.revision}.\n`);
        });
      },
    );
}

type GetOptions = FreshnessOptions & { readonly revision?: number };

function addGet(kv: Command, context: CliContext): void {
  withFreshness(kv.command('get'))
    .description('write the value to standard output, byte for byte')
    .argument('<key>')
    .addOption(revisionOption('--revision <revision>', 'as it was then'))
    .addHelpText('after', '\nExample:\n  holdfast kv get a --consistency stale\n')
    .action(async (key: string, options: GetOptions, command: Command) => {
      await withClient(context, command, async (client, globals) => {
        const { revision } = options;
        const read = { ...freshnessOf(options), revision, signal: context.signal };
        const found = await client.kv.get(key, read);
        if (found === undefined) throw keyNotThere(key);
        if (globals.output === 'json') {
          await writeJson(context, { key, ...found, value: textOrBase64(found.value) });
          return;
        }
        await context.terminal.out(found.value);
        // A shell's prompt on the value's last line is hard to read; a pipe gets the bytes alone.
        if (context.terminal.isOutTty) await context.terminal.out('\n');
      });
    });
}

function addDel(kv: Command, context: CliContext): void {
  kv.command('del')
    .description('delete a key')
    .argument('<key>')
    .addOption(revisionOption('--if-revision <revision>', 'only if it stands there'))
    .addHelpText('after', '\nExample:\n  holdfast kv del a\n')
    .action(async (key: string, options: { readonly ifRevision?: number }, command: Command) => {
      await withClient(context, command, async (client, globals) => {
        const { ifRevision } = options;
        const result = await client.kv.delete(key, { ifRevision, signal: context.signal });
        if (result.deleted === 0) throw keyNotThere(key);
        if (globals.output === 'json') await writeJson(context, result);
        else await context.terminal.out(`Deleted at revision ${result.revision}.\n`);
      });
    });
}

function addList(kv: Command, context: CliContext): void {
  withFreshness(kv.command('list'))
    .alias('ls')
    .description('list keys with their values, a line each')
    .argument('[prefix]', 'only keys that begin so', '')
    .option('--keys-only', 'without values')
    .addHelpText('after', '\nExample:\n  holdfast kv list /feature/ --keys-only\n')
    .action(
      async (
        prefix: string,
        options: FreshnessOptions & { readonly keysOnly?: boolean },
        command: Command,
      ) => {
        await withClient(context, command, async (client, globals) => {
          const { keysOnly } = options;
          const read = { ...freshnessOf(options), prefix, keysOnly, signal: context.signal };
          for await (const item of client.kv.listAll(read)) {
            if (globals.output === 'json') await writeJsonLine(context, viewOf(item, !keysOnly));
            else await context.terminal.out(lineOf(item, !keysOnly));
          }
        });
      },
    );
}

function addWatch(kv: Command, context: CliContext): void {
  kv.command('watch')
    .description('follow the changes of a key, or of all with a prefix')
    .argument('<key>')
    .option('--prefix', 'all keys that begin so')
    .addOption(revisionOption('--from-revision <revision>', 'begin in the past'))
    .addHelpText('after', '\nExample:\n  holdfast kv watch /feature/ --prefix --output json\n')
    .action(
      async (
        key: string,
        options: { readonly prefix?: boolean; readonly fromRevision?: number },
        command: Command,
      ) => {
        await withClient(context, command, async (client, globals) => {
          const what = options.prefix ? { prefix: key } : { key };
          const { fromRevision } = options;
          const changes = client.kv.watch({ ...what, fromRevision, signal: context.signal });
          for await (const change of changes) {
            await tellChange(context, change, globals.output);
          }
        });
      },
    );
}

async function tellChange(context: CliContext, change: KvChange, form: string): Promise<void> {
  for (const { type, item } of change.events) {
    const hasValue = type === 'put';
    if (form === 'json') {
      const { revision } = change;
      await writeJsonLine(context, { revision, type, ...viewOf(item, hasValue) });
    } else {
      await context.terminal.out(`${change.revision}  ${type}  ${lineOf(item, hasValue)}`);
    }
  }
}

function addTxn(kv: Command, context: CliContext): void {
  kv.command('txn')
    .description('compare, then do one or the other: JSON from FILE, or - for standard input')
    .argument('<file>')
    .addHelpText(
      'after',
      `
Example:
  echo '{"compare": [{"key": "a", "target": "value", "is": "equal", "value": "1"}],
         "success": [{"put": {"key": "a", "value": "2"}}],
         "failure": [{"get": {"key": "a"}}]}' | holdfast kv txn -
Exits with 4 where the comparison fails.
`,
    )
    .action(async (file: string, _options: unknown, command: Command) => {
      const bytes =
        file === '-' ? await readInput(context.terminal, contentBytesMax) : await readFile(file);
      const request = parseRequest(Buffer.from(bytes).toString('utf8'));
      await withClient(context, command, async (client) => {
        const answer = await client.kv.txn(request, { signal: context.signal });
        await writeJson(context, answer);
        if (!(answer as { succeeded?: boolean }).succeeded) context.exitCode = 4;
      });
    });
}

function parseRequest(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new HoldfastError(
      'invalid-argument',
      `the transaction is not JSON: ${messageOf(cause)}`,
      { cause },
    );
  }
}

const keyNotThere = (key: string): HoldfastError =>
  new HoldfastError('not-found', `there is no key ${JSON.stringify(key)}`);

/** Control characters would take over the terminal: such a value is shown as JSON text. */
function lineOf(item: KvItem, hasValue: boolean): string {
  if (!hasValue) return `${item.key}\n`;
  const value = textOrBase64(item.value);
  const isPlain = typeof value === 'string' && !/\p{Cc}/u.test(value);
  return `${item.key}  ${isPlain ? value : JSON.stringify(value)}\n`;
}

const viewOf = ({ keyBytes, value, ...item }: KvItem, hasValue: boolean) => ({
  ...item,
  ...(hasValue ? { value: textOrBase64(value) } : {}),
});
