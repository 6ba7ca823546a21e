// A run by the client library, as programs have it: one client, with as many calls under way as the
// plan says. How many connections that takes is the library's to say.
import { HoldfastClient } from '@holdfast/client/holdfast-client';

import { keyDigits } from './key-sequence.ts';
import type { LoadPlan, LoadResult } from './load-plan.ts';
import { LoadTally } from './load-tally.ts';

export async function runSdkLoad(plan: LoadPlan): Promise<LoadResult> {
  const { endpoints, by, inFlight } = plan;
  await using client = new HoldfastClient({ endpoints, isHttpOnly: by === 'sdk-http' });
  const calls = new Calls(client, plan);
  await calls.one();
  const tally = new LoadTally({ ...plan, connections: 1 });
  tally.start();
  const worker = async (): Promise<void> => {
    for (let isOn = true; isOn; ) {
      const startMs = performance.now();
      await calls.one();
      isOn = tally.answer(200, performance.now() - startMs);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return tally.result();
}

/** Keys in turn. */
class Calls {
  readonly #client: HoldfastClient;
  readonly #plan: LoadPlan;
  readonly #value: Uint8Array;
  #next = 0;

  constructor(client: HoldfastClient, plan: LoadPlan) {
    this.#client = client;
    this.#plan = plan;
    this.#value = new Uint8Array(plan.valueBytes).fill(118);
  }

  /** Rejects as the call does: a run with a failure is no measurement. */
  async one(): Promise<void> {
    const { kind, keys } = this.#plan;
    const key = `bench-${String(this.#next).padStart(keyDigits, '0')}`;
    this.#next = (this.#next + 1) % keys;
    if (kind === 'put') await this.#client.kv.put(key, this.#value);
    else if (kind === 'get-stale') await this.#client.kv.get(key, { consistency: 'stale' });
    else await this.#client.kv.get(key);
  }
}
