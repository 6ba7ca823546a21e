// Goal: what a member's certificate files hold is taken when it is whole and stands still, refused
// with a sentence and without harm otherwise, and told of before it expires. Method: real files,
// certificates made here, a clock that is advanced.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock } from '@holdfast/base/manual-clock';
import {
  type CertificateWithKey,
  issueClient,
  issueMember,
  makeAuthority,
} from '@holdfast/transport/certificate-maker';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { Log } from '../log.ts';
import type { MemberReport } from '../member-report.ts';
import { certificateFindings } from './certificate-findings.ts';
import { Certificates } from './certificates.ts';
import { type CertificateFiles, tlsOf } from './tls-settings.ts';

const dayMs = 24 * 60 * 60 * 1000;
const clock = new ManualClock();
const inDays = (days: number): Date => new Date(clock.wallMs() + days * dayMs);
const validFor = (days: number) => ({ notBefore: inDays(-1), notAfter: inDays(days) });

let authority: CertificateWithKey;
let one: CertificateWithKey;
let other: CertificateWithKey;
let folder: string;
let files: CertificateFiles;
let lines: string[];

const log = Object.fromEntries(
  ['info', 'warn', 'error'].map((level) => [
    level,
    (_facts: object, text: string) => void lines.push(`${level} ${text}`),
  ]),
) as unknown as Pick<Log, 'info' | 'warn' | 'error'>;

const put = (name: string, text: string): void => writeFileSync(join(folder, name), text);
const opened = (client?: CertificateFiles): Certificates =>
  new Certificates({ settings: { peer: files, client }, memberName: 'n1', clock, log });

beforeAll(async () => {
  authority = await makeAuthority({ name: 'Test CA', ...validFor(3650) });
  one = await issueMember(authority, { name: 'n1', hosts: [], ...validFor(365) });
  other = await issueMember(authority, { name: 'n1', hosts: [], ...validFor(90) });
});

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-certificates-'));
  lines = [];
  const [cert, key, ca] = ['own.crt', 'own.key', 'ca.crt'].map((name) => join(folder, name));
  files = { port: 'peer', cert: cert as string, key: key as string, ca };
  put('own.crt', one.cert);
  put('own.key', one.key);
  put('ca.crt', authority.cert);
});

afterEach(() => rmSync(folder, { recursive: true }));

describe('changed files', () => {
  it('are taken when they have stood still for one look, or at once when told', () => {
    const certificates = opened();
    certificates.look();
    expect([certificates.peer?.().cert, lines]).toEqual([one.cert, []]);
    put('own.crt', other.cert);
    put('own.key', other.key);
    certificates.look();
    expect(certificates.peer?.().cert).toBe(one.cert);
    certificates.look();
    expect(certificates.peer?.().cert).toBe(other.cert);
    expect(lines).toEqual(['info new certificates are used, for connections from now on']);
    put('ca.crt', authority.cert + authority.cert);
    certificates.look(true);
    expect(certificates.peer?.().ca).toBe(authority.cert + authority.cert);
  });

  it('are looked at every two seconds', async () => {
    const certificates = opened();
    const ending = new AbortController();
    const running = certificates.run(ending.signal);
    put('own.crt', other.cert);
    put('own.key', other.key);
    await clock.advanceAsync(1999);
    await clock.advanceAsync(2);
    await clock.advanceAsync(1990);
    expect(certificates.peer?.().cert).toBe(one.cert);
    await clock.advanceAsync(20);
    expect(certificates.peer?.().cert).toBe(other.cert);
    ending.abort();
    await running;
    expect(clock.pendingCount).toBe(0);
  });

  it.each([
    ['half of a pair', () => put('own.crt', other.cert), /own\.key is not the key of .*own\.crt/],
    ['a broken text', () => put('own.crt', one.cert.slice(0, 300)), /breaks off in the middle/],
    ['no certificate', () => put('own.crt', ''), /own\.crt holds no certificate/],
    ['no key', () => put('own.key', 'x'), /own\.key holds no private key/],
    ['half of an authority', () => put('ca.crt', authority.cert.slice(0, 200)), /breaks off/],
    ['nothing', () => rmSync(join(folder, 'own.key')), /own\.key can not be read/],
  ])('are refused once, and the old ones stay, when they hold %s', (_, change, words) => {
    const certificates = opened();
    change();
    for (let look = 0; look < 4; look += 1) certificates.look();
    expect(certificates.peer?.()).toEqual({ ...one, ca: authority.cert });
    expect(lines).toEqual([expect.stringMatching(words)]);
    expect(lines[0]).toMatch(/the certificate in use stays$/);
    expect(certificates.families.join('\n')).toContain(
      'holdfast_certificate_files_refused{port="peer"} 1',
    );
    put('own.crt', other.cert);
    put('own.key', other.key);
    put('ca.crt', authority.cert);
    for (let look = 0; look < 2; look += 1) certificates.look();
    expect(certificates.peer?.().cert).toBe(other.cert);
    expect(certificates.problems).toEqual([]);
  });

  it.each([
    ["another member's", () => issueMember(authority, { name: 'n2', hosts: [], ...validFor(9) })],
    ["a client's", () => issueClient(authority, { name: 'n1', ...validFor(9) })],
  ])('are refused when they are %s, as at a start', async (_, make) => {
    const certificates = opened();
    const wrong = await make();
    put('own.crt', wrong.cert);
    put('own.key', wrong.key);
    certificates.look(true);
    expect(lines[0]).toMatch(/this member is n1: the others know a member by a DNS entry/);
    expect(certificates.peer?.().cert).toBe(one.cert);
    expect(() => opened()).toThrow(/this member is n1/);
  });
});

