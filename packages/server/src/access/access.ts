// Who asks, for all doors of a member: from a token, a password or a certificate to a proven user.
// What that user may do is judged by the engine; only what no engine is asked for is judged here.
// Nothing is kept that counts: a proof is remembered as long as the rules stay as they are.
import { createHmac, randomBytes } from 'node:crypto';

import type { Clock } from '@holdfast/base/clock';
import type { ClusterId } from '@holdfast/base/ids';
import { AccessError } from '@holdfast/domain/access-error';
import { gateRange } from '@holdfast/domain/access-key';
import type { AccessRules } from '@holdfast/domain/access-rules';
import { rangeRequest } from '@holdfast/domain/requests';
import type { ProvenUser, Subject } from '@holdfast/domain/subject';
import type { Engine } from '@holdfast/engine/engine';

import type { EngineSlot } from '../engine-slot.ts';
import { Passwords } from './passwords.ts';
import { readToken, signToken, type TokenKey } from './token.ts';

export type AccessOptions = {
  readonly slot: EngineSlot;
  readonly clock: Clock;
  /** How long a token counts; default: a day. */
  readonly tokenLifeMs?: number | undefined;
  readonly passwords?: Passwords;
};

export const tokenLifeDefaultMs = 24 * 60 * 60 * 1000;

/** Proofs that are remembered, of tokens and of passwords each. */
const rememberedMax = 10_000;

/** `from`: the address of whoever asks. */
export type Asker = {
  readonly from?: string | undefined;
  readonly signal?: AbortSignal | undefined;
};

type Proof = { readonly user: ProvenUser; readonly endsAtMs: number };

type Shown = Asker & { readonly name: string; readonly password: string };

export class Access {
  readonly passwords: Passwords;
  readonly #slot: EngineSlot;
  readonly #clock: Clock;
  readonly #tokenLifeMs: number;
  readonly #memoryKey = randomBytes(32);
  readonly #proofs = new Map<string, Proof>();
  #clusterId: ClusterId | undefined;
  /** Those that are remembered were found by it. */
  #rules: AccessRules | undefined;

  constructor({ slot, clock, tokenLifeMs, passwords }: AccessOptions) {
    this.#slot = slot;
    this.#clock = clock;
    this.#tokenLifeMs = tokenLifeMs ?? tokenLifeDefaultMs;
    this.passwords = passwords ?? new Passwords();
  }

  /** Whether who asks matters, as far as this member knows. */
  get isOn(): boolean {
    return this.#slot.state === 'serving' && this.#slot.engine.accessRules.isOn;
  }

  /**
   * At once where it can be judged by what this member knows. Throws, or rejects with, an error.
   */
  byToken(token: string, signal?: AbortSignal): ProvenUser | Promise<ProvenUser> {
    return this.#userOf(token) ?? this.#byTokenAnew(token, signal);
  }

