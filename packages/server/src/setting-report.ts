// What an operator asks about settings before a start: where each value comes from, and every
// mistake in a file at once.
import { HoldfastError } from '@holdfast/base/errors';

import {
  type FileMistake,
  type Flags,
  fileEntries,
  gatherSettings,
  mistakesIn,
  type SettingSource,
  type SettingValue,
  type Variables,
} from './setting-sources.ts';
import { type SettingKey, settingKeys } from './setting-table.ts';
import { readSettings } from './settings.ts';

export type SettingLine = {
  readonly key: SettingKey;
  /** Undefined: it has none. Secrets are not said. */
  readonly value: string | undefined;
  readonly source: SettingSource;
  readonly origin: string;
};

/** Whoever knows it may begin a cluster that passes for this one. */
const secretKeys: ReadonlySet<SettingKey> = new Set(['cluster-token', 'join-user']);
const secretText = '(set, and not shown)';

/** In the order of the table. Throws `invalid-argument` as a start would. */
export function settingLines(flags: Flags, variables: Variables): readonly SettingLine[] {
  readSettings(flags, variables);
  const settings = gatherSettings(flags, variables);
  return settingKeys.map((key) => {
    const setting = settings.get(key);
    if (!setting) return { key, value: undefined, source: 'default', origin: 'default' };
    const { value, source, origin = source } = setting;
    return { key, value: secretKeys.has(key) ? secretText : textOf(value), source, origin };
  });
}

/** Of the file alone, with the defaults of what it does not say. */
export function checkSettingsFile(path: string): readonly FileMistake[] {
  try {
    const mistakes = mistakesIn(fileEntries(path), path);
    if (mistakes.length > 0) return mistakes;
    readSettings({ config: path }, {});
    return [];
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    const { line } = error.details;
    return [{ line: typeof line === 'number' ? line : undefined, says: error.message }];
  }
}

const textOf = (value: SettingValue): string =>
  typeof value === 'object'
    ? value.map(({ name, address }) => `${name}=${address}`).join(',')
    : String(value);
