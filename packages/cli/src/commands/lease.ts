// `holdfast lease`: leases, and the keys that vanish with them.
import { once } from 'node:events';

import { HoldfastError, isHoldfastError } from '@holdfast/base/errors';
import type { LeaseStatus } from '@holdfast/client/lease-api';
import type { Command } from 'commander';

import { type CliContext, withClient, writeJson } from '../context.ts';
import { durationMs, integerIn } from '../option-parsers.ts';
import { renderFacts } from '../table.ts';

export function addLeaseCommands(program: Command, context: CliContext): void {
  const lease = program
    .command('lease')
    .description('grant, keep and revoke leases')
    .addHelpText(
      'after',
      `
Examples:
  holdfast lease grant 30s
  holdfast kv put /online/me here --lease 7587881234
  holdfast lease keep-alive 7587881234
`,
    );
  addGrant(lease, context);
  addRevoke(lease, context);
  addKeepAlive(lease, context);
  addTtl(lease, context);
  addList(lease, context);
}

function addGrant(lease: Command, context: CliContext): void {
  lease
    .command('grant')
    .description('grant a lease that lives so long without a keep-alive')
    .argument('<duration>', 'such as 30s or 5m', durationMs)
    .option('--id <id>', 'an id of your own; a taken one is refused')
    .addHelpText('after', '\nExample:\n  holdfast lease grant 30s\n')
    .action(async (ttlMs: number, options: { readonly id?: string }, command: Command) => {
      await withClient(context, command, async ({ leases }, globals) => {
        const grant = await leases
          .grant(ttlMs, { ...options, signal: context.signal })
          .catch((error: unknown) => {
            throw withUnitHint(error, command.args[0] ?? '');
          });
        if (globals.output === 'json') await writeJson(context, grant);
        else await context.terminal.out(`Lease ${grant.id} lives for ${secondsOf(grant.ttlMs)}.\n`);
      });
    });
}

/** Seconds were meant, most likely: so the lease of `30` is refused as too short. */
function withUnitHint(error: unknown, duration: string): unknown {
  const isTooShort = isHoldfastError(error, 'invalid-argument') && error.message.includes(' ms');
  if (!isTooShort || !/^[\d.]+$/.test(duration) || Number(duration) >= 1_000) return error;
  const hint = `a bare number counts milliseconds: write the unit, as in ${duration}s`;
  const details = { ...error.details, hint };
  const { code, message, outcome } = error;
  return new HoldfastError(code, message, { outcome, details, cause: error });
}

function addRevoke(lease: Command, context: CliContext): void {
  lease
    .command('revoke')
    .description('end a lease, and delete its keys in one revision')
    .argument('<id>')
    .addHelpText('after', '\nExample:\n  holdfast lease revoke 7587881234\n')
    .action(async (id: string, _options: unknown, command: Command) => {
      await withClient(context, command, async ({ leases }, globals) => {
        const result = await leases.revoke(id, { signal: context.signal });
        if (globals.output === 'json') await writeJson(context, result);
        else await context.terminal.out(`Revoked; keys deleted: ${result.deleted}.\n`);
      });
    });
}

function addKeepAlive(lease: Command, context: CliContext): void {
  lease
    .command('keep-alive')
    .description('keep a lease alive until Ctrl-C, or once')
    .argument('<id>')
    .option('--once', 'one keep-alive, and no more')
    .addHelpText('after', '\nExample:\n  holdfast lease keep-alive 7587881234\n')
    .action(async (id: string, options: { readonly once?: boolean }, command: Command) => {
      await withClient(context, command, async ({ leases }, globals) => {
        const { signal, terminal } = context;
        const time = await leases.keepAlive(id, { signal });
        if (globals.output === 'json') await writeJson(context, time);
        else await terminal.out(`Lease ${id} lives for another ${secondsOf(time.ttlMs)}.\n`);
        if (options.once) return;
        await using held = leases.hold(time);
        const ended = AbortSignal.any([signal, held.lost]);
        if (!ended.aborted) await once(ended, 'abort');
        throw ended.reason;
      });
    });
}

function addTtl(lease: Command, context: CliContext): void {
  lease
    .command('ttl')
    .description('what is left of a lease')
    .argument('<id>')
    .option('--keys', 'with the keys that hang on it')
    .addHelpText('after', '\nExample:\n  holdfast lease ttl 7587881234 --keys\n')
    .action(async (id: string, options: { readonly keys?: boolean }, command: Command) => {
      await withClient(context, command, async ({ leases }, globals) => {
        const status = await leases.timeToLive(id, { ...options, signal: context.signal });
        if (globals.output === 'json') await writeJson(context, status);
        else await context.terminal.out(statusText(status, context));
      });
    });
}

function addList(lease: Command, context: CliContext): void {
  lease
    .command('list')
    .alias('ls')
    .description('the leases that there are, oldest first')
    .option('--limit <count>', 'so many at most', integerIn(1, 10_001), 1000)
    .addHelpText('after', '\nExample:\n  holdfast lease list\n')
    .action(async (options: { readonly limit: number }, command: Command) => {
      await withClient(context, command, async ({ leases }, globals) => {
        const list = await leases.list({ ...options, signal: context.signal });
        if (globals.output === 'json') await writeJson(context, list);
        else await context.terminal.out(list.ids.map((id) => `${id}\n`).join(''));
      });
    });
}

function statusText(status: LeaseStatus, { terminal }: CliContext): string {
  const keys = (status.keys ?? []).map((key, at) => [at === 0 ? 'keys' : '', key] as const);
  return renderFacts(terminal, [
    ['lease', status.id],
    ['granted for', secondsOf(status.ttlMs)],
    ['left', secondsOf(status.remainingMs)],
    ...keys,
  ]);
}

const secondsOf = (durationInMs: number): string => `${durationInMs / 1000} s`;
