// A cluster of real processes under TLS, each member with a certificate of its own on both ports,
// and the authorities that they are of. Certificates are files, so that a test replaces them as an
// operator does.
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HoldfastClient } from '@holdfast/client/holdfast-client';
import {
  type CertificateWithKey,
  issueClient,
  issueMember,
  makeAuthority,
} from '@holdfast/transport/certificate-maker';
import {
  freePorts,
  type MemberPlace,
  ProcessCluster,
  ProcessMember,
  startArgs,
} from './process-cluster.ts';

const dayMs = 24 * 60 * 60 * 1000;

/** Days from now. */
export const validFor = (fromDays: number, toDays: number) => ({
  notBefore: new Date(Date.now() + fromDays * dayMs),
  notAfter: new Date(Date.now() + toDays * dayMs),
});
export const now = validFor(-1, 90);

/** One `ca.crt`, `own.crt` and `own.key`. */
export class CertificateFolder {
  readonly path: string;

  constructor(path: string) {
    mkdirSync(path, { recursive: true });
    this.path = path;
  }

  put(files: { readonly ca?: string; readonly cert?: string; readonly key?: string }): void {
    const names = { ca: 'ca.crt', cert: 'own.crt', key: 'own.key' } as const;
    for (const [kind, text] of Object.entries(files)) {
      writeFileSync(join(this.path, names[kind as keyof typeof names]), text);
    }
  }

  /** All of both ports. */
  get memberFlags(): readonly string[] {
    return ['peer', 'client'].flatMap((port) => [
      ...[`--tls-${port}-cert`, join(this.path, 'own.crt')],
      ...[`--tls-${port}-key`, join(this.path, 'own.key')],
      ...[`--tls-${port}-ca`, join(this.path, 'ca.crt')],
    ]);
  }

  /** Of a command. */
  get clientFlags(): readonly string[] {
    return [
      ...['--ca', join(this.path, 'ca.crt')],
      ...['--cert', join(this.path, 'own.crt')],
      ...['--key', join(this.path, 'own.key')],
    ];
  }
}

export const memberOf = (authority: CertificateWithKey, name: string, validity = now) =>
  issueMember(authority, { name, hosts: ['127.0.0.1'], ...validity });

export const clientOf = (authority: CertificateWithKey, name: string, validity = now) =>
  issueClient(authority, { name, ...validity });

class CertifiedMember extends ProcessMember {
  readonly #tls: () => ClientFiles;

  constructor(place: MemberPlace, args: readonly string[], tls: () => ClientFiles) {
    super(place, args);
    this.#tls = tls;
  }

  override async isReady(): Promise<boolean> {
    try {
      return (await askByTls(this.place.client, '/readyz', this.#tls())).status === 200;
    } catch {
      return false; // Not listening yet is not ready.
    }
  }
}

export type ClientFiles = { readonly ca: string; readonly cert?: string; readonly key?: string };

export class CertifiedCluster extends ProcessCluster {
  readonly folders: ReadonlyMap<string, CertificateFolder>;
  authority: CertificateWithKey;
  /** What clients trust and show; replaced as a whole. */
  shown: Required<ClientFiles>;

  private constructor(
    root: string,
    members: readonly ProcessMember[],
    parts: {
      readonly folders: ReadonlyMap<string, CertificateFolder>;
      readonly authority: CertificateWithKey;
      readonly shown: Required<ClientFiles>;
    },
  ) {
    super(root, members);
    this.folders = parts.folders;
    this.authority = parts.authority;
    this.shown = parts.shown;
  }

  static async started(size: number, extra: readonly string[] = []): Promise<CertifiedCluster> {
    const root = mkdtempSync(join(tmpdir(), 'holdfast-tls-'));
    const authority = await makeAuthority({ name: 'First CA', ...now });
    const shown = { ...(await clientOf(authority, 'ann')), ca: authority.cert };
    const ports = await freePorts(size * 2);
    const places = Array.from({ length: size }, (_, at): MemberPlace => {
      const name = `n${at + 1}`;
      const dataDir = join(root, name, 'data');
      mkdirSync(dataDir, { recursive: true });
      const [client, peer] = [ports[at * 2], ports[at * 2 + 1]];
      return { name, client: `127.0.0.1:${client}`, peer: `127.0.0.1:${peer}`, dataDir };
    });
    const folders = new Map<string, CertificateFolder>();
    for (const { name } of places) {
      const folder = new CertificateFolder(join(root, name, 'tls'));
      folder.put({ ...(await memberOf(authority, name)), ca: authority.cert });
      folders.set(name, folder);
    }
    const initial = places.map(({ name, peer }) => `${name}=${peer}`).join(',');
    let cluster: CertifiedCluster | undefined;
    const members = places.map((place) => {
      const flags = folders.get(place.name)?.memberFlags ?? [];
      const args = [...startArgs(place, initial), ...flags, ...extra];
      return new CertifiedMember(place, args, () => cluster?.shown ?? shown);
    });
    cluster = new CertifiedCluster(root, members, { folders, authority, shown });
    await cluster.startAll();
    return cluster;
  }

  folder(name: string): CertificateFolder {
    const folder = this.folders.get(name);
    if (!folder) throw new Error(`${name} has certificates`);
    return folder;
  }

  newClient(endpoints = this.endpoints): HoldfastClient {
    return new HoldfastClient({ endpoints, tls: () => this.shown });
  }
}

/** One question on a connection of its own. */
export function askByTls(
  address: string,
  path: string,
  tls: ClientFiles,
): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const asked = request(
      `https://${address}${path}`,
      { agent: false, timeout: 3000, ...tls },
      (answer) => {
        let text = '';
        answer.on('data', (part) => {
          text += part;
        });
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
        answer.on('error', reject);
      },
    );
    asked.on('timeout', () => asked.destroy(new Error('no answer')));
    asked.on('error', reject);
    asked.end();
  });
}
