// Protocol scripts: testdata/*.txt hold sentences, commands ("> ...") and the whole output of each.
// The output is every message sent, every answer, every role change. `REWRITE=1 npx vitest run
// --project unit packages/raft` regenerates them; then the difference is what is reviewed.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ScriptRunner } from './script-runner.ts';

const directory = new URL('../testdata/', import.meta.url);

for (const name of readdirSync(directory).filter((one) => one.endsWith('.txt'))) {
  it(`script ${name}`, () => {
    const file = new URL(name, directory);
    const text = readFileSync(file, 'utf8');
    const actual = new ScriptRunner().run(text);
    if (process.env.REWRITE === '1') writeFileSync(file, actual);
    else expect(actual).toBe(text);
  });
}

it('a script with a wrong output line is not taken for right', () => {
  const text = 'A sentence.\n\n> cluster voters=3\n> state 1\nleader\n';
  expect(new ScriptRunner().run(text)).not.toBe(text);
});
