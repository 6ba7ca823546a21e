// `holdfast status`: each endpoint's own view, side by side. A member that does not answer is a
// line of the answer, not the end of it.
import { HoldfastError } from '@holdfast/base/errors';
import type { ClusterView } from '@holdfast/client/cluster-api';
import type { Command } from 'commander';

import { type CliContext, type GlobalOptions, globalsOf, writeJson } from '../context.ts';
import { askEndpoint, type EndpointAnswer } from '../endpoint-answer.ts';
import { type Cell, renderTable } from '../table.ts';
import { memberTable } from './member.ts';
import { showRecovery } from './recovery-status.ts';

type EndpointView = EndpointAnswer<ClusterView>;

const answerMs = 3_000;

type StatusOptions = { readonly recovery?: boolean; readonly follow?: boolean };

export function addStatusCommand(program: Command, context: CliContext): void {
  program
    .command('status')
    .description('how the cluster is, as each endpoint sees it')
    .option('--recovery', 'how far the start of each named endpoint is')
    .option('--follow', 'with --recovery: until all of them serve (default on a terminal)')
    .option('--no-follow', 'with --recovery: once')
    .addHelpText(
      'after',
      `
Asks the members that --endpoints names, and those whose client address they know.
Exits with 5 where no endpoint answers, or the cluster has no leader.

Example:
  holdfast status --endpoints 10.0.0.1:4653,10.0.0.2:4653
  holdfast status --recovery
`,
    )
    .action(async ({ recovery, follow }: StatusOptions, command: Command) => {
      const globals = globalsOf(command);
      if (recovery) {
        await showRecovery({ globals, context }, follow);
        return;
      }
      const views = await askAll(globals, context);
      if (globals.output === 'json') await writeJson(context, views);
      else await context.terminal.out(statusText(views, context));
      judge(views);
    });
}

/** The named endpoints, and then the members that they know of and nobody named. */
async function askAll(
  globals: GlobalOptions,
  context: CliContext,
): Promise<readonly EndpointView[]> {
  const ask = (endpoint: string): Promise<EndpointView> =>
    askEndpoint(endpoint, {
      globals,
      context,
      answerMs,
      ask: (cluster, signal) => cluster.view({ signal }),
    });
  const named = await Promise.all(globals.endpoints.map(ask));
  const known = new Set(globals.endpoints);
  const ids = new Set(named.map(({ view }) => view?.memberId));
  const others = named
    .flatMap(({ view }) => view?.members ?? [])
    .filter((member) => !ids.has(member.id))
    .flatMap((member) => member.clientAddresses.slice(0, 1))
    .filter((address) => !known.has(address));
  return [...named, ...(await Promise.all([...new Set(others)].map(ask)))];
}

function statusText(views: readonly EndpointView[], context: CliContext): string {
  const { terminal } = context;
  const heads = ['endpoint', 'name', 'role', 'term', 'revision', 'applied', 'keys', 'ready'];
  const table = renderTable(terminal, heads, views.map(rowOf));
  const best = views.find(({ view }) => view?.role === 'leader') ?? views.find(({ view }) => view);
  if (best?.view === undefined) return table;
  const missing = best.view.missingVoters;
  const nameOf = (id: string): string =>
    best.view?.members.find((member) => member.id === id)?.name || id;
  const warning =
    missing.length === 0 ? '' : `\nNot reachable: ${missing.map(nameOf).join(', ')}.\n`;
  return `${table}\n${memberTable(best.view.members, terminal)}${warning}`;
}

const dashes = ['-', '-', '-', '-', '-', '-'];

function rowOf({ endpoint, view, error }: EndpointView): readonly Cell[] {
  if (view === undefined) return [endpoint, ...dashes, `does not answer: ${error}`];
  return [
    endpoint,
    view.name,
    view.role,
    view.term,
    view.revision,
    view.appliedIndex,
    view.keys,
    view.ready ? 'yes' : `no: ${view.notReadyReason}`,
  ];
}

function judge(views: readonly EndpointView[]): void {
  const answered = views.flatMap(({ view }) => view ?? []);
  if (answered.length === 0) {
    throw new HoldfastError('unavailable', 'no endpoint answers');
  }
  if (answered.every(({ leader }) => leader === null)) {
    if (answered.every(lacksMajority)) {
      throw new HoldfastError('no-quorum', 'too few voters are reachable to have a leader');
    }
    throw new HoldfastError('no-leader', 'the cluster has no leader', {
      details: { hint: 'an election takes about a second: look again then' },
    });
  }
}

/** A member that starts knows of none that is missing, nor of any other. */
const lacksMajority = ({ members, missingVoters }: ClusterView): boolean =>
  missingVoters.length > 0 &&
  missingVoters.length * 2 >= members.filter(({ role }) => role !== 'observer').length;
