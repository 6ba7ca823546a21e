// `npm run mutations`: breaks one rule after another on purpose and shows which judge finds it, at
// which seed. Ends with 1 if one survives, or if a text to replace is not there any more.
import { parseArgs } from 'node:util';
import { messageOf } from '@holdfast/base/errors';
import type { Mutation } from './mutation.ts';
import { mutations } from './mutations.ts';
import { runMutation, type Verdict } from './run-mutation.ts';

const usage = `npm run mutations -- [options]
  --only NAME,..     these alone
  --seeds N          at most so many for each (default 300)
  --processes N      at once (default 2)
`;

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    seeds: { type: 'string', default: '300' },
    processes: { type: 'string', default: '2' },
    help: { type: 'boolean', default: false },
  },
});

async function main(): Promise<number> {
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  const wanted = values.only?.split(',');
  const chosen = mutations.filter(({ name }) => !wanted || wanted.includes(name));
  const unknown = wanted?.filter((name) => !chosen.some((one) => one.name === name)) ?? [];
  if (unknown.length > 0) throw new Error(`no such mutation: ${unknown.join(', ')}`);
  const verdicts = await runAll(chosen, Number(values.seeds));
  process.stdout.write(`\n${toTable(verdicts)}\n`);
  const caught = verdicts.filter(({ found }) => found !== undefined).length;
  process.stdout.write(`\n${caught} of ${chosen.length} found\n`);
  return caught === chosen.length ? 0 : 1;
}

/** In the order of the list, whoever ends first. */
async function runAll(chosen: readonly Mutation[], seedsMax: number): Promise<readonly Verdict[]> {
  const waiting = [...chosen.entries()];
  const verdicts: Verdict[] = [];
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const [at, mutation] = next;
      const onSeed = (seed: number): void => showProgress(mutation, seed);
      try {
        verdicts[at] = await runMutation(mutation, { seedsMax, onSeed });
        clearLine();
        process.stdout.write(`${lineOf(verdicts[at])}\n`);
      } catch (error) {
        clearLine();
        // Told, and counted as not found: the others still have something to say.
        process.stdout.write(`${mutation.name}: ${messageOf(error)}\n`);
      }
    }
  };
  await Promise.all(Array.from({ length: Number(values.processes) }, work));
  return verdicts.filter((verdict) => verdict !== undefined);
}

function showProgress({ name }: Mutation, seed: number): void {
  if (!process.stdout.isTTY) return;
  clearLine();
  process.stdout.write(`${name}: seed ${seed}`);
}

function clearLine(): void {
  if (process.stdout.isTTY) process.stdout.write('\r\u001b[2K');
}

const foundText = ({ found }: Verdict): string =>
  found ? `${found.judge}, seed ${found.seed} (${found.world})` : 'SURVIVED';

const lineOf = (verdict: Verdict): string =>
  `${verdict.mutation.name.padEnd(36)} ${foundText(verdict)}, ${verdict.seconds.toFixed(1)} s`;

/** As docs/planted-bugs.md shows it. */
function toTable(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map((verdict) => {
    const { name, does, rule } = verdict.mutation;
    return `| \`${name}\` | ${does} | ${rule} | ${foundText(verdict)} |`;
  });
  return [
    '| name | a member that is broken so | rule | found by |',
    '|---|---|---|---|',
    ...rows,
  ].join('\n');
}

process.exitCode = await main();
