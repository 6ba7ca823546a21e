// Clients with users: an operator turns access control on and off, and gives and takes permissions
// and passwords; others write, read and watch as users whose rights come and go meanwhile. What is
// done and told is judged (access-safety.ts). In runs with it, all other clients are a user root.
import { must } from '@holdfast/base/assert';
import { toText, utf8 } from '@holdfast/base/bytes';
import { isHoldfastError } from '@holdfast/base/errors';
import { pick, type Random } from '@holdfast/base/random';
import type { AccessChange } from '@holdfast/domain/access-plan';
import type { PasswordRecord } from '@holdfast/domain/access-record';
import type { ProvenUser } from '@holdfast/domain/subject';
import { AccessService } from '@holdfast/engine/access-service';
import type { WatchStream } from '@holdfast/engine/engine';
import type { ClientCalls, Target, Told } from './client-calls.ts';
import { ClientGroup } from './client-group.ts';
import type { ClientRecord } from './client-record.ts';
import { type AccessAsk, signed } from './judges/access-safety.ts';
import { keyspace, putOp, putRequest, rangeRequest, registerOf } from './key-requests.ts';

export type AccessClientsOptions = {
  readonly random: Random;
  readonly calls: ClientCalls;
  readonly record: ClientRecord;
  /** Beside the operator. */
  readonly count: number;
  readonly onFailure: (error: unknown) => void;
};

/** Nobody writes a key that begins so but the clients here. */
const prefix = 'u';
const [first, behind] = [`${prefix}0`, `${prefix}9`];
const users = ['ann', 'bob'] as const;
/** Clients in the history; all others come before. */
const firstClient = 200;
const own = { actor: 'operator', subject: 'own' } as const;

const password: PasswordRecord = {
  ...{ algorithm: 'scrypt', cost: 2, blockSize: 1, parallelization: 1 },
  ...{ salt: utf8('salt'), hash: utf8('hash') },
};

export class AccessClients {
  readonly #options: AccessClientsOptions;
  readonly #random: Random;
  readonly #group: ClientGroup;
  /** As they log in: by the password that was set last, as far as the operator knows. */
  readonly #known = new Map<string, ProvenUser>();
  #values = 0;
  /** Some member has acknowledged something at that revision. */
  #told = 0;

  constructor(options: AccessClientsOptions) {
    this.#options = options;
    this.#random = options.random;
    this.#group = new ClientGroup(options.onFailure);
  }

  start(): void {
    const { count } = this.#options;
    this.#group.start(1 + count, (at) => (at === 0 ? this.#operate() : this.#use(at)));
  }

  end(): void {
    this.#group.end();
  }

  get isIdle(): boolean {
    return this.#group.isIdle;
  }

  // ---------------------------------------------------------------- the operator

  async #operate(): Promise<void> {
    for (const change of this.#beginning()) {
      while (!this.#group.isEnded && !(await this.#change(change))) await this.#pause(300);
    }
    while (!this.#group.isEnded && !this.#known.has('root')) await this.#learn();
    this.#options.calls.subject = this.#known.get('root');
    while (!this.#group.isEnded) {
      await this.#pause(900);
      await this.#change(this.#nextChange());
      await this.#learn();
    }
  }

  #beginning(): readonly AccessChange[] {
    return [
      { kind: 'add-user', name: 'root', password },
      { kind: 'grant-role', user: 'root', role: 'root' },
      ...users.flatMap((name): readonly AccessChange[] => [
        { kind: 'add-user', name, password },
        { kind: 'add-role', name },
        { kind: 'grant-role', user: name, role: name },
        { kind: 'grant-permission', role: name, permission: this.#permission() },
      ]),
    ];
  }

  #nextChange(): AccessChange {
    const name = pick(this.#random, users);
    const choice = this.#random.fraction();
    if (choice < 0.3)
      return { kind: 'grant-permission', role: name, permission: this.#permission() };
    if (choice < 0.55) {
      const { key, rangeEnd } = this.#permission();
      return { kind: 'revoke-permission', role: name, key, rangeEnd };
    }
    if (choice < 0.62) return { kind: 'change-password', name, password };
    if (choice < 0.68) return { kind: 'revoke-role', user: name, role: name };
    if (choice < 0.76) return { kind: 'grant-role', user: name, role: name };
    if (choice < 0.8) return { kind: 'delete-user', name };
    if (choice < 0.87) return { kind: 'add-user', name, password };
    if (choice < 0.91) return { kind: 'disable' };
    return { kind: 'enable', secret: utf8('secret') };
  }

  #permission() {
    const kind = pick(this.#random, ['read', 'write', 'readwrite'] as const);
    const isRange = this.#random.fraction() < 0.4;
    const key = isRange ? first : this.#key();
    return { kind, key: utf8(key), rangeEnd: utf8(isRange ? behind : '') };
  }

  /** Answers whether it is so now. */
  async #change(change: AccessChange): Promise<boolean> {
    const told = await this.#ask((target, signal) =>
      new AccessService(target.engine).change(change, { ...own, signal }),
    );
    if (told && 'answer' in told) this.#heard(told.answer.header.revision);
    return told !== undefined && ('answer' in told || told.error.code === 'already-exists');
  }

