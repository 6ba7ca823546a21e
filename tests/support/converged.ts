// What must hold after any attack, once all members are back: the same state everywhere, and in it
// every write that was acknowledged, for linearizable and for stale readers.
import { expect } from 'vitest';
import { type ProcessCluster, type ProcessMember, until } from './process-cluster.ts';

type StateView = { readonly appliedIndex: number; readonly stateHash: string };
type Page = {
  readonly items: readonly { readonly key: string; readonly text: string }[];
  readonly next: string | null;
};

/** Writers have stopped. Fails with what is missing, and where. */
export async function expectConverged(
  cluster: ProcessCluster,
  acknowledged: ReadonlyMap<string, string>,
): Promise<void> {
  await expectSameState(cluster);
  for (const member of cluster.members) {
    for (const consistency of ['linearizable', 'stale']) {
      const stored = await allKeys(member, consistency);
      const lost = [...acknowledged].filter(([key, value]) => stored.get(key) !== value);
      expect(lost, `${consistency} on ${member.place.name}`).toEqual([]);
    }
  }
}

/** The state alone, where reading all of it would take long. */
export async function expectSameState({ members }: Pick<ProcessCluster, 'members'>): Promise<void> {
  let views: readonly StateView[] = [];
  await until(
    async () => {
      views = await Promise.all(members.map(stateOf));
      return new Set(views.map((view) => view.appliedIndex)).size === 1;
    },
    { timeoutMs: 20_000, what: () => `one applied index; have ${JSON.stringify(views)}` },
  );
  expect(new Set(views.map((view) => view.stateHash)).size, JSON.stringify(views)).toBe(1);
}

async function stateOf(member: ProcessMember): Promise<StateView> {
  const { appliedIndex, stateHash } = (await (await member.get('/v1/cluster')).json()) as StateView;
  return { appliedIndex, stateHash };
}

async function allKeys(
  member: ProcessMember,
  consistency: string,
): Promise<ReadonlyMap<string, string>> {
  const stored = new Map<string, string>();
  let cursor = '';
  do {
    const from = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const answer = await member.get(`/v1/kv?limit=1000&consistency=${consistency}${from}`);
    const page = (await answer.json()) as Page;
    for (const { key, text } of page.items) stored.set(key, text);
    cursor = page.next ?? '';
  } while (cursor !== '');
  return stored;
}
