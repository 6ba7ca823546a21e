// The one judge of what clients may do, on the state that an engine reads from. It keeps the rules
// of the state's present revision, and reads them anew as a whole when that is another one: the
// rules are never older than the state that is judged by them. Where that state may be behind the
// cluster's, nothing is refused by it before it has caught up: what was granted, and acknowledged,
// holds on every member.
import { AccessError } from '@holdfast/domain/access-error';
import {
  judgeCommand,
  judgeKeys,
  judgeLease,
  judgeRead,
  type KeysOfLease,
  type Ranged,
} from '@holdfast/domain/access-judge';
import { allRange } from '@holdfast/domain/access-key';
import { AccessRules, noRules } from '@holdfast/domain/access-rules';
import { rangeRequest } from '@holdfast/domain/requests';
import type { Subject } from '@holdfast/domain/subject';
import type { KvStore } from '@holdfast/mvcc/kv-store';
import { ownAuthRevision } from '@holdfast/proto/entry-envelope';
import type { TxnRequest } from '@holdfast/proto/internal';
import type { CommandRequest } from './command-answer.ts';

/** Until this member has all that was acknowledged before; rejects where no leader can be asked. */
type CatchUp = (signal: AbortSignal | undefined) => Promise<unknown>;

export type Asker = {
  readonly subject?: Subject | undefined;
  readonly signal?: AbortSignal | undefined;
};

/** Undefined: at once. */
type Admission = Promise<undefined> | undefined;

export class AccessGuard {
  readonly #store: KvStore;
  readonly #catchUp: CatchUp;
  readonly #keysOf: KeysOfLease = (id) => this.#store.leases.keysOf(id);
  #rules = noRules;

  constructor(store: KvStore, catchUp: CatchUp) {
    this.#store = store;
    this.#catchUp = catchUp;
  }

  get rules(): AccessRules {
    const { accessRevision } = this.#store;
    if (accessRevision !== this.#rules.revision) {
      this.#rules = accessRevision === 0 ? noRules : this.#read();
    }
    return this.#rules;
  }

  /**
   * The revision of the rules by which the command is allowed, as its entry carries it. Throws, or
   * rejects with, `permission-denied`, `unauthenticated`.
   */
  permit(request: CommandRequest, asker: Asker): bigint | Promise<bigint> {
    if (asker.subject === 'own') return ownAuthRevision;
    if (!this.rules.isOn) return 0n;
    return this.#confirmed(() => this.#permit(request, asker.subject), asker.signal);
  }

  /** Before a watch; undefined: it is allowed. Rejects as `permit`; so do those that follow. */
  admitRead(range: Ranged, { subject, signal }: Asker): Admission {
    return this.#admit((rules) => judgeRead(rules, subject, range), signal);
  }

  /** To keep a lease alive is to keep what hangs on it. */
  admitLease(id: bigint, { subject, signal }: Asker): Admission {
    return this.#admit((rules) => judgeLease(rules, subject, this.#keysOf(id)), signal);
  }

  /** Anybody who is proven to be a user. */
  admitUser({ subject, signal }: Asker): Admission {
    return this.#admit((rules) => rules.grantFor(subject), signal);
  }

  /** Of a state that is as fresh as was asked for. Throws as `permit`; so do those that follow. */
  requireRead(range: Ranged, subject: Subject | undefined): void {
    if (this.rules.isOn) judgeRead(this.#rules, subject, range);
  }

  requireTxn(value: TxnRequest, subject: Subject | undefined): void {
    if (!this.rules.isOn) return;
    const request = { $case: 'txn', value } as const;
    judgeCommand(this.#rules, subject, { request, keysOf: this.#keysOf });
  }

  requireUser(subject: Subject | undefined): void {
    if (this.rules.isOn) this.#rules.grantFor(subject);
  }

  /** What hangs on a lease is told to whoever may read it. */
  requireKeysOf(ids: Iterable<bigint>, subject: Subject | undefined): void {
    if (!this.rules.isOn || !this.#rules.grantFor(subject)) return;
    for (const id of ids) judgeKeys(this.#rules, subject, this.#keysOf(id));
  }

  #permit(request: CommandRequest, subject: Subject | undefined): bigint {
    const { rules } = this;
    if (!rules.isOn) return 0n;
    judgeCommand(rules, subject, { request, keysOf: this.#keysOf });
    if (request.$case === 'leaseRevoke') {
      const mayAll = rules.grantFor(subject) === undefined;
      request.value.judgedAt = mayAll ? 0 : this.#store.revision;
    }
    return rules.revisionId;
  }

  #admit(judge: (rules: AccessRules) => unknown, signal: AbortSignal | undefined): Admission {
    if (!this.rules.isOn) return undefined;
    const judged = (): undefined => {
      judge(this.rules);
    };
    return this.#confirmed(judged, signal);
  }

  #confirmed<T>(judge: () => T, signal: AbortSignal | undefined): T | Promise<T> {
    try {
      return judge();
    } catch (error) {
      if (!(error instanceof AccessError)) throw error;
      return this.#catchUp(signal).then(judge);
    }
  }

  #read(): AccessRules {
    return new AccessRules(this.#store.range(rangeRequest(allRange)).kvs);
  }
}
