// `holdfast status --recovery`: how far each named endpoint's start is, phase by phase. On a
// terminal the picture lives until all of them serve; elsewhere it is one picture, or with --follow
// a line for each step.
import { sleep } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';
import type { ClusterApi, RecoveryView } from '@holdfast/client/cluster-api';

import { type CliContext, type GlobalOptions, writeJson, writeJsonLine } from '../context.ts';
import { askEndpoint } from '../endpoint-answer.ts';
import { type EndpointRecovery, recoveryLine, recoveryText } from '../recovery-text.ts';

type Asking = {
  readonly globals: GlobalOptions;
  readonly context: CliContext;
};

const askEveryMs = 250;
const answerMs = 2_000;

export async function showRecovery(asking: Asking, follow: boolean | undefined): Promise<void> {
  const { globals, context } = asking;
  const isLive = globals.output === 'table' && context.terminal.isOutTty;
  const last = (follow ?? isLive) ? await followAll(asking, isLive) : await showOnce(asking);
  if (last.every(({ view }) => view === undefined)) {
    throw new HoldfastError('unavailable', 'no endpoint answers');
  }
}

async function showOnce(asking: Asking): Promise<readonly EndpointRecovery[]> {
  const { globals, context } = asking;
  const views = await askAll(asking);
  if (globals.output === 'json') await writeJson(context, views);
  else await context.terminal.out(recoveryText(views, context.terminal));
  return views;
}

/** Ends when every endpoint that answers serves, and at least one does. */
async function followAll(asking: Asking, isLive: boolean): Promise<readonly EndpointRecovery[]> {
  const { context } = asking;
  const show = isLive ? liveShow(asking) : lineShow(asking);
  for (;;) {
    const views = await askAll(asking);
    await show(views);
    if (views.every(({ view }) => view?.ready)) return views;
    await sleep(context.clock, askEveryMs, context.signal);
  }
}

type Show = (views: readonly EndpointRecovery[]) => Promise<void>;

/** One picture, drawn over the one before. */
function liveShow({ context }: Asking): Show {
  let lines = 0;
  return async (views) => {
    const text = recoveryText(views, context.terminal);
    const up = lines === 0 ? '' : `\u001b[${lines}A\u001b[J`;
    lines = text.split('\n').length - 1;
    await context.terminal.out(`${up}${text}`);
  };
}

/** A line an endpoint whenever it has something new to say. */
function lineShow({ globals, context }: Asking): Show {
  const said = new Map<string, string>();
  return async (views) => {
    for (const one of views) {
      const line = recoveryLine(one);
      if (said.get(one.endpoint) === line) continue;
      said.set(one.endpoint, line);
      if (globals.output === 'json') await writeJsonLine(context, one);
      else await context.terminal.out(`${line}\n`);
    }
  };
}

function askAll(asking: Asking): Promise<readonly EndpointRecovery[]> {
  const ask = (cluster: ClusterApi, signal: AbortSignal): Promise<RecoveryView> =>
    cluster.recovery({ signal });
  const question = { ...asking, answerMs, ask };
  return Promise.all(asking.globals.endpoints.map((one) => askEndpoint(one, question)));
}
