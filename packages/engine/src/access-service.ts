// Users, roles and permissions over any Engine: runs the plans of `domain`. It owns no state: what
// counts is read from the engine each time, and any number of services on any members may work at
// once. Who may change them is judged here, by the very rules that a change is planned on.
import { HoldfastError } from '@holdfast/base/errors';
import { allRange } from '@holdfast/domain/access-key';
import { type AccessChange, planAccess } from '@holdfast/domain/access-plan';
import { AccessRules } from '@holdfast/domain/access-rules';
import { rangeRequest } from '@holdfast/domain/requests';
import type { Answer, Engine, WriteOptions } from './engine.ts';

/** A change that others keep getting in the way of gives up after so many. */
const attemptsMax = 64;

export class AccessService {
  readonly #engine: Pick<Engine, 'range' | 'txn'>;

  constructor(engine: Pick<Engine, 'range' | 'txn'>) {
    this.#engine = engine;
  }

  /** As they are now, also while access control is off. Who may see them is the caller's to ask. */
  async rules({ actor, signal }: WriteOptions): Promise<Answer<AccessRules>> {
    const options = { actor, subject: 'own', ...(signal && { signal }) } as const;
    const { header, body } = await this.#engine.range(rangeRequest(allRange), options);
    return { header, body: new AccessRules(body.kvs) };
  }

  /**
   * Answers whether anything was written. While access control is on it is root's. Throws an
   * AccessError, and whatever the engine refuses with.
   */
  async change(change: AccessChange, options: WriteOptions): Promise<Answer<boolean>> {
    const { actor, subject, signal } = options;
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      const { header, body: rules } = await this.rules(options);
      rules.requireRoot(subject);
      const txn = planAccess(rules, change);
      if (!txn) return { header, body: false };
      // The transaction pins the rules by which it was judged: nobody has to judge it at apply.
      const own = { actor, subject: 'own', ...(signal && { signal }) } as const;
      const answer = await this.#engine.txn(txn, own);
      if (answer.body.succeeded) return { header: answer.header, body: true };
    }
    throw new HoldfastError(
      'unavailable',
      `users and roles were changed by others ${attemptsMax} times meanwhile; nothing was written`,
    );
  }
}
