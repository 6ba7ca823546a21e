// Goal: every planted bug still finds its text, so that `npm run mutations` means something, and
// the judges are seen to see. Method: all texts are looked up; a few mutations, one of each kind,
// are run.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { editText } from './mutation.ts';
import { mutations } from './mutations.ts';
import { runMutation } from './run-mutation.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

describe('editText', () => {
  it('refuses a text that is not there, or there twice', () => {
    const edit = { file: 'a.ts', find: 'b', replace: 'c' };
    expect(editText('abd', edit)).toBe('acd');
    expect(() => editText('ad', edit)).toThrow(/a.ts: the text to replace is not there/);
    expect(() => editText('abbd', edit)).toThrow(/there 2 times/);
  });
});

describe('mutations', () => {
  it.each(mutations)('$name finds its text', ({ edits }) => {
    for (const edit of edits) editText(readFileSync(root + edit.file, 'utf8'), edit);
  });

  it('have a name each', () => {
    expect(new Set(mutations.map(({ name }) => name)).size).toBe(mutations.length);
  });

  // Each is found within a few seeds; all of them are `npm run mutations`.
  it.each([
    'follower-acknowledges-unsynced',
    'vote-forgotten-at-restart',
    'watch-one-revision-late',
    'keep-alive-that-keeps-nothing',
    'new-leader-gives-no-time',
  ])('the judges find %s', { timeout: 120_000 }, async (name) => {
    const mutation = mutations.find((one) => one.name === name);
    if (!mutation) throw new Error(`no such mutation: ${name}`);
    const { found } = await runMutation(mutation, { seedsMax: 300 });
    expect(found?.judge).toBeDefined();
  });
});
