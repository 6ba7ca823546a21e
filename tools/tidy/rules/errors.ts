// Errors that vanish: whoever drops one says why, in a comment right there.
import { type House, isTest, roomOf } from '../house.ts';
import type { Finding, Rule } from '../rule.ts';
import { isNode, type Node, walk } from '../source.ts';

const inServer = (text: string): Record<string, string> => ({ 'packages/server/src/a.ts': text });

export const swallowed: Rule = {
  name: 'swallowed',
  reason: 'Most large failures begin with a small error that somebody caught and dropped.',
  check: (house) =>
    house.writtenModules
      .filter(({ path }) => roomOf(path) !== undefined && !isTest(path))
      .flatMap(({ path }) => checkSwallowed(house, path)),
  bad: [
    inServer('try { a(); } catch {}'),
    inServer('try { a(); } catch { b(); }'),
    inServer('try { a(); } catch (error) { b(); }'),
    inServer('a().catch(() => {});'),
    inServer('a().catch(() => undefined);'),
  ],
  good: [
    inServer('try { a(); } catch (error) { report(error); }'),
    inServer('try { a(); } catch (error) { throw error; }'),
    inServer('try {\n  a();\n} catch {\n  // Gone already, which is what was wanted.\n}'),
    inServer('a().catch((error) => report(error));\na().catch(report);'),
    inServer('a().catch(() => undefined); // Nobody listens any more.'),
    inServer('// Nobody listens any more.\na().catch(() => undefined);'),
  ],
};

/** How far above a comment still speaks of the line. */
const linesAbove = 4;

function checkSwallowed(house: House, path: string): Finding[] {
  const { program, lineOf } = house.parsed(path);
  const lines = (house.textOf(path) ?? '').split('\n');
  const findings: Finding[] = [];
  walk(program, (node) => {
    if (!drops(node)) return;
    const [first, last] = [lineOf(node.start), lineOf(node.end)];
    // A comment may stand inside, or above the statement or the small function that holds it.
    const around = lines.slice(Math.max(0, first - 1 - linesAbove), last);
    if (around.some((line) => /\/\/|\/\*|^\s*\*/.test(line))) return;
    findings.push({ path, line: last, message: 'drops an error without saying why' });
  });
  return findings;
}

function drops(node: Node): boolean {
  if (node.type === 'CatchClause') return !uses(node.body as Node, node.param);
  if (node.type !== 'CallExpression' || !isNode(node.callee)) return false;
  const property = node.callee.property;
  const [handler] = node.arguments as Node[];
  const isCatch = isNode(property) && property.name === 'catch';
  const isFunction = handler?.type === 'ArrowFunctionExpression';
  return isCatch && isFunction && !uses(handler.body as Node, (handler.params as Node[])[0]);
}

/** Whether `body` mentions what `parameter` binds; a pattern counts as mentioned. */
function uses(body: Node, parameter: unknown): boolean {
  if (!isNode(parameter)) return false;
  if (parameter.type !== 'Identifier') return true;
  let found = false;
  walk(body, (node) => {
    if (node.type === 'Identifier' && node.name === parameter.name) found = true;
  });
  return found;
}
