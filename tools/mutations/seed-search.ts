// The process of one mutation: runs seed after seed, in one world after the other that the broken
// code takes part in, until a judge speaks. Prints one line of JSON for each seed, and what was
// found at the end.
import { runSimulation } from '@holdfast/simulator/main';

type WorldName = NonNullable<Parameters<typeof runSimulation>[0]['world']>;

/** The last line of a search. */
export type SearchResult = {
  readonly seed: number;
  readonly world: WorldName;
  readonly judge: string;
  readonly message: string;
};

const [seedsMax = '300', ...worlds] = process.argv.slice(2);

async function search(): Promise<SearchResult | undefined> {
  for (const world of worlds as WorldName[]) {
    for (let seed = 1; seed <= Number(seedsMax); seed += 1) {
      const { failure } = await runSimulation({ seed, world });
      if (failure) return { seed, world, ...failure };
      process.stdout.write(`${JSON.stringify({ seed })}\n`);
    }
  }
  return undefined;
}

process.stdout.write(`${JSON.stringify({ found: (await search()) ?? null })}\n`);
