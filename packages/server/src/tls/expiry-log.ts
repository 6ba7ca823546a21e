// Warns of certificates that expire: 30, 7 and 1 days before, and when they have. Each step once.
import type { Log } from '../log.ts';

/** One certificate in use, for figures and findings. */
export type CertificateView = {
  readonly port: 'peer' | 'client';
  readonly kind: 'own' | 'authority';
  /** `"CN=n1" (issued by "CN=Our CA")`. */
  readonly certificate: string;
  readonly validTo: string;
  /** Below zero: it has expired. */
  readonly expiresInMs: number;
};

const dayMs = 24 * 60 * 60 * 1000;
const stepsDays = [0, 1, 7, 30] as const;

/** The step that a certificate with so much time left has come to; undefined: it is far off. */
export const expiryStep = (expiresInMs: number): number | undefined =>
  stepsDays.find((days) => expiresInMs <= days * dayMs);

/** `expires in 6 days`, `has expired`. */
export function expiryWords(expiresInMs: number): string {
  if (expiresInMs <= 0) return 'has expired';
  const days = Math.floor(expiresInMs / dayMs);
  if (days > 1) return `expires in ${days} days`;
  const hours = Math.floor(expiresInMs / (60 * 60 * 1000));
  return hours > 1 ? `expires in ${hours} hours` : 'expires within two hours';
}

export class ExpiryLog {
  readonly #log: Pick<Log, 'warn' | 'error'>;
  #told = new Map<string, number>();

  constructor(log: Pick<Log, 'warn' | 'error'>) {
    this.#log = log;
  }

  look(views: readonly CertificateView[]): void {
    const told = new Map<string, number>();
    for (const view of views) {
      const step = expiryStep(view.expiresInMs);
      if (step === undefined) continue;
      const key = [view.port, view.kind, view.certificate, view.validTo].join(' ');
      if ((this.#told.get(key) ?? Number.POSITIVE_INFINITY) > step) this.#tell(view);
      told.set(key, step);
    }
    this.#told = told;
  }

  #tell({ port, kind, certificate, validTo, expiresInMs }: CertificateView): void {
    const what = kind === 'own' ? 'the certificate' : 'an authority';
    const text = `${what} of the ${port} port, ${certificate}, ${expiryWords(expiresInMs)}`;
    const means = expiresInMs <= 0 ? 'whoever dials anew is refused' : 'then it is refused';
    const level = expiresInMs <= 0 ? 'error' : 'warn';
    this.#log[level](
      { port, validTo },
      `${text} (${validTo}): ${means}; put a new one in its place, no restart is needed`,
    );
  }
}
