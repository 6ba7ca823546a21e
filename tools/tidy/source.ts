// One source file, parsed by oxc: its imports, its top-level statements, and a walk over all nodes.
import { parseSync } from 'oxc-parser';

/** A node of the ESTree with positions; what else it has depends on its type. */
export type Node = { readonly type: string; readonly start: number; readonly end: number } & {
  readonly [field: string]: unknown;
};

export type Import = {
  readonly specifier: string;
  readonly typeOnly: boolean;
  /** `export ... from`, in contrast to an import. */
  readonly reexport: boolean;
  readonly line: number;
};

export type ParsedSource = {
  readonly program: Node;
  readonly statements: readonly Node[];
  readonly imports: readonly Import[];
  readonly syntaxErrors: readonly string[];
  /** Counted from one. */
  readonly lineOf: (offset: number) => number;
};

export function parseSource(path: string, text: string): ParsedSource {
  const result = parseSync(path, text);
  const lineOf = lineFinder(text);
  const program = result.program as unknown as Node;
  return {
    program,
    statements: program.body as Node[],
    imports: collectImports(program, lineOf),
    syntaxErrors: result.errors.map((error) => error.message),
    lineOf,
  };
}

/** Visits every node below `root`, parents first. */
export function walk(root: Node, visit: (node: Node, parent: Node | undefined) => void): void {
  const visitBelow = (node: Node, parent: Node | undefined): void => {
    visit(node, parent);
    for (const value of Object.values(node)) {
      if (Array.isArray(value)) for (const item of value) if (isNode(item)) visitBelow(item, node);
      if (isNode(value)) visitBelow(value, node);
    }
  };
  visitBelow(root, undefined);
}

export const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && typeof (value as Node).type === 'string';

function collectImports(program: Node, lineOf: (offset: number) => number): Import[] {
  const imports: Import[] = [];
  walk(program, (node) => {
    const source = node.source ?? node.argument;
    if (!importingTypes.has(node.type) || !isNode(source)) return;
    const literal = source.type === 'TSLiteralType' ? (source.literal as Node) : source;
    imports.push({
      specifier: String(literal.value),
      typeOnly: isTypeOnly(node),
      reexport: node.type.startsWith('Export'),
      line: lineOf(node.start),
    });
  });
  return imports;
}

const importingTypes: ReadonlySet<string> = new Set([
  'ImportDeclaration',
  'ExportNamedDeclaration',
  'ExportAllDeclaration',
  'ImportExpression',
  'TSImportType',
]);

function isTypeOnly(node: Node): boolean {
  if (node.type === 'TSImportType') return true;
  if (node.importKind === 'type' || node.exportKind === 'type') return true;
  const specifiers = (node.specifiers ?? []) as Node[];
  const isType = (each: Node): boolean => each.importKind === 'type' || each.exportKind === 'type';
  return specifiers.length > 0 && specifiers.every(isType);
}

function lineFinder(text: string): (offset: number) => number {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return (offset) => {
    let lo = 0;
    let hi = starts.length;
    while (hi - lo > 1) {
      const middle = (lo + hi) >>> 1;
      if ((starts[middle] as number) <= offset) lo = middle;
      else hi = middle;
    }
    return lo + 1;
  };
}
