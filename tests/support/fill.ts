// A state of some size, written through transactions of many keys: faster than a key at a time.
import type { ProcessMember } from './process-cluster.ts';

export type FillPlan = {
  /** Each key begins with it. */
  readonly name: string;
  readonly keys: number;
  readonly keysPerTxn: number;
  readonly valueBytes: number;
};

const lanes = 6;

/** Answers what was written; everything of it is acknowledged. */
export async function fill(
  member: ProcessMember,
  plan: FillPlan,
): Promise<ReadonlyMap<string, string>> {
  const written = new Map<string, string>();
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < plan.keys) {
      const from = next;
      next += plan.keysPerTxn;
      await writeSome(member, plan, { from, written });
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return written;
}

async function writeSome(
  member: ProcessMember,
  { name, keys, keysPerTxn, valueBytes }: FillPlan,
  { from, written }: { readonly from: number; readonly written: Map<string, string> },
): Promise<void> {
  const count = Math.min(keysPerTxn, keys - from);
  const puts = Array.from({ length: count }, (_, at) => {
    const key = `${name}-${from + at}`;
    return { key, value: `${key} `.padEnd(valueBytes, 'x') };
  });
  const answer = await fetch(`${member.url}/v1/txn`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ success: puts.map((put) => ({ put })) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`the state can not be written: ${text}`);
  for (const { key, value } of puts) written.set(key, value);
}
