// The comment wrapper must change what is too wide, and nothing else.
import { describe, expect, it } from 'vitest';
import { wrapComments } from './lib/wrap.mjs';

const words = (count: number): string => Array.from({ length: count }, () => 'word').join(' ');
const widest = (text: string): number => Math.max(...text.split('\n').map((line) => line.length));

describe('wrapComments', () => {
  it('moves what is beyond the edge to the next line of the same comment', () => {
    const wrapped = wrapComments(`// ${words(22)}\n// and on\nconst a = 1;\n`);
    expect(wrapped).toBe(`// ${words(19)}\n// ${words(3)} and on\nconst a = 1;\n`);
  });

  it('opens a doc comment of one line', () => {
    const wrapped = wrapComments(`  /** ${words(22)} */\n  a();\n`);
    expect(wrapped).toBe(`  /**\n   * ${words(19)}\n   * ${words(3)}\n   */\n  a();\n`);
  });

  it('moves words down from the first line of a doc comment', () => {
    const wrapped = wrapComments(`  /** ${words(22)}\n   * and on. */\n`);
    expect(wrapped).toBe(`  /** ${words(19)}\n   * ${words(3)} and on. */\n`);
  });

  it('keeps the end of a block comment', () => {
    const wrapped = wrapComments(`/** first\n * ${words(22)} */\n`);
    expect(wrapped).toBe(`/** first\n * ${words(19)}\n * ${words(3)} */\n`);
  });

  it('leaves a drawing below the comment where it is', () => {
    const wrapped = wrapComments(`// ${words(22)}\n//   a -> b\n`);
    expect(wrapped).toBe(`// ${words(19)}\n// ${words(3)}\n//   a -> b\n`);
  });

  it('does not touch code, short comments or a word that cannot be broken', () => {
    const text = `const a = '${words(30)}';\n// short\n// ${'x'.repeat(120)}\n`;
    expect(wrapComments(text)).toBe(text);
    expect(widest(wrapComments(`    // ${words(60)}`))).toBeLessThanOrEqual(100);
  });
});
