// What every command is given: where it speaks, its time and chance, how it reaches a cluster. Made
// once by main.ts, and by tests with a captured terminal.
import type { Clock } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';
import { jsonSafe } from '@holdfast/base/json';
import type { Random } from '@holdfast/base/random';
import { type ClientUser, clientUserOf } from '@holdfast/client/authorized-http';
import type { ClientApi } from '@holdfast/client/client-api';
import type { ClientTls } from '@holdfast/client/client-tls';
import type { Command } from 'commander';

import { clientTlsFrom, type TlsFlags } from './client-tls-files.ts';
import type { StartFlags } from './start-flags.ts';
import type { Terminal } from './terminal.ts';

export type OutputForm = 'table' | 'json';

export type GlobalOptions = {
  readonly endpoints: readonly string[];
  readonly output: OutputForm;
  readonly timeoutMs: number;
  /** Undefined: in clear text. */
  readonly tls?: (() => ClientTls) | undefined;
  /** Who asks, where access control is on. */
  readonly user?: ClientUser | undefined;
};

export type CliContext = {
  readonly terminal: Terminal;
  readonly clock: Clock;
  readonly random: Random;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted by Ctrl-C or a request to end. */
  readonly signal: AbortSignal;
  /** How node starts this very command again: its flags and the script. */
  readonly selfArgs: readonly string[];
  readonly openClient: (options: GlobalOptions) => ClientApi;
  /** Becomes a member until the signal aborts; answers the exit code. */
  readonly runMember: (flags: StartFlags, signal: AbortSignal) => Promise<number>;
  /** Runs the simulator with these arguments; answers the exit code. */
  readonly runSimulator: (args: readonly string[]) => Promise<number>;
  /** Set by a command that has answered, but not with success. */
  exitCode: number;
};

/** The global options as one command sees them. Throws `invalid-argument`. */
export function globalsOf(command: Command): GlobalOptions {
  const { endpoints, output, timeout, user, ...flags } = command.optsWithGlobals<
    { endpoints: string; output: OutputForm; timeout: number; user?: string } & TlsFlags
  >();
  const tls = clientTlsFrom(flags, isSecure(endpoints, flags));
  const named = user === undefined ? undefined : clientUserOf(user);
  return { endpoints: parseEndpoints(endpoints), output, timeoutMs: timeout, tls, user: named };
}

/** Opens a client for one piece of work, and closes it whatever happens. */
export async function withClient<T>(
  context: CliContext,
  command: Command,
  work: (client: ClientApi, globals: GlobalOptions) => Promise<T>,
): Promise<T> {
  const globals = globalsOf(command);
  const client = context.openClient(globals);
  try {
    return await work(client, globals);
  } finally {
    await client.close();
  }
}

/** Whether the endpoints are said to speak TLS. One client speaks to all of them alike. */
function isSecure(text: string, { ca, cert }: TlsFlags): boolean {
  const schemes = new Set(text.split(',').map((one) => /^\s*(https?):/.exec(one)?.[1]));
  const isClear = schemes.has('http');
  if (!isClear || !(schemes.has('https') || ca !== undefined || cert !== undefined)) {
    return schemes.has('https');
  }
  throw new HoldfastError('invalid-argument', 'an endpoint with http:// can not be asked by TLS', {
    details: { hint: 'write https:// before all endpoints, or name no --ca and no --cert' },
  });
}

/** `host:port`, with commas between several; a bare host gets the default port. */
export function parseEndpoints(text: string): readonly string[] {
  const endpoints = text
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '')
    .map((one) => withPort(one.replace(/^https?:\/\//, '').replace(/\/+$/, '')));
  if (endpoints.length > 0) return endpoints;
  throw new HoldfastError('invalid-argument', '--endpoints names no endpoint', {
    details: { hint: 'give host:port, with commas between several: 127.0.0.1:4653' },
  });
}

function withPort(endpoint: string): string {
  const full = /:\d+$/.test(endpoint) ? endpoint : `${endpoint}:4653`;
  const port = Number(full.slice(full.lastIndexOf(':') + 1));
  if (/^(\[[0-9a-fA-F:.%]+\]|[^\s:/@[\]]+):\d+$/.test(full) && port > 0 && port < 65_536) {
    return full;
  }
  throw new HoldfastError('invalid-argument', `${JSON.stringify(endpoint)} is no endpoint`, {
    details: { hint: 'give host:port, as in 127.0.0.1:4653' },
  });
}

export const writeJson = (context: CliContext, value: unknown): Promise<void> =>
  context.terminal.out(`${JSON.stringify(value, jsonSafe, 2)}\n`);

/** One line a value, for streams. */
export const writeJsonLine = (context: CliContext, value: unknown): Promise<void> =>
  context.terminal.out(`${JSON.stringify(value, jsonSafe)}\n`);
