// XML 1.0 and 1.1, well-formed; no schema, no namespaces. Nothing is fetched and no entity is ever
// expanded, so an entity bomb costs its own length.
import { SaxesParser } from 'saxes';
import { type FormatFault, nestingMax, nestingReason } from './format-checker.ts';

/** Ends the parser at the first fault: going on after one can take quadratic time. */
class FirstFault extends Error {
  readonly fault: FormatFault;

  constructor(fault: FormatFault) {
    super(fault.reason);
    this.fault = fault;
  }
}

const entityDeclaration = /<!ENTITY\s+([^\s%&"'<>]+)\s/g;
const externalSubset = /^\s*[^\s[]+\s+(?:SYSTEM|PUBLIC)\s/;

export function checkXml(text: string): FormatFault | undefined {
  const parser = new SaxesParser({ position: true });
  let mayDeclareElsewhere = false;
  let depth = 0;
  const stop = (reason: string): never => {
    throw new FirstFault({ line: parser.line, column: Math.max(1, parser.column), reason });
  };
  parser.on('doctype', (doctype) => {
    declareEntities(parser, doctype);
    mayDeclareElsewhere = externalSubset.test(doctype) || doctype.includes('%');
  });
  parser.on('opentag', () => {
    depth += 1;
    if (depth > nestingMax) stop(nestingReason);
  });
  parser.on('closetag', () => {
    depth -= 1;
  });
  parser.on('error', (error) => {
    const reason = reasonOf(error);
    // An entity of an external subset that nobody reads is no fault (XML 1.0, 4.1).
    if (reason !== 'undefined entity' || !mayDeclareElsewhere) stop(reason);
  });
  try {
    parser.write(text).close();
    return undefined;
  } catch (error) {
    if (error instanceof FirstFault) return error.fault;
    throw error;
  }
}

/**
 * Declared names are known to the parser as empty text: a reference is then no fault, and no bomb.
 */
function declareEntities(parser: SaxesParser, doctype: string): void {
  for (const [, name] of doctype.matchAll(entityDeclaration)) {
    if (name !== undefined) parser.ENTITIES[name] = '';
  }
}

/** Messages come as `line:column: text.` */
function reasonOf(error: Error): string {
  return error.message.replace(/^\d+:\d+: /, '').replace(/\.$/, '');
}
