// What to say where a configuration is not there, or one version of it: the second is most often a
// number that was guessed, and the history shows those that there are.
import { HoldfastError, isHoldfastError } from '@holdfast/base/errors';

import type { PlaceOptions } from './config-options.ts';

/** `version` undefined: the newest was asked for. */
export function missing(
  name: string,
  version: number | undefined,
  place: PlaceOptions,
): HoldfastError {
  const where = `in group ${place.group} of namespace ${place.namespace}`;
  if (version === undefined) return new HoldfastError('not-found', `there is no ${name} ${where}`);
  return new HoldfastError('not-found', `there is no version ${version} of ${name} ${where}`, {
    details: { hint: versionsHint(name, place) },
  });
}

/** The very error, with the way to the versions if it says that one is missing. */
export function withVersionsHint(error: unknown, name: string, place: PlaceOptions): unknown {
  if (!isHoldfastError(error, 'not-found')) return error;
  const { code, message, outcome } = error;
  const details = { ...error.details, hint: versionsHint(name, place) };
  return new HoldfastError(code, message, { outcome, details, cause: error });
}

function versionsHint(name: string, { namespace, group }: PlaceOptions): string {
  const inNamespace = namespace === 'default' ? '' : ` -n ${namespace}`;
  const inGroup = group === 'default' ? '' : ` -g ${group}`;
  return `\`holdfast config history ${name}${inNamespace}${inGroup}\` shows the versions`;
}
