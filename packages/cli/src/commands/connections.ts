// `holdfast connections`: one member's connections to its peers, and the breakers that set peers
// aside. Every answer says whose view or deed it is.
import { HoldfastError, isHoldfastError } from '@holdfast/base/errors';
import type { ClientApi } from '@holdfast/client/client-api';
import type {
  AnsweringMember,
  BreakerList,
  ConnectionList,
  PeerConnection,
} from '@holdfast/client/connection-api';
import type { Command } from 'commander';

import type { CliContext } from '../context.ts';
import { type AskingOne, answerOfOne, oneMember } from '../one-member.ts';
import { renderTable } from '../table.ts';
import type { Terminal } from '../terminal.ts';

export function addConnectionsCommands(program: Command, context: CliContext): void {
  const connections = program
    .command('connections')
    .description("a member's connections to its peers, and whom it has set aside")
    .addHelpText(
      'after',
      `${oneMember}
Examples:
  holdfast connections list --endpoints 10.0.0.1:4653
  holdfast connections breakers --endpoints 10.0.0.1:4653
  holdfast connections reset n3 --endpoints 10.0.0.1:4653
`,
    );
  addLists(connections, context);
  addEvictions(connections, context);
  addReset(connections, context);
}

function addLists(connections: Command, context: CliContext): void {
  connections
    .command('list')
    .alias('ls')
    .description('each connection, with its health and the reason of its last failure')
    .addHelpText('after', `${oneMember}\nExample:\n  holdfast connections list\n`)
    .action(async (_options: unknown, command: Command) => {
      const ask = ({ connections: api }: ClientApi) => api.list({ signal: context.signal });
      await answer({ context, command, ask, text: connectionText });
    });
  connections
    .command('breakers')
    .description('each breaker, with why it is open and how long still')
    .addHelpText('after', `${oneMember}\nExample:\n  holdfast connections breakers\n`)
    .action(async (_options: unknown, command: Command) => {
      const ask = ({ breakers }: ClientApi) => breakers.list({ signal: context.signal });
      await answer({ context, command, ask, text: breakerText });
    });
}

function addEvictions(connections: Command, context: CliContext): void {
  connections
    .command('evict')
    .description('end the connections to one peer; they are dialled anew, and nothing is lost')
    .argument('<peer>', 'its name or id')
    .addHelpText('after', `${oneMember}\nExample:\n  holdfast connections evict n3\n`)
    .action(async (peer: string, _options: unknown, command: Command) => {
      const ask = ({ connections: api }: ClientApi) => api.evict(peer, { signal: context.signal });
      await answer({ context, command, ask, text: ({ evicted }) => endedText(evicted) });
    });
  connections
    .command('clear')
    .description('end the connections to all peers; they are dialled anew, and nothing is lost')
    .addHelpText('after', `${oneMember}\nExample:\n  holdfast connections clear\n`)
    .action(async (_options: unknown, command: Command) => {
      const ask = ({ connections: api }: ClientApi) => api.clear({ signal: context.signal });
      await answer({ context, command, ask, text: ({ evicted }) => endedText(evicted) });
    });
}

function addReset(connections: Command, context: CliContext): void {
  connections
    .command('reset')
    .description('close the breaker of one peer, or of all: calls are let through again')
    .argument('[peer]', 'its name or id; all without it')
    .addHelpText('after', `${oneMember}\nExample:\n  holdfast connections reset n3\n`)
    .action(async (peer: string | undefined, _options: unknown, command: Command) => {
      const ask = ({ breakers }: ClientApi) => breakers.reset(peer, { signal: context.signal });
      const text = ({ reset }: { readonly reset: number }): string =>
        `Breakers that were not closed, and are now: ${reset}.\n`;
      await answer({ context, command, ask, text });
    });
}

async function answer<T extends AnsweringMember>(asking: AskingOne<T>): Promise<void> {
  await answerOfOne(asking).catch((error: unknown) => {
    throw withPeerHint(error);
  });
}

/** The general advice for what is not found names configurations and keys. */
function withPeerHint(error: unknown): unknown {
  if (!isHoldfastError(error, 'not-found')) return error;
  const hint = 'name one of its peers, as `holdfast connections list` shows them';
  const { code, message, outcome, details } = error;
  return new HoldfastError(code, message, { outcome, details: { ...details, hint }, cause: error });
}

const endedText = (count: number): string => `Connections that stood, and were ended: ${count}.\n`;

const noPeers = 'It has no peers.\n';

function connectionText({ connections }: ConnectionList, terminal: Terminal): string {
  if (connections.length === 0) return noPeers;
  const heads = ['peer', 'link', 'state', 'failures', 'connection', 'idle', 'answered', 'breaker'];
  const rows = connections.map((one) => [
    one.peer,
    one.purpose,
    one.state,
    one.failures,
    one.open ? `${one.address}, ${timeText(one.openForMs)}` : 'none',
    one.idleSeconds === null ? undefined : `${one.idleSeconds} s`,
    one.lastSuccessAgeMs === null ? undefined : `${timeText(one.lastSuccessAgeMs)} ago`,
    one.breaker,
  ]);
  return `${renderTable(terminal, heads, rows)}${connections.map(reasonLine).join('')}`;
}

/** Reasons are sentences: too wide for a column that is empty on a good day. */
const reasonLine = ({ peer, purpose, reason }: PeerConnection): string =>
  reason === null ? '' : `${peer} ${purpose}: ${reason}\n`;

function breakerText({ breakers }: BreakerList, terminal: Terminal): string {
  if (breakers.length === 0) return noPeers;
  const heads = ['peer', 'breaker', 'failures', 'open for', 'tried again in', 'reason'];
  const rows = breakers.map((one) => [
    one.peer,
    one.state,
    one.failures ?? undefined,
    one.openForMs === null ? undefined : timeText(one.openForMs),
    one.halfOpenInMs === null ? undefined : timeText(one.halfOpenInMs),
    one.reason ?? undefined,
  ]);
  return renderTable(terminal, heads, rows);
}

/** Milliseconds as people say them: 0.4 s, 12 s, 5 min, 3 h. */
function timeText(durationMs: number | null): string {
  const seconds = (durationMs ?? 0) / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}
