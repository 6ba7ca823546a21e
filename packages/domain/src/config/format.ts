// The formats of a configuration: their names, how one is detected, and the gate through which
// every content passes before it is published. What is stored is always the bytes as they came.
import { HoldfastError } from '@holdfast/base/errors';
import type { FormatChecker, FormatFault } from './formats/format-checker.ts';
import { checkJson } from './formats/json-format.ts';
import { checkProperties } from './formats/properties-format.ts';
import { checkToml } from './formats/toml-format.ts';
import { checkXml } from './formats/xml-format.ts';
import { checkYaml } from './formats/yaml-format.ts';
import { decodeUtf8, utf8FaultAt } from './utf8-text.ts';

export const configFormats = ['json', 'yaml', 'toml', 'properties', 'xml', 'text'] as const;

export type ConfigFormat = (typeof configFormats)[number];

/** 1 MiB: the largest content that is taken. */
export const contentBytesMax = 1024 * 1024;

/** `text` takes any bytes, so it has no checker. */
const checkers: Readonly<Record<Exclude<ConfigFormat, 'text'>, FormatChecker>> = {
  json: checkJson,
  yaml: checkYaml,
  toml: checkToml,
  properties: checkProperties,
  xml: checkXml,
};

const formatByExtension: ReadonlyMap<string, ConfigFormat> = new Map([
  ['json', 'json'],
  ['yaml', 'yaml'],
  ['yml', 'yaml'],
  ['toml', 'toml'],
  ['properties', 'properties'],
  ['xml', 'xml'],
  ['txt', 'text'],
  ['conf', 'text'],
]);

/** Only types that somebody must have meant: what clients send by themselves says nothing. */
const formatByMediaType: ReadonlyMap<string, ConfigFormat> = new Map([
  ['application/json', 'json'],
  ['text/json', 'json'],
  ['application/yaml', 'yaml'],
  ['application/x-yaml', 'yaml'],
  ['text/yaml', 'yaml'],
  ['text/x-yaml', 'yaml'],
  ['application/toml', 'toml'],
  ['text/x-java-properties', 'properties'],
  ['application/xml', 'xml'],
  ['text/xml', 'xml'],
]);

const mediaTypes: Readonly<Record<ConfigFormat, string>> = {
  json: 'application/json',
  yaml: 'application/yaml',
  toml: 'application/toml',
  properties: 'text/x-java-properties; charset=utf-8',
  xml: 'application/xml',
  text: 'text/plain; charset=utf-8',
};

/** The media type under which a content is answered. */
export function mediaTypeOf(format: ConfigFormat, content: Uint8Array): string {
  const isText = format !== 'text' || decodeUtf8(content) !== undefined;
  return isText ? mediaTypes[format] : 'application/octet-stream';
}

/** Throws `invalid-argument` for a word that names no format. */
export function parseFormat(word: string): ConfigFormat {
  const found = configFormats.find((format) => format === word);
  if (found) return found;
  throw new HoldfastError(
    'invalid-argument',
    `"${word.slice(0, 40)}" is no format; known are ${configFormats.join(', ')}`,
    { details: { formats: configFormats } },
  );
}

export type FormatHints = {
  /** Said by the caller: beats all else. */
  readonly format?: ConfigFormat | undefined;
  readonly name: string;
  readonly mediaType?: string | undefined;
};

/**
 * The format of a content: what the caller says, else the name's extension, else a media type that
 * names a format. The extension beats the media type because many clients send one without being
 * asked. Undefined: nothing tells; it is then what the configuration had before, or `text`.
 */
export function detectFormat(hints: FormatHints): ConfigFormat | undefined {
  const extension = /\.([^./]+)$/.exec(hints.name)?.[1]?.toLowerCase() ?? '';
  const mediaType = hints.mediaType?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  return hints.format ?? formatByExtension.get(extension) ?? formatByMediaType.get(mediaType);
}

/**
 * Lets a content pass, or throws: `too-large` beyond `bytesMax`, `invalid-argument` with details
 * {format, line, column} for one that is not a document of its format.
 */
export function checkContent(
  content: Uint8Array,
  format: ConfigFormat,
  bytesMax = contentBytesMax,
): void {
  if (content.length > bytesMax) {
    throw new HoldfastError(
      'too-large',
      `the content has ${content.length} bytes; at most ${bytesMax} are taken`,
      { details: { bytes: content.length, limitBytes: bytesMax } },
    );
  }
  const fault = findFault(content, format);
  if (fault) throw refusal(format, fault);
}

function findFault(content: Uint8Array, format: ConfigFormat): FormatFault | undefined {
  if (format === 'text') return undefined;
  const text = decodeUtf8(content);
  if (text === undefined) return utf8FaultAt(content);
  try {
    return checkers[format](text);
  } catch (error) {
    // A parser gave up on its own limits (a spread of too many arguments, say): refused, not fatal.
    if (!(error instanceof RangeError)) throw error;
    return { line: 1, column: 1, reason: 'too intricate to be parsed' };
  }
}

function refusal(format: ConfigFormat, fault: FormatFault): HoldfastError {
  const { line, column, reason } = fault;
  return new HoldfastError(
    'invalid-argument',
    `not valid ${format}: line ${line}, column ${column}: ${reason}`,
    { details: { format, line, column, reason } },
  );
}
