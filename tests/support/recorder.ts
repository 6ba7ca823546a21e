// Calls over HTTP, recorded with what became of them: for the judge of linearizability, and for the
// list of writes that must never be lost.
import { History } from '@holdfast/simulator/history';
import type { ProcessMember } from './process-cluster.ts';

type Outcome = 'applied' | 'not-applied' | 'unknown';

export class Recorder {
  readonly history = new History();
  /** The value of every key that was written once and acknowledged. */
  readonly acknowledged = new Map<string, string>();
  /** Why calls failed, and how often. */
  readonly failures = new Map<string, number>();
  #clients = 0;
  #waiting: { readonly sinceMs: number; readonly resolve: (atMs: number) => void }[] = [];

  /**
   * Resolves with the time of the first acknowledgement of a write that was sent after `sinceMs`.
   */
  firstAcknowledgementAfter(sinceMs: number): Promise<number> {
    return new Promise((resolve) => this.#waiting.push({ sinceMs, resolve }));
  }

  /** Writes a key that nobody else writes. */
  async write(member: ProcessMember, key: string, value: string): Promise<void> {
    const sentAtMs = performance.now();
    const outcome = await this.#put(member, key, value);
    if (outcome !== 'applied') return;
    this.acknowledged.set(key, value);
    this.#acknowledge(sentAtMs);
  }

  async writeRegister(member: ProcessMember, key: string, value: string): Promise<void> {
    this.#clients += 1;
    const call = this.history.call({ client: this.#clients, key, action: { type: 'put', value } });
    const outcome = await this.#put(member, key, value);
    if (outcome === 'applied') call.answered({ type: 'done' });
    else if (outcome === 'not-applied') call.refused();
  }

  async readRegister(member: ProcessMember, key: string): Promise<void> {
    this.#clients += 1;
    const call = this.history.call({ client: this.#clients, key, action: { type: 'get' } });
    try {
      const answer = await member.get(`/v1/kv/${key}`);
      const text = await answer.text();
      if (answer.ok) call.answered({ type: 'observed', before: text });
      else if (answer.status === 404) call.answered({ type: 'observed', before: undefined });
      else call.refused();
    } catch {
      call.refused(); // A read without an answer has no effect and saw nothing.
    }
  }

  async #put(member: ProcessMember, key: string, value: string): Promise<Outcome> {
    try {
      const answer = await member.put(`/v1/kv/${key}`, value);
      const text = await answer.text();
      if (answer.ok) return 'applied';
      const problem = JSON.parse(text) as { readonly code: string; readonly outcome: Outcome };
      this.#count(problem.code);
      return problem.outcome;
    } catch (error) {
      this.#count(error instanceof Error ? error.name : 'error');
      return 'unknown'; // The connection ended, or the time ran out.
    }
  }

  #count(code: string): void {
    this.failures.set(code, (this.failures.get(code) ?? 0) + 1);
  }

  #acknowledge(sentAtMs: number): void {
    const nowMs = performance.now();
    const met = this.#waiting.filter((one) => one.sinceMs <= sentAtMs);
    this.#waiting = this.#waiting.filter((one) => one.sinceMs > sentAtMs);
    for (const one of met) one.resolve(nowMs);
  }
}
