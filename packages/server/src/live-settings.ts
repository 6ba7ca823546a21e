// The settings of a running member: those of its start, what its file says by now, and what an
// operator has changed since, which beats both until this process ends. A change is all or nothing,
// and is judged together with everything else, as at the start.
import {
  readLive,
  type Setting,
  type SettingSource,
  type Settings,
  type SettingValue,
} from './setting-sources.ts';
import { liveKeys, type SettingKey, type SettingRow, settingTable } from './setting-table.ts';
import { type MemberSettings, settingsOf } from './settings.ts';

export type LiveSettingsOptions = {
  /** Of the start. */
  readonly settings: MemberSettings;
  /** Called with each new state, after it was found to be consistent. */
  readonly apply: (now: MemberSettings, before: MemberSettings) => void;
};

export type SettingChange = { readonly from: SettingValue; readonly to: SettingValue };
export type SettingChanges = Readonly<Record<string, SettingChange>>;

/** What became of a file that was read anew. */
export type Reread = {
  readonly changed: SettingChanges;
  /** Read, and different, and not of the kind that may change live. */
  readonly needRestart: readonly SettingKey[];
  /** Read, and different, and beaten by what an operator has said. */
  readonly beaten: readonly SettingKey[];
};

export type LiveSettingView = {
  readonly value: SettingValue;
  readonly source: SettingSource;
  readonly default: SettingValue;
  /** Of a number. */
  readonly lo?: number;
  readonly hi?: number;
  /** Of a choice. */
  readonly of?: readonly string[];
};

export class LiveSettings {
  readonly #apply: LiveSettingsOptions['apply'];
  /** Flags, variables and file: the live ones as last read, the others as at the start. */
  #given: Settings;
  #overrides: Settings = new Map();
  #current: MemberSettings;

  constructor({ settings, apply }: LiveSettingsOptions) {
    this.#apply = apply;
    this.#given = settings.given;
    this.#current = settings;
  }

  get current(): MemberSettings {
    return this.#current;
  }

  /** Those that may change live. */
  get view(): Readonly<Record<string, LiveSettingView>> {
    return Object.fromEntries(liveKeys.map((key) => [key, viewOf(key, this.#current.given)]));
  }

  /** What was changed. Throws `invalid-argument`, and then nothing was. */
  change(changes: Readonly<Record<string, unknown>>): SettingChanges {
    const overrides = new Map(this.#overrides);
    for (const [key, setting] of readLive(changes)) {
      if (setting) overrides.set(key, setting);
      else overrides.delete(key);
    }
    return this.#become(this.#given, overrides);
  }

  /** As change(), with what the sources of the start say now. */
  reread({ given: now }: MemberSettings): Reread {
    const before = this.#given;
    const isNew = (key: SettingKey): boolean => !isSame(before.get(key), now.get(key));
    const given = new Map(before);
    for (const key of liveKeys) given.set(key, now.get(key) as Setting);
    const beaten = liveKeys.filter((key) => isNew(key) && this.#overrides.has(key));
    const needRestart = keysOf(before, now).filter((key) => isNew(key) && !liveKeys.includes(key));
    return { changed: this.#become(given, this.#overrides), needRestart, beaten };
  }

  #become(given: Settings, overrides: Settings): SettingChanges {
    const before = this.#current;
    const settings = settingsOf(new Map([...given, ...overrides]));
    this.#given = given;
    this.#overrides = overrides;
    this.#current = settings;
    const changes = changesBetween(before.given, settings.given);
    if (Object.keys(changes).length > 0) this.#apply(settings, before);
    return changes;
  }
}

const keysOf = (...all: readonly Settings[]): readonly SettingKey[] => [
  ...new Set(all.flatMap((settings) => [...settings.keys()])),
];

function changesBetween(before: Settings, now: Settings): SettingChanges {
  const changed = liveKeys.filter((key) => !isSame(before.get(key), now.get(key)));
  return Object.fromEntries(
    changed.map((key) => [key, { from: valueIn(before, key), to: valueIn(now, key) }]),
  );
}

/** The same value; where it comes from is no difference. */
const isSame = (one: Setting | undefined, other: Setting | undefined): boolean =>
  JSON.stringify(one?.value) === JSON.stringify(other?.value);

/** Every setting that may change live has a default. */
const valueIn = (settings: Settings, key: SettingKey): SettingValue =>
  settings.get(key)?.value as SettingValue;

function viewOf(key: SettingKey, given: Settings): LiveSettingView {
  const row: SettingRow = settingTable[key];
  const { value, source } = given.get(key) as Setting;
  const fallback = row.default as SettingValue;
  if (row.kind === 'number') {
    return { value, source, default: fallback, lo: row.lo, hi: row.hi };
  }
  const choices = row.kind === 'choice' ? { of: row.of } : {};
  return { value, source, default: fallback, ...choices };
}
