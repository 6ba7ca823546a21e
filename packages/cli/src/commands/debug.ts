// `holdfast debug`: what somebody who helps wants to see, of all named members, in one folder. What
// does not answer is said there. No key, no value, no secret is asked for: each path below answers
// with states and figures alone, and what looks like a secret is struck out all the same.
import { mkdirSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';

import { HoldfastError, messageOf } from '@holdfast/base/errors';
import { version } from '@holdfast/base/product-version';
import type { ClientTls } from '@holdfast/client/client-tls';
import type { Command } from 'commander';

import { type CliContext, type GlobalOptions, globalsOf, writeJson } from '../context.ts';

/** By the file's name. */
const asked: Readonly<Record<string, string>> = {
  'ready.json': '/readyz',
  'cluster.json': '/v1/cluster',
  'members.json': '/v1/members',
  'diagnosis.json': '/v1/diagnosis',
  'connections.json': '/v1/connections',
  'breakers.json': '/v1/breakers',
  'recovery.json': '/v1/recovery',
  'settings.json': '/v1/settings',
  'metrics.txt': '/metrics',
};

/** A dark member must not hold up the others' pages. */
const answerMs = 3_000;
const answerBytesMax = 8 * 1024 * 1024;

type Page = { readonly endpoint: string; readonly name: string; readonly text: string };
type Silence = { readonly endpoint: string; readonly name: string; readonly why: string };
type Asked = { readonly pages: readonly Page[]; readonly silences: readonly Silence[] };

export function addDebugCommand(program: Command, context: CliContext): void {
  program
    .command('debug')
    .description('collect states and figures of the named members, for whoever helps')
    .option('--dir <dir>', 'a folder that does not exist yet', 'holdfast-debug')
    .addHelpText(
      'after',
      `
Name all members in --endpoints. Keys, values, logs and certificates' keys are not collected.

Example:
  holdfast debug --dir case-7 --endpoints 10.0.0.1:4653,10.0.0.2:4653,10.0.0.3:4653
`,
    )
    .action(async ({ dir }: { readonly dir: string }, command: Command) => {
      const globals = globalsOf(command);
      makeFolder(dir);
      const all = await Promise.all(globals.endpoints.map((one) => askAll(one, globals)));
      const silences = all.flatMap((one) => one.silences);
      for (const { endpoint, name, text } of all.flatMap((one) => one.pages)) {
        const folder = join(dir, endpoint.replaceAll(/[^A-Za-z0-9.-]/g, '_'));
        mkdirSync(folder, { recursive: true });
        writeFileSync(join(folder, name), withoutSecrets(text));
      }
      const at = new Date(context.clock.wallMs()).toISOString();
      const { endpoints } = globals;
      const about = { collectedBy: version, node: process.version, at, endpoints, silences };
      writeFileSync(join(dir, 'about.json'), `${JSON.stringify(about, undefined, 2)}\n`);
      if (globals.output === 'json') return writeJson(context, { dir, ...about });
      await context.terminal.out(summaryOf(dir, globals, all));
    });
}

function makeFolder(dir: string): void {
  try {
    mkdirSync(dir, { mode: 0o700 });
  } catch (error) {
    throw new HoldfastError('already-exists', `${dir} can not be made: ${messageOf(error)}`, {
      details: { hint: 'name a folder that does not exist yet with --dir' },
    });
  }
}

async function askAll(endpoint: string, { tls }: GlobalOptions): Promise<Asked> {
  const pages: Page[] = [];
  const silences: Silence[] = [];
  await Promise.all(
    Object.entries(asked).map(async ([name, path]) => {
      try {
        pages.push({ endpoint, name, text: await pageOf(endpoint, path, tls?.()) });
      } catch (error) {
        // That it does not answer is part of the picture.
        silences.push({ endpoint, name, why: messageOf(error) });
      }
    }),
  );
  return { pages, silences };
}

/** Whatever its status: a refusal is a page, too. */
function pageOf(endpoint: string, path: string, tls: ClientTls | undefined): Promise<string> {
  const options = { agent: false, signal: AbortSignal.timeout(answerMs) } as const;
  return new Promise((resolve, reject) => {
    const given = Object.entries(tls ?? {}).filter(([, text]) => text !== undefined);
    const request = tls
      ? httpsRequest(`https://${endpoint}${path}`, { ...options, ...Object.fromEntries(given) })
      : httpRequest(`http://${endpoint}${path}`, options);
    request.on('error', reject).on('response', (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part: string) => {
        text += part;
        if (text.length > answerBytesMax) request.destroy(new Error('the answer is too long'));
      });
      answer.on('end', () => resolve(text)).on('error', reject);
    });
    request.end();
  });
}

const secret =
  /("[^"]*(?:token|secret|password|private)[^"]*"\s*:\s*)(?:"(?:[^"\\]|\\.)*"|\{[^}]*\})/gi;

/** Settings that are secrets are not shown by a member; should one ever be, it ends here. */
export const withoutSecrets = (text: string): string => text.replaceAll(secret, '$1"(left out)"');

function summaryOf(dir: string, { endpoints }: GlobalOptions, all: readonly Asked[]): string {
  const lines = endpoints.map((endpoint, at) => {
    const { pages = [], silences = [] } = all[at] ?? {};
    if (silences.length === 0) return `${endpoint}: ${pages.length} pages`;
    const [first] = silences;
    return `${endpoint}: ${pages.length} pages, ${silences.length} missing: ${first?.why}`;
  });
  return `${[...lines, `Written to ${dir}; look through it before you hand it on.`].join('\n')}\n`;
}
