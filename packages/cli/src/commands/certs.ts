// `holdfast certs`: certificates for development and for clusters without an authority of their
// own, and a look at any. Nothing that exists is ever written over.
import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';

import { HoldfastError, messageOf } from '@holdfast/base/errors';
import { makeDirectories } from '@holdfast/storage/node-disk';
import type { CertificateWithKey, Validity } from '@holdfast/transport/certificate-maker';
import {
  dnsNamesOf,
  purposes,
  type ShownCertificate,
} from '@holdfast/transport/certificate-verdict';
import { type Command, Option } from 'commander';

import { type CliContext, globalsOf, writeJson } from '../context.ts';
import { integerIn } from '../option-parsers.ts';

type Named = { readonly name: string; readonly hosts: readonly string[] };
type Written = { readonly path: string; readonly what: string };

type InitOptions = {
  readonly dir: string;
  readonly members: string;
  readonly client: string;
  readonly days: number;
};
type IssueOptions = {
  readonly dir: string;
  readonly member?: string;
  readonly client?: string;
  readonly days: number;
};

const dayMs = 24 * 60 * 60 * 1000;
const authorityDays = 3650;
/** Under these a member on the same machine is dialled, whatever its other names are. */
const localHosts = ['localhost', '127.0.0.1', '::1'];

export function addCertsCommands(program: Command, context: CliContext): void {
  const certs = program.command('certs').description('make and look at certificates for TLS');
  addInit(certs, context);
  addIssue(certs, context);
  addShow(certs, context);
}

const daysOption = (): Option =>
  new Option('--days <count>', 'how long they are valid')
    .default(365)
    .argParser(integerIn(1, authorityDays + 1));

function addInit(certs: Command, context: CliContext): void {
  certs
    .command('init')
    .description('make an authority, and certificates for members and a client')
    .option('--dir <dir>', 'where they are written', 'certs')
    .option('--members <list>', 'NAME or NAME=HOST of each, with commas between', 'n1,n2,n3')
    .option('--client <name>', 'name of a client', 'admin')
    .addOption(daysOption())
    .addHelpText(
      'after',
      `
HOST is the name or address under which clients and --join dial that member, beside localhost.
Whoever has DIR/ca.key can make members: keep it away from the machines that run them.

Examples:
  holdfast certs init
  holdfast certs init --dir /etc/holdfast --members n1=10.0.0.1,n2=10.0.0.2,n3=10.0.0.3
`,
    )
    .action(async (options: InitOptions, command: Command) => {
      const { dir, client, days } = options;
      const members = options.members.split(',').map(namedFrom);
      checkClient(client);
      const names = ['ca', ...members.map(({ name }) => name), clientFile(client)];
      refuseTwice(names);
      refuseExisting(dir, names);
      const { makeAuthority } = await import('@holdfast/transport/certificate-maker');
      const authority = await makeAuthority({ name: 'Holdfast CA', ...validFor(authorityDays) });
      const written = [...write(dir, 'ca', { ...authority, what: 'the authority' })];
      for (const member of members)
        written.push(...(await issueTo({ dir, days, member }, authority)));
      written.push(...(await issueTo({ dir, days, client }, authority)));
      const first = members[0] as Named;
      await tell(written, startLines(dir, first, client), { command, context });
    });
}

function addIssue(certs: Command, context: CliContext): void {
  certs
    .command('issue')
    .description('make one more certificate, by the authority of `certs init`')
    .option('--dir <dir>', 'where ca.crt and ca.key are', 'certs')
    .option('--member <name=host>', 'for a member')
    .option('--client <name>', 'for a client; the history shows its name')
    .addOption(daysOption())
    .addHelpText('after', '\nExample:\n  holdfast certs issue --member n4=10.0.0.4\n')
    .action(async ({ dir, member, client, days }: IssueOptions, command: Command) => {
      if ((member === undefined) === (client === undefined)) {
        throw refused('a certificate is for one: say --member NAME=HOST, or --client NAME');
      }
      const named = member === undefined ? undefined : namedFrom(member);
      if (client !== undefined) checkClient(client);
      const authority = { cert: read(join(dir, 'ca.crt')), key: read(join(dir, 'ca.key')) };
      refuseExisting(dir, [named?.name ?? clientFile(client ?? '')]);
      const written = await issueTo({ dir, days, member: named, client }, authority);
      await tell(written, [], { command, context });
    });
}

function addShow(certs: Command, context: CliContext): void {
  certs
    .command('show')
    .description('who it is, by whom, and until when; exit code 1 if one has expired')
    .argument('<file...>', 'certificates (PEM)')
    .addHelpText('after', '\nExample:\n  holdfast certs show certs/n1.crt\n')
    .action(async (files: readonly string[], _options: unknown, command: Command) => {
      const nowMs = context.clock.wallMs();
      const shown = files.flatMap((file) =>
        certificatesIn(file).map((one) => viewOf(file, one, nowMs)),
      );
      if (shown.some(({ daysLeft }) => daysLeft < 0)) context.exitCode = 1;
      if (globalsOf(command).output === 'json') await writeJson(context, shown);
      else await context.terminal.out(`${shown.map(textOf).join('\n\n')}\n`);
    });
}

type Issued = {
  readonly dir: string;
  readonly days: number;
  readonly member?: Named | undefined;
  readonly client?: string | undefined;
};

async function issueTo(
  { dir, days, member, client = '' }: Issued,
  authority: CertificateWithKey,
): Promise<readonly Written[]> {
  const { issueClient, issueMember } = await import('@holdfast/transport/certificate-maker');
  const validity = validFor(days);
  if (member) {
    const made = await issueMember(authority, { ...member, ...validity });
    return write(dir, member.name, { ...made, what: `member ${member.name}` });
  }
  const made = await issueClient(authority, { name: client, ...validity });
  return write(dir, clientFile(client), { ...made, what: `client ${client}` });
}

