// `holdfast diagnose`: what is wrong with the cluster, in sentences, as the asked member finds it.
import type { Diagnosis, DiagnosisFinding } from '@holdfast/client/cluster-api';
import type { Command } from 'commander';

import { type CliContext, withClient, writeJson } from '../context.ts';
import type { Terminal } from '../terminal.ts';

/** Something is wrong: for scripts, as `verify` does it. */
const findingsExitCode = 1;

export function addDiagnoseCommand(program: Command, context: CliContext): void {
  program
    .command('diagnose')
    .description('say what is wrong with the cluster, and what to do')
    .addHelpText(
      'after',
      '\nThe member that is asked asks all others, and answers in under a second, whoever is\n' +
        'dark. Exit code 1 if anything is critical or to be warned of.\n\n' +
        'Example:\n  holdfast diagnose --endpoints 10.0.0.1:4653\n',
    )
    .action(async (_options: unknown, command: Command) => {
      await withClient(context, command, async ({ cluster }, globals) => {
        const diagnosis = await cluster.diagnosis({ signal: context.signal });
        if (globals.output === 'json') await writeJson(context, diagnosis);
        else await context.terminal.out(diagnosisText(diagnosis, context.terminal));
        if (!diagnosis.well) context.exitCode = findingsExitCode;
      });
    });
}

export function diagnosisText(diagnosis: Diagnosis, terminal: Terminal): string {
  const { by, findings, members } = diagnosis;
  const answered = members.filter((one) => one.answered).length;
  const asked = `asked by ${by}: ${answered} of ${members.length} members answered`;
  if (findings.length === 0) return `all is well (${asked})\n`;
  return `${findings.map((one) => findingText(one, terminal)).join('\n')}\n${asked}\n`;
}

const findingText = (
  { severity, case: name, says }: DiagnosisFinding,
  terminal: Terminal,
): string => wrapped(`${severity.padEnd(8)}  ${name}: ${says}`, Math.max(40, terminal.columns));

/** Continued lines stand under the first word behind the severity. */
function wrapped(text: string, columns: number): string {
  const indent = ' '.repeat(10);
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line.trim() !== '' && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = `${indent}${word}`;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].join('\n');
}
