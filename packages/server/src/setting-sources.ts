// Where settings come from: flags beat variables beat the file beat defaults (house.md 7). Each
// value is read by its kind, and a mistake is told with the place that it stands in.
import { closeSync, openSync, readSync } from 'node:fs';

import { HoldfastError, messageOf } from '@holdfast/base/errors';
import { type Document, isMap, LineCounter, parseDocument } from 'yaml';

import {
  flagOfKey,
  liveKeys,
  type SettingKey,
  type SettingRow,
  settingKeys,
  settingTable,
  variableOfKey,
} from './setting-table.ts';
import { suggestionFor } from './suggestion.ts';

/** By long name in camel case, as a command line parser gives them; undefined = not given. */
export type Flags = Readonly<Record<string, string | boolean | undefined>>;
export type Variables = Readonly<Record<string, string | undefined>>;

export type SettingValue = string | number | boolean | readonly MemberAddress[];
export type MemberAddress = { readonly name: string; readonly address: string };
/** From the weakest on. `live`: changed while the member runs. */
export type SettingSource = 'default' | 'file' | 'variable' | 'flag' | 'live';
export type Setting = {
  readonly value: SettingValue;
  readonly source: SettingSource;
  /** The flag, the variable, or the file with its line; undefined for a default. */
  readonly origin?: string;
};
/** Those without a value and without a default are not there. */
export type Settings = ReadonlyMap<SettingKey, Setting>;

/** A value with its source, and the words for where it stands. */
type Given = {
  readonly value: unknown;
  readonly source: SettingSource;
  readonly where: string;
  readonly origin: string;
};

/** One key of a settings file. */
export type FileEntry = { readonly key: string; readonly value: unknown; readonly line: number };

export const refused = (message: string, details: Record<string, unknown> = {}): HoldfastError =>
  new HoldfastError('invalid-argument', message, { details });

/** Every setting that somebody gave, and the defaults of the others that have one. */
export function gatherSettings(flags: Flags, variables: Variables): Settings {
  const fromFlags = readFlags(flags);
  const fromVariables = readVariables(variables);
  const path = flags['config'] ?? variables['HOLDFAST_CONFIG'];
  const fromFile = typeof path === 'string' && path !== '' ? readFile(path) : new Map();
  const settings = new Map<SettingKey, Setting>();
  for (const key of settingKeys) {
    const given = fromFlags.get(key) ?? fromVariables.get(key) ?? fromFile.get(key);
    const row: SettingRow = settingTable[key];
    const value = given ? valueFrom(row, given) : row.default;
    const from = given
      ? { source: given.source, origin: given.origin }
      : ({ source: 'default' } as const);
    if (value !== undefined) settings.set(key, { value, ...from });
  }
  return settings;
}

/** Values for settings that may change live, read as at the start; null: no value any more. */
export function readLive(changes: Readonly<Record<string, unknown>>) {
  const read = new Map<SettingKey, Setting | undefined>();
  for (const [key, value] of Object.entries(changes)) {
    if (!isKey(key)) throw unknown('setting', key, liveKeys);
    const row: SettingRow = settingTable[key];
    if (!row.live) throw refused(`${key} needs a restart: it can not change while a member runs`);
    const given = { value, source: 'live', where: key, origin: key } as const;
    read.set(key, value === null ? undefined : { value: valueFrom(row, given), source: 'live' });
  }
  return read;
}

function readFlags(flags: Flags): Map<string, Given> {
  const given = new Map<string, Given>();
  for (const [name, value] of Object.entries(flags)) {
    const key = name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    if (value === undefined || key === 'config') continue;
    if (!isKey(key)) throw unknown('flag', flagOfKey(key), settingKeys.map(flagOfKey));
    const where = flagOfKey(key);
    given.set(key, { value, source: 'flag', where, origin: where });
  }
  return given;
}

/** Variables that other commands of Holdfast know: no business of a member. */
const foreignVariables: ReadonlySet<string> = new Set([
  'HOLDFAST_CONFIG',
  'HOLDFAST_ENDPOINTS',
  'HOLDFAST_ACTOR',
  'HOLDFAST_CA',
  'HOLDFAST_CERT',
  'HOLDFAST_KEY',
]);

/**
 * An unknown variable is refused only if it looks like a misspelt one: others may use the prefix.
 */
function readVariables(variables: Variables): Map<string, Given> {
  const byVariable = new Map(settingKeys.map((key) => [variableOfKey(key), key]));
  const given = new Map<string, Given>();
  for (const [name, value] of Object.entries(variables)) {
    if (!name.startsWith('HOLDFAST_') || value === undefined || value === '') continue;
    const key = byVariable.get(name);
    if (key !== undefined) {
      given.set(key, { value, source: 'variable', where: name, origin: name });
    } else if (!foreignVariables.has(name)) refuseNearMiss(name, [...byVariable.keys()]);
  }
  return given;
}

function refuseNearMiss(name: string, known: readonly string[]): void {
  if (suggestionFor(name.slice('HOLDFAST_'.length), known.map(withoutPrefix)) !== undefined) {
    throw unknown('variable', name, known);
  }
}

const withoutPrefix = (name: string): string => name.slice('HOLDFAST_'.length);

function readFile(path: string): Map<string, Given> {
  const given = new Map<string, Given>();
  for (const { key, value, line } of fileEntries(path)) {
    if (!isKey(key)) throw unknown(`key in ${path}:`, key, settingKeys);
    const origin = `${path}, line ${line}`;
    if (value !== null)
      given.set(key, { value, source: 'file', where: `${key} in ${path}`, origin });
  }
  return given;
}

