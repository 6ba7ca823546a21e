// Clients whose writes stand in a session: what was not answered is sent again, through another
// member, until it is; now and then also what was. Each write is one call of the history, however
// often it was sent.
import type { Random } from '@holdfast/base/random';
import type { SessionPlace } from '@holdfast/engine/engine';
import type { ClientCalls, Told } from './client-calls.ts';
import { ClientGroup } from './client-group.ts';
import type { ClientRecord, Effect, RecordedCall } from './client-record.ts';
import { putRequest, registerOf } from './key-requests.ts';

export type SessionClientsOptions = {
  readonly random: Random;
  readonly calls: ClientCalls;
  readonly record: ClientRecord;
  readonly keys: number;
  readonly count: number;
  readonly onFailure: (error: unknown) => void;
};

const actor = 'session';
const triesMax = 8;
/** Writes of one session that are under way at once. */
const lanes = 2;
/** Clients in the history; those of the plain workload come before. */
const firstClient = 100;

type Session = { readonly id: bigint; next: bigint; readonly pending: Set<bigint> };
type Answered = { readonly revision: number; readonly before: string | undefined };

export class SessionClients {
  readonly #options: SessionClientsOptions;
  readonly #random: Random;
  readonly #group: ClientGroup;
  #sessions = 0n;

  constructor(options: SessionClientsOptions) {
    this.#options = options;
    this.#random = options.random;
    this.#group = new ClientGroup(options.onFailure);
  }

  start(): void {
    this.#group.start(this.#options.count, (at) => this.#run(firstClient + lanes * at));
  }

  end(): void {
    this.#group.end();
  }

  get isIdle(): boolean {
    return this.#group.isIdle;
  }

  async #run(client: number): Promise<void> {
    while (!this.#group.isEnded) {
      await this.#options.calls.pause(500 * this.#random.fraction());
      const session = await this.#register();
      if (!session) continue;
      const working = Array.from({ length: lanes }, (_, at) => this.#work(client + at, session));
      await Promise.all(working);
    }
  }

  async #register(): Promise<Session | undefined> {
    const { calls } = this.#options;
    const target = calls.someone(this.#random);
    if (!target) return undefined;
    this.#sessions += 1n;
    const id = this.#sessions;
    const ttlMs = this.#random.fraction() < 0.5 ? 60_000 : 1500;
    const told = await calls.wait(target, (signal) =>
      target.engine.sessionRegister({ id, ttlMs }, calls.as(actor, signal)),
    );
    return 'answer' in told ? { id, next: 1n, pending: new Set() } : undefined;
  }

  /** One write after the other, until the session is gone. */
  async #work(client: number, session: Session): Promise<void> {
    const writes = this.#random.integer(1, 25);
    for (let write = 0; write < writes && !this.#group.isEnded; write += 1) {
      await this.#options.calls.pause(1200 * this.#random.fraction() ** 2);
      if (!(await this.#write(client, session))) return;
    }
  }

  /** Answers whether the session may go on. */
  async #write(client: number, session: Session): Promise<boolean> {
    const sequence = session.next;
    session.next += 1n;
    session.pending.add(sequence);
    const key = `k${this.#random.integer(0, this.#options.keys)}`;
    const value = `s${session.id}-${sequence}`;
    const effects: Effect[] = [{ key, action: { type: 'put', value } }];
    const call = this.#options.record.call(client, effects);
    const sent = { session, sequence, key, value };
    const isKnown = await this.#sendUntilAnswered(sent, call);
    session.pending.delete(sequence);
    return isKnown;
  }

  async #sendUntilAnswered(sent: Sent, call: RecordedCall): Promise<boolean> {
    let mayHaveLeft = false;
    for (let tries = 0; tries < triesMax; tries += 1) {
      const told = await this.#send(sent);
      if (told && 'answer' in told) {
        call.answered([{ before: told.answer.before, wrote: true }], told.answer.revision);
        this.#noteAnswer(sent, told.answer);
        if (this.#random.fraction() < 0.2) await this.#sendAgain(sent);
        return true;
      }
      mayHaveLeft ||= told !== undefined && told.error.outcome !== 'not-applied';
      if (told?.error.code === 'session-expired') break;
      await this.#options.calls.pause(50 + 400 * this.#random.fraction());
    }
    if (mayHaveLeft) call.unknown();
    else call.refused();
    return false;
  }

  /** Of what was answered: it must answer so again, or say that the session is gone. */
  async #sendAgain(sent: Sent): Promise<void> {
    await this.#options.calls.pause(300 * this.#random.fraction());
    const told = await this.#send(sent);
    if (told && 'answer' in told) this.#noteAnswer(sent, told.answer);
  }

  async #send(sent: Sent): Promise<Told<Answered> | undefined> {
    const { calls } = this.#options;
    const target = calls.someone(this.#random);
    if (!target) return undefined;
    const request = { ...putRequest(sent.key, sent.value), prevKv: true };
    return await calls.wait(target, async (signal) => {
      const { header, body } = await target.engine.put(request, {
        ...calls.as(actor, signal),
        session: placeOf(sent),
      });
      return { revision: header.revision, before: registerOf(body.prevKv) };
    });
  }

  #noteAnswer({ session, sequence }: Sent, { revision, before }: Answered): void {
    const answer = `revision ${revision}, before ${before ?? 'nothing'}`;
    this.#options.record.sessions.answered(session.id, Number(sequence), answer);
  }
}

type Sent = {
  readonly session: Session;
  readonly sequence: bigint;
  readonly key: string;
  readonly value: string;
};

/** What lies below the lowest that is under way is never asked for again. */
function placeOf({ session, sequence }: Sent): SessionPlace {
  let lowestPending = sequence;
  for (const pending of session.pending) {
    if (pending < lowestPending) lowestPending = pending;
  }
  return { id: session.id, sequence, lowestPending };
}
