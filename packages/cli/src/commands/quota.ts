// `holdfast quota`: how many bytes the keys, the configurations and each of their namespaces may
// hold.
import type { QuotaView } from '@holdfast/client/quota-api';
import type { Command } from 'commander';

import { type CliContext, withClient, writeJson } from '../context.ts';
import { byteCount } from '../option-parsers.ts';
import { renderTable } from '../table.ts';

const scopeHelp = 'kv, configs, or configs/NAMESPACE';

export function addQuotaCommands(program: Command, context: CliContext): void {
  const quota = program
    .command('quota')
    .description('how many bytes keys and configurations may hold')
    .addHelpText(
      'after',
      `
Examples:
  holdfast quota list
  holdfast quota set configs/payments 20MB
  holdfast quota remove configs/payments
`,
    );
  addList(quota, context);
  addSet(quota, context);
  addRemove(quota, context);
}

function addList(quota: Command, context: CliContext): void {
  quota
    .command('list')
    .alias('ls')
    .description('what lives in each keyspace and namespace, and how much may')
    .action(async (_options: unknown, command: Command) => {
      await withClient(context, command, async ({ quotas }, globals) => {
        const all = await quotas.list({ signal: context.signal });
        if (globals.output === 'json') await writeJson(context, all);
        else await context.terminal.out(quotaTable(all, context));
      });
    });
}

function addSet(quota: Command, context: CliContext): void {
  quota
    .command('set')
    .description('refuse writes that would grow a scope beyond so many bytes')
    .argument('<scope>', scopeHelp)
    .argument('<bytes>', 'such as 500000, 20MB or 1GiB', byteCount)
    .action(async (scope: string, bytesMax: number, _options: unknown, command: Command) => {
      await withClient(context, command, async ({ quotas }, globals) => {
        await quotas.set(scope, bytesMax, { signal: context.signal });
        if (globals.output === 'json') await writeJson(context, { scope, bytesMax });
        else await context.terminal.out(`${scope} may hold ${bytesMax} bytes.\n`);
      });
    });
}

function addRemove(quota: Command, context: CliContext): void {
  quota
    .command('remove')
    .alias('rm')
    .description('lift a quota')
    .argument('<scope>', scopeHelp)
    .action(async (scope: string, _options: unknown, command: Command) => {
      await withClient(context, command, async ({ quotas }, globals) => {
        await quotas.remove(scope, { signal: context.signal });
        if (globals.output === 'json') await writeJson(context, { scope, bytesMax: null });
        else await context.terminal.out(`${scope} may hold as much as fits.\n`);
      });
    });
}

function quotaTable(all: readonly QuotaView[], { terminal }: CliContext): string {
  const rows = all.map(({ scope, bytes, bytesMax }) => [
    scope,
    bytes,
    bytesMax ?? '-',
    bytesMax === null ? '-' : `${Math.floor((100 * bytes) / bytesMax)} %`,
  ]);
  return renderTable(terminal, ['scope', 'bytes', 'quota', 'used'], rows);
}
