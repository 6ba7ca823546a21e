// Commands about one member: they ask the first endpoint that answers, and say whose view or deed
// it was.
import type { ClientApi } from '@holdfast/client/client-api';
import type { AnsweringMember } from '@holdfast/client/connection-api';
import type { Command } from 'commander';

import { type CliContext, globalsOf, writeJson } from './context.ts';
import { firstAnswer } from './first-answer.ts';
import type { Terminal } from './terminal.ts';

export const oneMember = `
This is about one member: the first endpoint of --endpoints that answers. Name the one you mean.
`;

export type AskingOne<T> = {
  readonly context: CliContext;
  readonly command: Command;
  readonly ask: (client: ClientApi) => Promise<T>;
  readonly text: (result: T, terminal: Terminal) => string;
};

/** Writes what the member answers. Rejects as firstAnswer does. */
export async function answerOfOne<T extends AnsweringMember>(asking: AskingOne<T>): Promise<void> {
  const { context, command, ask, text } = asking;
  const globals = globalsOf(command);
  const result = await firstAnswer(context, globals, ask);
  if (globals.output === 'json') return await writeJson(context, result);
  const { member, endpoint } = result;
  await context.terminal.out(`On ${member} (${endpoint}):\n${text(result, context.terminal)}`);
}
