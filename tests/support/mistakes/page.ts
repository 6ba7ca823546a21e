// The page of mistakes, with the sentences as they were said. Names, numbers and places that are
// other ones each time are left out of them.
import type { Mistake } from './scene.ts';

export type Chapter = { readonly title: string; readonly mistakes: readonly Mistake[] };

/** The sentence that holds it: of a line of JSON the shortest text that does, else all words. */
export function sentenceIn(text: string, says: RegExp): string {
  const lines = text.split('\n').map((line) => line.trim());
  const told = lines.findLast((line) => line.startsWith('{') && says.test(line));
  if (told !== undefined) return generalised(shortest(textsOf(JSON.parse(told)), says));
  const words = lines.filter((line) => line !== '' && !line.startsWith('{')).join(' ');
  return generalised(words.replace(/^.*\berror: /, '').replace(/ \[[\w-]+\]/, '.'));
}

const shortest = (texts: readonly string[], says: RegExp): string =>
  texts.filter((one) => says.test(one)).sort((a, b) => a.length - b.length)[0] ?? texts.join(', ');

const textsOf = (value: unknown): readonly string[] => {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsOf) : [];
};

const generalised = (sentence: string): string =>
  sentence
    .replace(/\/tmp\/[\w./-]*/g, 'DIR')
    .replace(/127\.0\.0\.1:\d+/g, 'HOST:PORT')
    .replace(/\b[0-9a-f]{16}\b/g, 'ID')
    .replace(/process \d+/g, 'process PID')
    .replace(/\|/g, '\\|');

export function mistakesPage(
  chapters: readonly Chapter[],
  sentences: ReadonlyMap<string, string>,
): string {
  const parts = chapters.map(({ title, mistakes }) => {
    const rows = mistakes.map(
      ({ did, becomes }) => `| ${did} | ${becomes} | ${sentences.get(did) ?? ''} |`,
    );
    return [`## ${title}`, '', heads, '|---|---|---|', ...rows, ''].join('\n');
  });
  return [intro, ...parts].join('\n');
}

const heads = '| an operator who … | what becomes of it | what is said |';

const intro = `# Mistakes

What people do to a cluster at three in the morning, each done to a running cluster of three real
processes (\`tests/mistakes.test.ts\`, in \`npm test\`). After every one of them all three members
serve, writes go on, and everything that was acknowledged is there. The sentences are as they were
said when this page was made (\`npm run build\`, then
\`REWRITE=1 npx vitest run --project e2e tests/mistakes.test.ts\`); names and places are left out.
`;
