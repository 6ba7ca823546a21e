// Whether a certificate is that of the member who shows it: the name in it is the one that the
// cluster knows for the member's id, whatever it says itself. Asked of whoever dials, and of whom
// one dials.
import type { HoldfastError } from '@holdfast/base/errors';
import type { KnownMember } from '@holdfast/engine/membership';
import { certifiedNameProblem, type Hello } from '@holdfast/transport/handshake';

/** Undefined: it is, or nobody is asked for a certificate, or nobody of that id is known yet. */
export function certifiedMemberProblem(
  { memberId, certifiedNames }: Pick<Hello, 'memberId' | 'certifiedNames'>,
  members: readonly Pick<KnownMember, 'memberId' | 'name'>[],
): HoldfastError | undefined {
  const known = members.find((one) => one.memberId === memberId);
  if (certifiedNames === undefined || known === undefined) return undefined;
  return certifiedNameProblem(known.name, certifiedNames);
}
