// What there is to say of a member's certificates: those that expire soon or have expired, and
// files that hold what can not be used. Pure.
import type { CertificateReport, MemberReport } from '../member-report.ts';
import { expiryStep, expiryWords } from './expiry-log.ts';

/** One of diagnosis.ts. */
type CertificateFinding = {
  readonly case: 'certificate-expires' | 'certificate-refused';
  readonly severity: 'critical' | 'warning';
  readonly members: readonly string[];
  readonly says: string;
};

export function certificateFindings(report: MemberReport): readonly CertificateFinding[] {
  const { name, certificates = [], certificateProblems = [] } = report;
  const expiring = certificates.flatMap((one) => {
    const step = expiryStep(one.expiresInMs);
    return step === undefined ? [] : [expires(name, one, step)];
  });
  return [...expiring, ...certificateProblems.map((problem) => refused(name, problem))];
}

function expires(member: string, one: CertificateReport, step: number): CertificateFinding {
  const { port, kind, certificate, validTo, expiresInMs } = one;
  const what = kind === 'own' ? 'the certificate' : 'an authority';
  const means = port === 'peer' ? 'the other members' : 'clients';
  const says =
    `${what} of the ${port} port of ${member}, ${certificate}, ${expiryWords(expiresInMs)} ` +
    `(${validTo}): from then on new connections between it and ${means} are refused; put a new ` +
    'one in its place, it is taken within seconds and without a restart';
  return {
    case: 'certificate-expires',
    severity: step <= 1 ? 'critical' : 'warning',
    members: [member],
    says,
  };
}

const refused = (member: string, problem: string): CertificateFinding => ({
  case: 'certificate-refused',
  severity: 'warning',
  members: [member],
  says: `${member} goes on with its old certificate: ${problem}`,
});