describe('certificates that expire', () => {
  it('are told of 30, 7 and 1 days before and when they have, once each', async () => {
    const short = await issueMember(authority, { name: 'n1', hosts: [], ...validFor(40) });
    put('own.crt', short.cert);
    put('own.key', short.key);
    const certificates = opened();
    const after = (days: number): string[] => {
      lines = [];
      clock.advance(days * dayMs);
      certificates.look();
      certificates.look();
      return lines;
    };
    const step = (words: string) => [
      expect.stringMatching(new RegExp(`^warn the certificate of the peer port, .* ${words}`)),
    ];
    expect(after(9)).toEqual([]);
    expect(after(2)).toEqual(step('expires in 2[89] days'));
    expect(after(20)).toEqual([]);
    expect(after(3)).toEqual(step('expires in [56] days'));
    expect(after(5)).toEqual(step('expires in 2[0-4] hours'));
    expect(after(2)).toEqual([expect.stringMatching(/^error the certificate .* has expired/)]);
    put('own.crt', one.cert);
    put('own.key', one.key);
    certificates.look(true);
    expect(after(0)).toEqual([]);
  });

  it('are findings', () => {
    const report = {
      name: 'n1',
      certificates: [
        ['own', 40],
        ['own', 6],
        ['authority', 0.5],
      ].map(([kind, days]) => ({
        ...{ port: 'peer', kind, certificate: `"CN=${days}"`, validTo: 'then' },
        expiresInMs: (days as number) * dayMs,
      })),
      certificateProblems: ['half of a pair'],
    } as unknown as MemberReport;
    expect(certificateFindings(report).map(({ case: is, severity }) => [is, severity])).toEqual([
      ['certificate-expires', 'warning'],
      ['certificate-expires', 'critical'],
      ['certificate-refused', 'warning'],
    ]);
    const says = certificateFindings(report).map((one) => one.says);
    expect(says[0]).toMatch(/of the peer port of n1, "CN=6", expires in 6 days/);
    expect(says[2]).toBe('n1 goes on with its old certificate: half of a pair');
    // A member of an older version says nothing of its certificates.
    expect(certificateFindings({ name: 'n1' } as MemberReport)).toEqual([]);
  });
});

describe('the settings of TLS', () => {
  const of = (given: Record<string, string>) =>
    tlsOf((key) => given[key] ?? (key === 'tls-client-auth' ? 'required' : undefined));
  const whole = (port: string) => ({
    ...{ [`tls-${port}-cert`]: 'c', [`tls-${port}-key`]: 'k', [`tls-${port}-ca`]: 'a' },
  });

  it('are all of a port or none', () => {
    expect(of({})).toEqual({ peer: undefined, client: undefined });
    expect(of({ ...whole('peer'), ...whole('client') })).toEqual({
      peer: { port: 'peer', cert: 'c', key: 'k', ca: 'a' },
      client: { port: 'client', cert: 'c', key: 'k', ca: 'a' },
    });
    const problem = (given: Record<string, string>) => expect(of(given)).toHaveProperty('problem');
    problem({ 'tls-peer-cert': 'c', 'tls-peer-ca': 'a' });
    problem({ 'tls-peer-ca': 'a' });
    problem({ 'tls-peer-cert': 'c', 'tls-peer-key': 'k' });
    problem({ 'tls-client-cert': 'c', 'tls-client-key': 'k' });
    const off = { 'tls-client-cert': 'c', 'tls-client-key': 'k', 'tls-client-auth': 'off' };
    expect(of(off)).toMatchObject({ client: { ca: undefined } });
    expect(of({ ...off, 'tls-client-ca': 'a' })).toMatchObject({ client: { ca: undefined } });
  });
});