const clientFile = (name: string): string => `client-${name}`;

/** From an hour ago: clocks differ. */
function validFor(days: number): Validity {
  const nowMs = Date.now();
  return { notBefore: new Date(nowMs - dayMs / 24), notAfter: new Date(nowMs + days * dayMs) };
}

function namedFrom(text: string): Named {
  const [name = '', ...hosts] = text.trim().split('=');
  if (!namePattern.test(name) || hosts.length > 1 || !hosts.every(isHost)) {
    throw refused(`${JSON.stringify(text)} is no member: write NAME or NAME=HOST`);
  }
  return { name, hosts: [...hosts, ...localHosts] };
}

/** They become file names. */
const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

const isHost = (text: string): boolean => isIP(text) !== 0 || /^[A-Za-z0-9][\w.-]*$/.test(text);

function checkClient(name: string): void {
  if (namePattern.test(name)) return;
  throw refused(`${JSON.stringify(name)} is no client: a name has letters, digits, . _ and -`);
}

function refuseTwice(names: readonly string[]): void {
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice === undefined) return;
  throw refused(`two certificates would be called ${twice}: each has a name of its own`);
}

function refuseExisting(dir: string, names: readonly string[]): void {
  const paths = names.flatMap((name) => [join(dir, `${name}.crt`), join(dir, `${name}.key`)]);
  const existing = paths.filter((path) => existsSync(path));
  if (existing.length === 0) return;
  throw new HoldfastError('already-exists', `nothing was written: ${existing.join(', ')} exist`, {
    details: { hint: 'take another --dir or name; what exists is never written over' },
  });
}

/** A key is its owner's alone, from the first moment on. */
function write(
  dir: string,
  name: string,
  { cert, key, what }: CertificateWithKey & { readonly what: string },
): readonly Written[] {
  makeDirectories(dir, 0o700);
  const paths = { cert: join(dir, `${name}.crt`), key: join(dir, `${name}.key`) };
  writeFileSync(paths.key, key, { flag: 'wx', mode: 0o600 });
  writeFileSync(paths.cert, cert, { flag: 'wx', mode: 0o644 });
  const until = new X509Certificate(cert).validTo;
  return [
    { path: paths.cert, what: `certificate of ${what}, until ${until}` },
    { path: paths.key, what: 'its key' },
  ];
}

function startLines(dir: string, { name }: Named, client: string): readonly string[] {
  const file = (base: string, end: string): string => join(dir, `${base}.${end}`);
  const own = (port: string): string =>
    `    --tls-${port}-cert ${file(name, 'crt')} --tls-${port}-key ${file(name, 'key')} ` +
    `--tls-${port}-ca ${file('ca', 'crt')}`;
  const asked = clientFile(client);
  return [
    '',
    `Start each member with its own, as ${name} with:`,
    `  holdfast start --name ${name} ... \\`,
    `${own('peer')} \\`,
    own('client'),
    'Ask them with:',
    `  holdfast status --endpoints https://127.0.0.1:4653 --ca ${file('ca', 'crt')} \\`,
    `    --cert ${file(asked, 'crt')} --key ${file(asked, 'key')}`,
    `${file('ca', 'key')} makes members of whoever has it: keep it elsewhere.`,
  ];
}

async function tell(
  written: readonly Written[],
  more: readonly string[],
  { command, context }: { readonly command: Command; readonly context: CliContext },
): Promise<void> {
  if (globalsOf(command).output === 'json') return writeJson(context, { written });
  const lines = written.map(({ path, what }) => `Wrote ${path}: ${what}`);
  await context.terminal.out(`${[...lines, ...more].join('\n')}\n`);
}

const oneLine = (name: string): string => name.split('\n').join(', ');

function viewOf(file: string, one: X509Certificate, nowMs: number) {
  const { validFrom, validTo } = one;
  const good: ShownCertificate['keyUsage'] = one.keyUsage;
  return {
    file,
    subject: oneLine(one.subject),
    issuer: oneLine(one.issuer),
    isAuthority: one.ca,
    names: dnsNamesOf(one),
    alternatives: one.subjectAltName ?? '',
    purposes: Object.entries(purposes).flatMap(([name, id]) => (good?.includes(id) ? name : [])),
    validFrom,
    validTo,
    daysLeft: Math.floor((Date.parse(validTo) - nowMs) / dayMs),
    fingerprint: one.fingerprint256,
  };
}

function textOf(view: ReturnType<typeof viewOf>): string {
  const { isAuthority, purposes: good, daysLeft } = view;
  const kind = isAuthority ? 'an authority' : `for ${good.join(' and ') || 'no purpose'}`;
  const left = daysLeft < 0 ? 'it has expired' : `${daysLeft} days left`;
  return [
    view.file,
    `  who          ${view.subject} (${kind})`,
    `  by whom      ${view.issuer}`,
    `  names        ${view.alternatives || 'none'}`,
    `  valid        ${view.validFrom} to ${view.validTo}, ${left}`,
    `  fingerprint  ${view.fingerprint}`,
  ].join('\n');
}

function certificatesIn(file: string): readonly X509Certificate[] {
  const text = read(file);
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g);
  if (!blocks) throw refused(`${file} holds no certificate (PEM)`);
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch (error) {
    throw refused(`${file} holds a certificate that can not be read: ${messageOf(error)}`);
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw refused(`${path} can not be read: ${messageOf(error)}`);
  }
}

const refused = (message: string): HoldfastError => new HoldfastError('invalid-argument', message);
