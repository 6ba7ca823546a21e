// `holdfast integrity` and `holdfast scrub`: whether a member holds what the others hold, and
// whether its files are what was written (safety.md 10). Every answer says whose view it is.
import { sleep } from '@holdfast/base/clock';
import type { ClientApi } from '@holdfast/client/client-api';
import type { IntegrityView, ScrubView } from '@holdfast/client/integrity-api';
import type { Command } from 'commander';

import type { CliContext } from '../context.ts';
import { answerOfOne, oneMember } from '../one-member.ts';
import { renderTable } from '../table.ts';
import type { Terminal } from '../terminal.ts';

export function addIntegrityCommands(program: Command, context: CliContext): void {
  const integrity = program
    .command('integrity')
    .description('whether the members hold the same state')
    .addHelpText(
      'after',
      `${oneMember}
Examples:
  holdfast integrity show --endpoints 10.0.0.1:4653
  holdfast integrity check
  holdfast integrity overwrite --endpoints 10.0.0.3:4653
`,
    );
  const add = (
    name: string,
    description: string,
    ask: (client: ClientApi) => Promise<IntegrityView>,
  ): void => {
    integrity
      .command(name)
      .description(description)
      .addHelpText('after', `${oneMember}\nExample:\n  holdfast integrity ${name}\n`)
      .action(async (_options: unknown, command: Command) => {
        await answerOfOne({ context, command, ask, text: integrityText });
      });
  };
  const { signal } = context;
  add('show', 'the last comparison, as this member sees it', (client) =>
    client.integrity.view({ signal }),
  );
  add('check', 'compare the states of all members now', (client) => checkAndSee(client, context));
  add('overwrite', 'let a member in quarantine be overwritten, however much differs', (client) =>
    client.integrity.overwrite({ signal }),
  );
}

export function addScrubCommand(program: Command, context: CliContext): void {
  const scrub = program
    .command('scrub')
    .description('read the files of a member at rest again, and mend what has rotten')
    .addHelpText(
      'after',
      `${oneMember}
Examples:
  holdfast scrub start --endpoints 10.0.0.1:4653
  holdfast scrub show
`,
    );
  const { signal } = context;
  const add = (
    name: string,
    description: string,
    ask: (client: ClientApi) => Promise<ScrubView>,
  ): void => {
    scrub
      .command(name)
      .description(description)
      .addHelpText('after', `${oneMember}\nExample:\n  holdfast scrub ${name}\n`)
      .action(async (_options: unknown, command: Command) => {
        await answerOfOne({ context, command, ask, text: scrubText });
      });
  };
  add('show', 'how far a pass is, and what the last one found', (client) =>
    client.integrity.scrub({ signal }),
  );
  add('start', 'begin a pass now', (client) => client.integrity.startScrub({ signal }));
}

/** A comparison takes the members a moment: what it came to is what was asked for. */
export async function checkAndSee(
  { integrity }: Pick<ClientApi, 'integrity'>,
  { clock, signal }: Pick<CliContext, 'clock' | 'signal'>,
): Promise<IntegrityView> {
  const before = await integrity.check({ signal });
  const untilMs = clock.monotonicMs() + checkMsMax;
  for (;;) {
    const now = await integrity.view({ signal });
    const isOver = now.checkIndex !== before.checkIndex && now.verdict !== 'open';
    if (isOver || clock.monotonicMs() >= untilMs) return now;
    await sleep(clock, lookMs, signal);
  }
}

/** A member that is down does not report: then what the others said is shown. */
const checkMsMax = 5000;
const lookMs = 100;

export function integrityText(view: IntegrityView, terminal: Terminal): string {
  const { checkIndex, verdict, odd, reports, quarantine } = view;
  const lines: string[] = [];
  if (quarantine) lines.push(`${quarantine.says}; since ${quarantine.since}\n`);
  if (checkIndex === null) return `${lines.join('')}No comparison since its start.\n`;
  lines.push(`Compared at entry ${checkIndex}: ${verdictText[verdict] ?? verdict}.\n`);
  for (const { member, partsDiffering } of odd) {
    lines.push(`${member} differs in ${partsDiffering} parts of its state.\n`);
  }
  const rows = reports.map(({ member, rolling, content }) => [member, rolling, content]);
  const table = renderTable(terminal, ['member', 'all changes', 'in memory'], rows);
  return `${lines.join('')}${table}`;
}

const verdictText: Readonly<Record<string, string>> = {
  open: 'too few have reported yet',
  equal: 'all that have reported are equal',
  odd: 'a majority is equal, and not all are',
  undecided: 'members differ, and no majority agrees',
};

export function scrubText({ running, last, passes, found }: ScrubView): string {
  const now = running
    ? `A pass reads the ${running.what}: ${running.bytes} bytes so far.\n`
    : 'No pass is under way.\n';
  if (!last) return now;
  const end = last.whole ? '' : ', and did not come to its end';
  return (
    `${now}The last pass ended ${last.ended}: ${last.bytes} bytes in ${last.tookMs} ms, ` +
    `${last.found} found rotten${end}.\n` +
    `Since its start: ${passes} passes, ${found} found rotten.\n`
  );
}
