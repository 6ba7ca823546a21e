// Goal: two names of one directory are one, and nothing new stands within what is kept. Method: a
// temporary folder with a link, dots and detours.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';

import { requireApart, requireOutside } from './directories-apart.ts';

function places(): { readonly a: string; readonly link: string; readonly root: string } {
  const root = mkdtempSync(join(tmpdir(), 'holdfast-apart-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  const [a, link] = [join(root, 'a'), join(root, 'link')];
  mkdirSync(a);
  symlinkSync(a, link);
  return { a, link, root };
}

it('knows a directory by its place, not by its name', () => {
  const { a, link, root } = places();
  expect(() => requireApart([a, join(root, 'b'), join(root, 'c')])).not.toThrow();
  for (const same of [a, link, `${a}/../a/.`]) {
    expect(() => requireApart([a, same])).toThrow(/are the same directory/);
  }
});

it('lets nothing new stand in what stays as it is', () => {
  const { a, link, root } = places();
  for (const outside of [join(root, 'a2'), root, `${a}/../b`, join(root, '..a')]) {
    expect(() => requireOutside(outside, [a])).not.toThrow();
  }
  for (const inside of [a, link, join(link, 'deep', 'in'), join(a, '..b')]) {
    expect(() => requireOutside(inside, [join(root, 'b'), a])).toThrow(/stays as it is/);
  }
});