/** What stands in a settings file, known or not. Throws `invalid-argument` where it is no YAML. */
export function fileEntries(path: string): readonly FileEntry[] {
  const lines = new LineCounter();
  const document = parseDocument(readText(path), { lineCounter: lines });
  const [mistake] = document.errors;
  if (mistake) {
    const { line } = lines.linePos(mistake.pos[0]);
    if (mistake.code === 'MULTIPLE_DOCS') {
      throw refused(`${path} holds several documents, and settings are one: take out "---"`, {
        line,
      });
    }
    throw notYaml(path, mistake, { line });
  }
  const { contents } = document;
  if (contents === null) return [];
  if (!isMap(contents)) {
    throw refused(`${path} holds no settings: write them as "name: n1", one a line`);
  }
  const content = plainOf(document, path);
  return contents.items.map(({ key }) => {
    const { range, value: name } = key as {
      readonly range?: readonly [number, number, number];
      readonly value?: unknown;
    };
    return {
      key: String(name),
      value: content[String(name)],
      line: lines.linePos(range?.[0] ?? 0).line,
    };
  });
}

/** Names that stand for each other may say more than any memory holds: the parser counts them. */
function plainOf(document: Document, path: string): Readonly<Record<string, unknown>> {
  try {
    return document.toJS() as Record<string, unknown>;
  } catch (error) {
    throw notYaml(path, error);
  }
}

const notYaml = (path: string, error: unknown, details = {}): HoldfastError =>
  refused(`${path} is not YAML: ${messageOf(error).split('\n')[0]}`, details);

/** Every mistake of a settings file by itself, key by key: a line each. */
export function mistakesIn(entries: readonly FileEntry[], path: string): readonly FileMistake[] {
  return entries.flatMap(({ key, value, line }) => {
    try {
      if (!isKey(key)) throw unknown('setting', key, settingKeys);
      const given = { value, source: 'file', where: key, origin: path } as const;
      if (value !== null) valueFrom(settingTable[key], given);
      return [];
    } catch (error) {
      // It is told beside the others.
      return [{ line, says: messageOf(error) }];
    }
  });
}

export type FileMistake = { readonly line: number | undefined; readonly says: string };

function readText(path: string): string {
  let text: string | undefined;
  try {
    text = readUpTo(path, fileBytesMax);
  } catch (error) {
    throw refused(`the settings file ${path} can not be read: ${messageOf(error)}`);
  }
  if (text === undefined) throw refused(`${path} has over 1 MiB: that is no settings file`);
  return text;
}

const fileBytesMax = 1024 * 1024;

/** Undefined where there is more: a pipe will do, and a device without an end will not. */
function readUpTo(path: string, bytesMax: number): string | undefined {
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(bytesMax + 1);
    let count = 0;
    for (let read = 1; read > 0 && count < bytes.length; count += read) {
      read = readSync(file, bytes, count, bytes.length - count, null);
    }
    return count > bytesMax ? undefined : bytes.toString('utf8', 0, count);
  } finally {
    closeSync(file);
  }
}

const isKey = (key: string): key is SettingKey => Object.hasOwn(settingTable, key);

function unknown(what: string, word: string, known: readonly string[]): HoldfastError {
  const near = suggestionFor(word, known);
  const hint = near === undefined ? '' : `; did you mean ${near}?`;
  return refused(`unknown ${what} ${word}${hint}`, near === undefined ? {} : { suggestion: near });
}

function valueFrom(row: SettingRow, given: Given): SettingValue {
  switch (row.kind) {
    case 'flag':
      return flagFrom(given);
    case 'number':
      return numberFrom(row, given);
    case 'members':
      return membersFrom(given);
    case 'choice':
      if (row.of.includes(String(given.value))) return String(given.value);
      throw refused(`${given.where} is one of ${row.of.join(', ')}, not ${show(given.value)}`);
    default:
      return textFrom(given);
  }
}

function textFrom({ value, where }: Given): string {
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string' && value.trim() !== '') return value.trim();
  throw refused(`${where} needs a value`);
}

function flagFrom({ value, where }: Given): boolean {
  if (value === true || value === 'true' || value === '1') return true;
  if (value === false || value === 'false' || value === '0') return false;
  throw refused(`${where} is true or false, not ${show(value)}`);
}

function numberFrom(row: Extract<SettingRow, { kind: 'number' }>, given: Given): number {
  const text = String(given.value).trim();
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (number >= row.lo && number <= row.hi) return number;
  throw refused(
    `${given.where} is a whole number from ${row.lo} to ${row.hi}, not ${show(given.value)}`,
  );
}

/** Text, a list of such texts, or a map from names to addresses. */
function membersFrom({ value, where }: Given): readonly MemberAddress[] {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const entries = Object.entries(value as Record<string, unknown>);
    return entries.map(([name, address]) => memberFrom(`${name}=${String(address)}`, where));
  }
  const parts = Array.isArray(value) ? value.map(String) : String(value).split(',');
  const members = parts.map((part) => part.trim()).filter((part) => part !== '');
  if (members.length === 0) throw refused(`${where} names no member`);
  return members.map((part) => memberFrom(part, where));
}

function memberFrom(part: string, where: string): MemberAddress {
  const at = part.indexOf('=');
  if (at > 0) return { name: part.slice(0, at).trim(), address: part.slice(at + 1).trim() };
  throw refused(`${where} is NAME=HOST:PORT,NAME=HOST:PORT,..., not ${show(part)}`);
}

const show = (value: unknown): string => JSON.stringify(value) ?? String(value);
