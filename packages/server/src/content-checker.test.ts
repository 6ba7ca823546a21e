// Goal: large contents are judged in another thread exactly as here, and a thread that is stuck,
// or ended, costs one answer and no more. Method: the real thread, as built.
import { utf8 } from '@holdfast/base/bytes';
import { ManualClock } from '@holdfast/base/manual-clock';
import { afterEach, describe, expect, it } from 'vitest';
import { ContentChecker } from './content-checker.ts';

const options = { bytesMax: 1024 * 1024 };
const large = (lastLine: string) => utf8(`${filler}${lastLine}`);
const filler = Array.from({ length: 6000 }, (_, at) => `k${at}: value ${at}\n`).join('');

const open: ContentChecker[] = [];
function newChecker() {
  const clock = new ManualClock();
  const checker = new ContentChecker({ clock });
  open.push(checker);
  return { checker, clock };
}

afterEach(async () => {
  for (const checker of open.splice(0)) await checker.close();
});

describe('the check of contents', () => {
  it('judges large ones in a thread, with line and column', async () => {
    const { checker, clock } = newChecker();
    await checker.check(large('last: one\n'), 'yaml', options);
    const refused = checker.check(large('last: [one\n'), 'yaml', options);
    await expect(refused).rejects.toMatchObject({
      code: 'invalid-argument',
      message: expect.stringMatching(/not valid yaml: line \d+/),
      details: { format: 'yaml', line: expect.any(Number) },
    });
    expect(clock.pendingCount).toBe(0);
  });

  it('judges small ones and texts at once, and too large ones not at all', async () => {
    const { checker } = newChecker();
    await checker.check(utf8('a: 1'), 'yaml', options);
    await expect(checker.check(utf8('a: ['), 'yaml', options)).rejects.toThrow('not valid yaml');
    await checker.check(large(''), 'text', options);
    await expect(checker.check(large(''), 'yaml', { bytesMax: 9 })).rejects.toMatchObject({
      code: 'too-large',
    });
  });

  it('refuses what takes too long, and checks the next in a new thread', async () => {
    const { checker, clock } = newChecker();
    const slow = checker.check(large('last: one\n'), 'yaml', options);
    const next = checker.check(large('last: two\n'), 'yaml', options);
    clock.advance(10_000);
    await expect(slow).rejects.toMatchObject({
      code: 'resource-exhausted',
      message: expect.stringContaining('not parsed as yaml within 10 s'),
    });
    await next;
  });

  it('refuses beyond its bound, drops who has gone, and all when it ends', async () => {
    const { checker } = newChecker();
    const gone = new AbortController();
    const first = checker.check(large(''), 'yaml', options);
    const left = checker.check(large(''), 'yaml', { ...options, signal: gone.signal });
    gone.abort(new Error('gone'));
    await Promise.all([first, expect(left).rejects.toThrow('gone')]);
    const many = Array.from({ length: 65 }, () => checker.check(large(''), 'yaml', options));
    const ended = Promise.allSettled(many);
    await expect(checker.check(large(''), 'yaml', options)).rejects.toMatchObject({
      code: 'resource-exhausted',
    });
    await checker.close();
    const ends = await ended;
    expect(ends.every((end) => end.status === 'rejected')).toBe(true);
    expect(ends.at(-1)).toMatchObject({ reason: { code: 'shutting-down' } });
    await expect(checker.check(large(''), 'yaml', options)).rejects.toThrow();
  });
});