  /** What passwords count, so that users can log in. */
  async #learn(): Promise<void> {
    await this.#pause(50);
    const told = await this.#ask((target, signal) =>
      new AccessService(target.engine).rules({ ...own, signal }),
    );
    if (!told || !('answer' in told)) return;
    this.#heard(told.answer.header.revision);
    for (const name of ['root', ...users]) {
      const passwordRevision = told.answer.body.password(name)?.revision;
      if (passwordRevision !== undefined) this.#known.set(name, { name, passwordRevision });
    }
  }

  // ---------------------------------------------------------------- the users

  async #use(at: number): Promise<void> {
    while (!this.#group.isEnded) {
      await this.#pause(300);
      const target = this.#options.calls.someone(this.#random);
      if (!target) continue;
      const choice = this.#random.fraction();
      if (choice < 0.5) await this.#write(target, firstClient + at);
      else if (choice < 0.85) await this.#read(target);
      else await this.#watch(target);
    }
  }

  #subject(): ProvenUser | undefined {
    if (this.#random.fraction() < 0.1) return undefined;
    return this.#known.get(pick(this.#random, users));
  }

  async #write(target: Target, client: number): Promise<void> {
    const { record, calls } = this.#options;
    const subject = this.#subject();
    this.#values += 1;
    const [key, value] = [this.#key(), signed(subject, this.#values)];
    const from = this.#told;
    const call = record.call(client, [{ key, action: { type: 'put', value } }]);
    const isTxn = this.#random.fraction() < 0.3;
    const told = await calls.wait(target, async (signal) => {
      const options = { actor: 'user', subject, signal };
      const txn = { compare: [], success: [putOp(key, value)], failure: [] };
      const { header } = isTxn
        ? await target.engine.txn(txn, options)
        : await target.engine.put(putRequest(key, value), options);
      return header.revision;
    });
    if ('answer' in told) {
      this.#heard(told.answer);
      call.answered([{ before: { untold: true }, wrote: true }], told.answer);
      return;
    }
    this.#judgeRefusal(told, { subject, kind: 'write', key }, from);
    if (told.error.outcome === 'not-applied') call.refused();
    else call.unknown();
  }

  /** Of one key, or of all; at the present, or of the member's own state. */
  async #read({ engine, member }: Target): Promise<void> {
    const { record, calls } = this.#options;
    const ask = this.#askToRead();
    const from = this.#told;
    const isStale = this.#random.fraction() < 0.3;
    const level = isStale ? ('stale' as const) : ('linearizable' as const);
    const { key, rangeEnd = '', subject } = ask;
    const request = { ...rangeRequest(key), rangeEnd: utf8(rangeEnd) };
    const told = await calls.wait({ engine, member }, (signal) =>
      engine.range(request, { actor: 'user', subject, consistency: { level }, signal }),
    );
    if ('answer' in told) {
      const { header, body } = told.answer;
      record.access.read(ask, header.revision);
      for (const kv of body.kvs) must(registerOf(kv), `${toText(kv.key)} has a value`);
    } else if (!isStale) this.#judgeRefusal(told, ask, from);
  }

  #askToRead(): AccessAsk & { readonly kind: 'read' } {
    const subject = this.#subject();
    const isRange = this.#random.fraction() < 0.4;
    const range = isRange ? { key: first, rangeEnd: behind } : { key: this.#key() };
    return { subject, kind: 'read', ...range };
  }

  async #watch(target: Target): Promise<void> {
    const ask = this.#askToRead();
    const from = this.#told;
    const { key, rangeEnd = '', subject } = ask;
    const request = { keyspace, key: utf8(key), rangeEnd: utf8(rangeEnd), progressMs: 200 };
    // Without a signal: that of the call goes on to serve another one.
    const told = await this.#options.calls.wait(target, () =>
      target.engine.watch(request, { actor: 'user', subject }),
    );
    if (!('answer' in told)) return this.#judgeRefusal(told, ask, from);
    const stream = told.answer;
    const reading = this.#follow(target, ask, stream);
    await this.#pause(3000);
    stream.close();
    // Of a member that was stopped nothing comes any more: nobody waits for it.
    await Promise.race([reading, this.#pause(100)]);
  }

  async #follow({ member }: Target, ask: AccessAsk, stream: WatchStream): Promise<void> {
    const { record, onFailure } = this.#options;
    // The one that is watched, also when its member has died.
    const { store } = member;
    if (!store) return;
    try {
      for await (const { type, revision } of stream) {
        if (type === 'progress') continue;
        record.access.watched(ask, { revision, reached: store.revision });
        await this.#pause(300);
      }
    } catch (error) {
      // A user that may not watch any more, a member that stops.
      if (!isHoldfastError(error)) onFailure(error);
    }
  }

  // ---------------------------------------------------------------- what they share

  #judgeRefusal(told: Told<unknown>, ask: AccessAsk, from: number): void {
    if (!('error' in told)) return;
    const { code } = told.error;
    if (code !== 'permission-denied' && code !== 'unauthenticated') return;
    const { record } = this.#options;
    record.access.refused(ask, { from, to: record.events.last });
  }

  #heard(revision: number): void {
    this.#told = Math.max(this.#told, revision);
  }

  async #ask<T>(
    work: (target: Target, signal: AbortSignal) => Promise<T>,
  ): Promise<Told<T> | undefined> {
    const { calls } = this.#options;
    const target = calls.someone(this.#random);
    return target && (await calls.wait(target, (signal) => work(target, signal)));
  }

  #key(): string {
    return `${prefix}${this.#random.integer(0, 4)}`;
  }

  #pause(ms: number): Promise<void> {
    return this.#options.calls.pause(2 * ms * this.#random.fraction());
  }
}
