// TOML 1.0.
import { parse, TomlError } from 'smol-toml';
import { type FormatFault, nestingMax } from './format-checker.ts';

export function checkToml(text: string): FormatFault | undefined {
  try {
    parse(text, { maxDepth: nestingMax });
    return undefined;
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    return { line: error.line, column: error.column, reason: reasonOf(error) };
  }
}

/** The library's message goes on with a picture of the place, which our callers do not need. */
function reasonOf(error: TomlError): string {
  const [firstLine = ''] = error.message.split('\n', 1);
  return firstLine.replace('Invalid TOML document: ', '');
}
