// A member on a machine of the rig for the dark. It is asked from inside its own machine, so it
// answers whatever its network has come to.
import type { ChildProcess } from 'node:child_process';
import type { Machine } from '../../tools/dark/machine.ts';
import type { Call } from '../../tools/dark/protocol.ts';
import { freeze, wake } from '../../tools/dark/system.ts';
import { type MemberPlace, ProcessMember } from './process-cluster.ts';

const callDeadlineMs = 5000;

/** One link of `/v1/connections`. */
export type LinkView = {
  readonly peer: string;
  readonly state: string;
  readonly breaker: string;
};

export type Standing = {
  readonly term: number;
  readonly appliedIndex: number;
  readonly leader: string | undefined;
};

type ClusterView = Omit<Standing, 'leader'> & {
  readonly members: readonly { readonly name: string; readonly role: string }[];
};

export class DarkMember extends ProcessMember {
  readonly machine: Machine;

  constructor(machine: Machine, place: MemberPlace, args: readonly string[]) {
    super(place, args);
    this.machine = machine;
  }

  get name(): string {
    return this.place.name;
  }

  /** For an agent that makes it from elsewhere; `{n}` in path or body is the call's number. */
  putCall(path: string, body: string): Call {
    return {
      method: 'PUT',
      url: `${this.url}${path}`,
      headers: { 'content-type': 'application/octet-stream' },
      body,
      deadlineMs: callDeadlineMs,
    };
  }

  getCall(path: string): Call {
    return { method: 'GET', url: `${this.url}${path}`, deadlineMs: callDeadlineMs };
  }

  /** Its links, as it sees them; to one peer alone where that is named. */
  async links(peer?: DarkMember): Promise<readonly LinkView[]> {
    const answer = await this.get('/v1/connections');
    const { connections } = (await answer.json()) as { readonly connections: LinkView[] };
    return connections.filter((link) => peer === undefined || link.peer === peer.name);
  }

  /** Where it stands; the leader is another member's name, its own, or undefined. */
  async standing(): Promise<Standing> {
    const answer = await this.get('/v1/cluster');
    const { term, appliedIndex, members } = (await answer.json()) as ClusterView;
    return { term, appliedIndex, leader: members.find(({ role }) => role === 'leader')?.name };
  }

  /** Linked to all, with nobody set aside, and ready. */
  async isWell(): Promise<boolean> {
    const links = await this.links();
    const isLinked = ({ state, breaker }: LinkView) => state === 'healthy' && breaker === 'closed';
    return links.every(isLinked) && (await this.isReady());
  }

  /** Ends its connections to a peer. */
  async evict(peer: DarkMember): Promise<void> {
    const url = `${this.url}/v1/connections/${peer.name}`;
    const answer = await this.#ask({ method: 'DELETE', url, deadlineMs: 5000 });
    if (!answer.ok) throw new Error(`${this.name} evicts nobody: ${await answer.text()}`);
  }

  freeze(): Promise<void> {
    return freeze(this.pid);
  }

  wake(): void {
    wake(this.pid);
  }

  override get(path: string, timeoutMs = callDeadlineMs): Promise<Response> {
    return this.#ask({ ...this.getCall(path), deadlineMs: timeoutMs });
  }

  override put(
    path: string,
    body: string | Uint8Array,
    timeoutMs = callDeadlineMs,
  ): Promise<Response> {
    const text = typeof body === 'string' ? body : new TextDecoder().decode(body);
    return this.#ask({ ...this.putCall(path, text), deadlineMs: timeoutMs });
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
