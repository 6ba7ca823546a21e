// Compare-and-set: what must hold of a configuration's present state for a change to be made. The
// plan judges it on the state that its transaction then pins, so that nothing comes in between.
import { HoldfastError } from '@holdfast/base/errors';
import type { ConfigKey } from './config-key.ts';
import { describeConfigKey } from './config-key.ts';
import type { ConfigState } from './config-record.ts';

export type ConfigCondition = {
  /** The configuration must not exist (`If-None-Match: *`). */
  readonly absent?: boolean | undefined;
  /** The configuration must exist (`If-Match: *`). */
  readonly present?: boolean | undefined;
  /** The live version; 0 = must not exist. */
  readonly version?: number | undefined;
  /** The revision of the last change (`If-Match: "revision"`); 0 = must not exist. */
  readonly revision?: number | undefined;
};

/**
 * Throws `failed-precondition`, with the present version and revision in its details (0 = does not
 * exist).
 */
export function requireCondition(
  key: ConfigKey,
  state: ConfigState | undefined,
  condition: ConfigCondition,
): void {
  const latest = state?.live ? state.latest : undefined;
  const wanted = unmet(condition, latest);
  if (wanted === undefined) return;
  const found = latest ? `version ${latest.version}, revision ${latest.revision}` : 'absent';
  throw new HoldfastError(
    'failed-precondition',
    `${describeConfigKey(key)} was to be ${wanted}, but is ${found}; nothing was changed`,
    { details: { version: latest?.version ?? 0, revision: latest?.revision ?? 0 } },
  );
}

function unmet(
  condition: ConfigCondition,
  latest: ConfigState['latest'] | undefined,
): string | undefined {
  const { absent, present, version, revision } = condition;
  if (absent && latest) return 'absent';
  if (present && !latest) return 'present';
  if (version !== undefined && version !== (latest?.version ?? 0)) return `version ${version}`;
  if (revision !== undefined && revision !== (latest?.revision ?? 0)) return `revision ${revision}`;
  return undefined;
}
