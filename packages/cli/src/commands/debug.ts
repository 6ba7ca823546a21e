// `holdfast debug`: what somebody who helps wants to see, of all members, in one folder. What does
// not answer is said there. No key, no value, no secret is asked for: each path below answers with
// states and figures alone, and what looks like a secret is struck out all the same.
import { mkdirSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';

import { HoldfastError, messageOf } from '@holdfast/base/errors';
import { version } from '@holdfast/base/product-version';
import type { ClientTls } from '@holdfast/client/client-tls';
import type { ClusterView } from '@holdfast/client/cluster-api';
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
  'integrity.json': '/v1/integrity',
  'scrub.json': '/v1/scrub',
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
    .description('collect states and figures of all members, for whoever helps')
    .option('--dir <dir>', 'a folder that does not exist yet', 'holdfast-debug')
    .addHelpText(
      'after',
      `
Asks the members in --endpoints, and all others that these know. Keys, values and certificates' keys
are not collected. What members have logged is where their service manager keeps it.

Examples:
  holdfast debug --dir case-7
  journalctl -u holdfast --since -1h > case-7/n1.log    # on each machine
  tar czf case-7.tar.gz case-7
`,
    )
    .action(async ({ dir }: { readonly dir: string }, command: Command) => {
      const globals = globalsOf(command);
      makeFolder(dir);
      const endpoints = [...new Set([...globals.endpoints, ...(await othersOf(globals))])];
      const all = await Promise.all(endpoints.map((one) => askAll(one, globals)));
      const silences = all.flatMap((one) => one.silences);
      for (const { endpoint, name, text } of all.flatMap((one) => one.pages)) {
        const folder = join(dir, endpoint.replaceAll(/[^A-Za-z0-9.-]/g, '_'));
        mkdirSync(folder, { recursive: true });
        writeFileSync(join(folder, name), withoutSecrets(text));
      }
      const at = new Date(context.clock.wallMs()).toISOString();
      const about = { collectedBy: version, node: process.version, at, endpoints, silences };
      writeFileSync(join(dir, 'about.json'), `${JSON.stringify(about, undefined, 2)}\n`);
      if (globals.output === 'json') await writeJson(context, { dir, ...about });
      else await context.terminal.out(summaryOf(dir, endpoints, all));
      judge(all);
    });
}

/** As other commands do, it fails where nobody answers, though that is a picture, too. */
function judge(all: readonly Asked[]): void {
  if (all.some(({ pages }) => pages.length > 0)) return;
  const why = all.flatMap(({ silences }) => silences).at(0)?.why;
  throw new HoldfastError('unavailable', `no endpoint answers: ${why}`);
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

/** Where clients reach the members that the named ones know of: one door of each. */
async function othersOf({ endpoints, tls }: GlobalOptions): Promise<readonly string[]> {
  const known = await Promise.all(
    endpoints.map(async (endpoint) => {
      try {
        return doorsIn(await pageOf(endpoint, '/v1/cluster', tls?.()), endpoints);
      } catch {
        return []; // It is asked for all its pages yet, and then told of.
      }
    }),
  );
  return known.flat();
}

/** Of each member of a page of `/v1/cluster` that is not asked anyway: its first address. */
export function doorsIn(page: string, endpoints: readonly string[]): readonly string[] {
  const { members = [] } = JSON.parse(page) as Partial<ClusterView>;
  return members
    .map(({ clientAddresses }) => clientAddresses)
    .filter((doors) => !doors.some((door) => endpoints.includes(door)))
    .flatMap(([door]) => door ?? []);
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

function summaryOf(dir: string, endpoints: readonly string[], all: readonly Asked[]): string {
  const lines = endpoints.map((endpoint, at) => {
    const { pages = [], silences = [] } = all[at] ?? {};
    if (silences.length === 0) return `${endpoint}: ${pages.length} pages`;
    const [first] = silences;
    return `${endpoint}: ${pages.length} pages, ${silences.length} missing: ${first?.why}`;
  });
  return `${[...lines, `Written to ${dir}; look through it before you hand it on.`].join('\n')}\n`;
}
