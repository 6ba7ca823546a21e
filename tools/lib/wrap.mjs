// Wraps comments that are wider than the house allows, which no formatter does: the words beyond
// the edge move to the next line of the same comment. Drawings and code are left alone.

const columnsMax = 100;
const lineComment = /^(\s*(?:\/\/|\*|#) )(\S.*)$/;
const oneLineBlock = /^(\s*)\/\*\* (.*) \*\/$/;

/** @param {string} text */
export function wrapComments(text) {
  const lines = text.split('\n').flatMap(openBlock);
  for (let at = 0; at < lines.length; at += 1) {
    const line = /** @type {string} */ (lines[at]);
    if (line.length <= columnsMax || prefixBelow(line) === '') continue;
    moveOverflow(lines, at);
  }
  return lines.join('\n');
}

/**
 * A doc comment of one line that is too long becomes one of three.
 * @param {string} line
 */
function openBlock(line) {
  const match = line.length > columnsMax ? oneLineBlock.exec(line) : null;
  if (!match) return [line];
  const [, indent = '', words = ''] = match;
  return [`${indent}/**`, `${indent} * ${words}`, `${indent} */`];
}

/** @param {string[]} lines @param {number} at */
function moveOverflow(lines, at) {
  const line = /** @type {string} */ (lines[at]);
  const edge = line.lastIndexOf(' ', columnsMax);
  const prefix = prefixBelow(line);
  if (edge <= prefix.length) return; // One long word (an address): nothing to break at.
  const overflow = line.slice(edge + 1).replace(/ \*\/$/, '');
  lines[at] = line.slice(0, edge);
  const closes = line.endsWith(' */');
  const next = lines[at + 1] ?? '';
  const goesOn = !closes && next.startsWith(prefix) && /^\S/.test(next.slice(prefix.length));
  if (goesOn) lines[at + 1] = `${prefix}${overflow} ${next.slice(prefix.length)}`;
  else lines.splice(at + 1, 0, `${prefix}${overflow}${closes ? ' */' : ''}`);
}

/** What the following line of the same comment begins with. @param {string} line */
function prefixBelow(line) {
  const opened = /^(\s*)\/\*\* \S/.exec(line);
  if (opened) return `${opened[1]} * `;
  return lineComment.exec(line)?.[1] ?? '';
}
