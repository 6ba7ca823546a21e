// The certificates of a running member: what it shows and whom it trusts at each of its ports. It
// looks at the files every two seconds, and takes what has changed, once it stands still and is
// whole, for the connections that come; those that stand live on. What will not do is refused with
// a warning, and the old one stays.
import type { X509Certificate } from 'node:crypto';

import { type Clock, pause } from '@holdfast/base/clock';
import { HoldfastError, messageOf } from '@holdfast/base/errors';
import { describeCertificate } from '@holdfast/transport/certificate-verdict';
import type { TlsMaterial } from '@holdfast/transport/tls-link';

import type { DoorTls } from '../http/certified-door.ts';
import type { Log } from '../log.ts';
import { familyText, labelText } from '../metric-text.ts';
import {
  checkCertificates,
  type PortCertificates,
  readCertificateFiles,
} from './certificate-files.ts';
import { type CertificateView, ExpiryLog } from './expiry-log.ts';
import type { CertificateFiles, TlsSettings } from './tls-settings.ts';

export type CertificatesOptions = {
  readonly settings: TlsSettings;
  readonly memberName: string;
  readonly clock: Clock;
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
};

type Port = {
  readonly files: CertificateFiles;
  used: PortCertificates;
  /** Read at the last look and not taken yet: it may still be written to. */
  waiting: TlsMaterial | undefined;
  /** Why what the files hold now is not taken. */
  problem: string | undefined;
  readonly listeners: ((material: TlsMaterial) => void)[];
};

const lookEveryMs = 2000;

export class Certificates {
  readonly #options: CertificatesOptions;
  readonly #ports: readonly Port[];
  readonly #expiry: ExpiryLog;
  #reloads = 0;

  /** Throws `failed-precondition` where a file will not do. */
  constructor(options: CertificatesOptions) {
    const { settings, memberName, log } = options;
    this.#options = options;
    this.#ports = [settings.peer, settings.client].flatMap((files) =>
      files ? [opened(files, memberName)] : [],
    );
    this.#expiry = new ExpiryLog(log);
    this.#expiry.look(this.views);
  }

  /** Of the port for members; undefined: it speaks no TLS. */
  get peer(): (() => TlsMaterial) | undefined {
    return this.#materialOf('peer');
  }

  get client(): (() => TlsMaterial) | undefined {
    return this.#materialOf('client');
  }

  /** Of the HTTP door; undefined: it speaks in clear text. */
  get door(): DoorTls | undefined {
    const port = this.#port('client');
    return (
      port && {
        material: () => port.used.material,
        onChange: (listener) => port.listeners.push(listener),
        asks: port.files.ca !== undefined,
      }
    );
  }

  /** Until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    if (this.#ports.length === 0) return;
    while (!signal.aborted) {
      await pause(this.#options.clock, lookEveryMs, signal);
      if (!signal.aborted) this.look();
    }
  }

  /** `isSettled`: an operator says that the files are as they shall be. */
  look(isSettled = false): void {
    for (const port of this.#ports) this.#lookAt(port, isSettled);
    this.#expiry.look(this.views);
  }

  get views(): readonly CertificateView[] {
    return this.#ports.flatMap(({ files, used }) => [
      this.#view(files.port, 'own', used.own),
      ...used.authorities.map((one) => this.#view(files.port, 'authority', one)),
    ]);
  }

  /** Why what files hold is not taken, a sentence each. */
  get problems(): readonly string[] {
    return this.#ports.flatMap(({ problem }) => problem ?? []);
  }

  /** In Prometheus' text; nothing where no TLS is spoken. */
  get families(): readonly string[] {
    if (this.#ports.length === 0) return [];
    const label = ({ port, kind, certificate }: CertificateView): string =>
      `{port="${port}",kind="${kind}",certificate="${labelText(certificate)}"}`;
    const expiry = distinct(this.views).map((view) => ({
      labels: label(view),
      value: Math.round(view.expiresInMs / 1000),
    }));
    const refused = this.#ports.map(({ files, problem }) => ({
      labels: `{port="${files.port}"}`,
      value: Number(problem !== undefined),
    }));
    return [
      familyText(
        { name: 'certificate_expires_seconds', help: 'Until the certificate expires' },
        expiry,
      ),
      familyText(
        {
          name: 'certificate_files_refused',
          help: 'Whether the files of the port hold what can not be used, and an older one is',
        },
        refused,
      ),
      familyText(
        { name: 'certificate_reloads_total', help: 'Changed certificates that were taken' },
        [{ labels: '', value: this.#reloads }],
      ),
    ];
  }

  #lookAt(port: Port, isSettled: boolean): void {
    const { log, memberName } = this.#options;
    try {
      const found = readCertificateFiles(port.files);
      const isNews = !isSame(found, port.used.material);
      const stands = isSettled || (port.waiting !== undefined && isSame(found, port.waiting));
      port.waiting = isNews ? found : undefined;
      if (isNews && !stands) return;
      if (isNews) this.#take(port, checkCertificates(port.files, found, memberName));
      port.problem = undefined;
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      const problem = messageOf(error);
      if (problem === port.problem) return;
      port.problem = problem;
      log.warn({ port: port.files.port }, `${problem}; the certificate in use stays`);
    }
  }

  #take(port: Port, found: PortCertificates): void {
    port.used = found;
    port.waiting = undefined;
    this.#reloads += 1;
    const { own, authorities } = found;
    this.#options.log.info(
      {
        port: port.files.port,
        certificate: describeCertificate(own),
        validTo: own.validTo,
        trusts: authorities.map(({ subject }) => subject),
      },
      'new certificates are used, for connections from now on',
    );
    for (const listener of port.listeners) listener(found.material);
  }

  #materialOf(name: 'peer' | 'client'): (() => TlsMaterial) | undefined {
    const port = this.#port(name);
    return port && (() => port.used.material);
  }

  #port(name: 'peer' | 'client'): Port | undefined {
    return this.#ports.find(({ files }) => files.port === name);
  }

  #view(
    port: 'peer' | 'client',
    kind: 'own' | 'authority',
    certificate: X509Certificate,
  ): CertificateView {
    const { validTo } = certificate;
    const expiresInMs = Date.parse(validTo) - this.#options.clock.wallMs();
    return { port, kind, certificate: describeCertificate(certificate), validTo, expiresInMs };
  }
}

function opened(files: CertificateFiles, memberName: string): Port {
  const used = checkCertificates(files, readCertificateFiles(files), memberName);
  return { files, used, waiting: undefined, problem: undefined, listeners: [] };
}

const isSame = (one: TlsMaterial, other: TlsMaterial): boolean =>
  one.cert === other.cert && one.key === other.key && one.ca === other.ca;

/** A figure has its labels once: of two authorities of one name the one that expires first. */
function distinct(views: readonly CertificateView[]): readonly CertificateView[] {
  const byLabel = new Map<string, CertificateView>();
  for (const view of views) {
    const label = [view.port, view.kind, view.certificate].join(' ');
    const known = byLabel.get(label);
    if (!known || view.expiresInMs < known.expiresInMs) byLabel.set(label, view);
  }
  return [...byLabel.values()];
}
