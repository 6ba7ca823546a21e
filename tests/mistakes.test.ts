// What an operator does wrong, on real processes. Goal: no mistake costs the quorum or data, and
// each gets its sentence. Method: two clusters, one mistake after the other in each; after each,
// writes go on and everything that was acknowledged is there. docs/mistakes.md is made here
// (REWRITE=1).
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ChangingCluster } from './support/changing-cluster.ts';
import { commandMistakes } from './support/mistakes/command-mistakes.ts';
import { directoryMistakes } from './support/mistakes/directory-mistakes.ts';
import { memberMistakes } from './support/mistakes/member-mistakes.ts';
import { mistakesPage, sentenceIn } from './support/mistakes/page.ts';
import { Scene } from './support/mistakes/scene.ts';
import { startMistakes } from './support/mistakes/start-mistakes.ts';
import type { ProcessMember } from './support/process-cluster.ts';
import { Recorder } from './support/recorder.ts';

const chapters = [
  { title: 'Starting a member', mistakes: startMistakes },
  { title: 'Data directories', mistakes: directoryMistakes },
  { title: 'Who belongs to the cluster', mistakes: memberMistakes },
  { title: 'On the command line', mistakes: commandMistakes },
];
const page = new URL('../docs/mistakes.md', import.meta.url).pathname;
const sentences = new Map<string, string>();

/** A cluster and what was written to it; each mistake has one for itself. */
type Stage = { readonly scene: Scene; readonly recorder: Recorder };

/** Most of a mistake is waiting, so that two are made at a time. */
class Stages {
  readonly #all: Stage[] = [];
  readonly #free: Stage[] = [];
  readonly #waiting: ((stage: Stage) => void)[] = [];

  async open(count: number): Promise<void> {
    for (let at = 0; at < count; at += 1) {
      const scene = new Scene(await ChangingCluster.start(3));
      this.#all.push({ scene, recorder: new Recorder() });
    }
    this.#free.push(...this.#all);
  }

  async use(deed: (stage: Stage) => Promise<void>): Promise<void> {
    const stage = this.#free.pop() ?? (await this.#next());
    try {
      await deed(stage);
    } finally {
      const next = this.#waiting.shift();
      if (next) next(stage);
      else this.#free.push(stage);
    }
  }

  #next(): Promise<Stage> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  async close(): Promise<void> {
    for (const { scene } of this.#all) await scene.cluster[Symbol.asyncDispose]();
  }
}

const stages = new Stages();

beforeAll(() => stages.open(2));

afterAll(async () => {
  await stages.close();
  if (process.env.REWRITE) writeFileSync(page, mistakesPage(chapters, sentences));
});

describe.concurrent('an operator who', () => {
  it.each(chapters.flatMap(({ mistakes }) => mistakes))('$did', ({ did, make, says }) =>
    stages.use(async (stage) => {
      const { scene, recorder } = stage;
      await recorder.write(scene.members[0], `w-before-${recorder.acknowledged.size}`, 'kept');
      const said = await make(scene);
      sentences.set(did, sentenceIn(said, says));
      expect(said).toMatch(says);
      await expectUnharmed(stage);
    }),
  );
});

it('an operator is told all of this in docs/mistakes.md', () => {
  const text = readFileSync(page, 'utf8');
  const mistakes = chapters.flatMap((chapter) => chapter.mistakes);
  expect(mistakes.length).toBeGreaterThanOrEqual(30);
  for (const { did } of mistakes) expect(text).toContain(`| ${did} |`);
});

/** All three run, take a write, and have every write that was acknowledged. */
async function expectUnharmed({ scene, recorder }: Stage): Promise<void> {
  expect(scene.members.filter((member) => member.isRunning)).toHaveLength(3);
  const before = recorder.acknowledged.size;
  for (const [at, member] of scene.members.entries()) {
    await recorder.write(member, `w-after-${before}-${at}`, 'kept');
    const kept = await keptBy(member);
    for (const key of recorder.acknowledged.keys()) expect(kept).toContain(key);
  }
  expect(recorder.acknowledged.size).toBe(before + 3);
}

async function keptBy(member: ProcessMember): Promise<readonly string[]> {
  const answer = await member.get('/v1/kv?prefix=w-&limit=1000&keys-only=true');
  const { items } = (await answer.json()) as {
    readonly items: readonly { readonly key: string }[];
  };
  return items.map(({ key }) => key);
}
