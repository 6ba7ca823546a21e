// A member on a machine of the rig for the dark. It is asked from inside its own machine, so it
// answers whatever its network has come to.
import type { ChildProcess } from 'node:child_process';
import type { Machine } from '../../tools/dark/machine.ts';
import type { Call } from '../../tools/dark/protocol.ts';
import { freeze, wake } from '../../tools/dark/system.ts';
import { type MemberPlace, ProcessMember } from './process-cluster.ts';

export class DarkMember extends ProcessMember {
  readonly machine: Machine;

  constructor(machine: Machine, place: MemberPlace, args: readonly string[]) {
    super(place, args);
    this.machine = machine;
  }

  get name(): string {
    return this.place.name;
  }

  freeze(): Promise<void> {
    return freeze(this.pid);
  }

  wake(): void {
    wake(this.pid);
  }

  override get(path: string, timeoutMs = 5000): Promise<Response> {
    return this.#ask({ method: 'GET', url: `${this.url}${path}`, deadlineMs: timeoutMs });
  }

  override put(path: string, body: string | Uint8Array, timeoutMs = 5000): Promise<Response> {
    return this.#ask({
      method: 'PUT',
      url: `${this.url}${path}`,
      headers: { 'content-type': 'application/octet-stream' },
      body: typeof body === 'string' ? body : new TextDecoder().decode(body),
      deadlineMs: timeoutMs,
    });
  }

  protected override launch(args: readonly string[]): ChildProcess {
    return this.machine.spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  }

  /** Rejects where `fetch` would: without an answer. */
  async #ask(call: Call): Promise<Response> {
    const outcome = await this.machine.agent.ask(call);
    if ('failure' in outcome) throw new Error(`${call.url}: ${outcome.failure}`);
    const { status, headers, body } = outcome;
    return new Response(body, { status, headers });
  }
}