  /** Rejects with an AccessError, `resource-exhausted`, or where no leader can be asked. */
  async byPassword(name: string, password: string, asker: Asker = {}): Promise<ProvenUser> {
    const key = this.#keyOf(name, password);
    const known = this.#remembered(key);
    if (known) return known;
    const shown = { name, password, ...asker };
    // This member may be behind: what it does not know is asked for before anybody is refused.
    const user = (await this.#checked(shown)) ?? (await this.#checkedAnew(shown));
    if (!user) throw new AccessError('wrong-password');
    this.#remember(key, { user, endsAtMs: Number.POSITIVE_INFINITY });
    return user;
  }

  /** As etcd's Authenticate: by the rules of now. */
  async login(name: string, password: string, asker: Asker = {}): Promise<string> {
    await this.#catchUp(asker.signal);
    if (!this.#engine.accessRules.isOn) throw new AccessError('not-on');
    const user = await this.byPassword(name, password, asker);
    const facts = {
      name,
      passwordRevision: user.passwordRevision ?? 0,
      endsAtMs: this.#clock.wallMs() + this.#tokenLifeMs,
    };
    return signToken(facts, this.#key(this.#engine.accessRules));
  }

  /** Rejects unless the subject may do everything; while the member starts nobody knows. */
  async requireRoot(subject: Subject | undefined, signal?: AbortSignal): Promise<void> {
    await this.#require((rules) => rules.requireRoot(subject), signal);
  }

  async requireUser(subject: Subject | undefined, signal?: AbortSignal): Promise<void> {
    await this.#require((rules) => void rules.grantFor(subject), signal);
  }

  async #require(
    judge: (rules: AccessRules) => void,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const engine = this.#engine;
    try {
      return judge(engine.accessRules);
    } catch (error) {
      if (!(error instanceof AccessError)) throw error;
      // It may have been granted a moment ago; where nobody can be asked, what is known counts.
      await this.#catchUp(signal).catch(() => undefined);
      judge(engine.accessRules);
    }
  }

  get #engine(): Engine {
    return this.#slot.engine;
  }

  /** Undefined: others may know of it. Throws where it is over whatever they know. */
  #userOf(token: string): ProvenUser | undefined {
    const known = this.#remembered(token);
    if (known) return known;
    const rules = this.#engine.accessRules;
    const facts = rules.isOn ? readToken(token, this.#key(rules)) : undefined;
    if (!facts) return undefined;
    const { name, passwordRevision, endsAtMs } = facts;
    const present = rules.password(name)?.revision ?? 0;
    const isOver = endsAtMs <= this.#clock.wallMs() || present > passwordRevision;
    if (isOver) throw new AccessError('proof-ended');
    if (present < passwordRevision) return undefined;
    const user = { name, passwordRevision, endsAtMs };
    this.#remember(token, { user, endsAtMs });
    return user;
  }

  async #byTokenAnew(token: string, signal: AbortSignal | undefined): Promise<ProvenUser> {
    await this.#catchUp(signal);
    const user = this.#userOf(token);
    if (!user) throw new AccessError('proof-ended');
    return user;
  }

  async #checkedAnew(shown: Shown): Promise<ProvenUser | undefined> {
    const before = this.#engine.accessRules.password(shown.name)?.revision;
    await this.#catchUp(shown.signal);
    if (this.#engine.accessRules.password(shown.name)?.revision === before) return undefined;
    return await this.#checked(shown);
  }

  /** By what this member knows; again where the password was changed while it was looked at. */
  async #checked({ name, password, from }: Shown): Promise<ProvenUser | undefined> {
    for (;;) {
      const kept = this.#engine.accessRules.password(name);
      const isSame = await this.passwords.matches(kept?.record, password, from);
      if (this.#engine.accessRules.password(name)?.revision !== kept?.revision) continue;
      return isSame && kept ? { name, passwordRevision: kept.revision } : undefined;
    }
  }

  #key({ secret }: AccessRules): TokenKey {
    if (!secret) throw new AccessError('not-on');
    this.#clusterId ??= this.#engine.status().clusterId;
    return { secret, clusterId: this.#clusterId };
  }

  /** Under which a password is remembered: what it is can not be told from that. */
  #keyOf(name: string, password: string): string {
    const text = JSON.stringify([name, password]);
    return createHmac('sha256', this.#memoryKey).update(text).digest('base64');
  }

  #remembered(key: string): ProvenUser | undefined {
    if (this.#rules !== this.#engine.accessRules) {
      this.#rules = this.#engine.accessRules;
      this.#proofs.clear();
    }
    const proof = this.#proofs.get(key);
    return proof && proof.endsAtMs > this.#clock.wallMs() ? proof.user : undefined;
  }

  /** The oldest goes first. */
  #remember(key: string, proof: Proof): void {
    if (this.#rules !== this.#engine.accessRules) return;
    for (const oldest of this.#proofs.keys()) {
      if (this.#proofs.size < rememberedMax) break;
      this.#proofs.delete(oldest);
    }
    this.#proofs.set(key, proof);
  }

  /** A linearizable read: after it this member has all that was acknowledged before it. */
  async #catchUp(signal: AbortSignal | undefined): Promise<void> {
    const own = { actor: 'access', subject: 'own', ...(signal && { signal }) } as const;
    await this.#engine.range(rangeRequest(gateRange, { countOnly: true }), own);
  }
}
