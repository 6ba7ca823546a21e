// The calls that change members over `/v1/members` and `/v1/leader`.
import type { CallOptions } from './config-api.ts';
import type { MemberApi, MemberChanges, MemberRow } from './member-api.ts';
import { jsonBody, jsonOf, limitsOf, type Session } from './session.ts';

export class HttpMembers implements MemberApi {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async change(changes: MemberChanges, options: CallOptions = {}): Promise<readonly MemberRow[]> {
    const { members } = await this.#post<{ readonly members: readonly MemberRow[] }>(
      '/v1/members/changes',
      { body: changes, options },
    );
    return members;
  }

  async transfer(to?: string, options: CallOptions = {}): Promise<string> {
    const body = to === undefined ? {} : { to };
    const path = '/v1/leader/transfer';
    return (await this.#post<{ readonly name: string }>(path, { body, options })).name;
  }

  /** Past the session of exactly-once writes: no entry of theirs, and repeated without harm. */
  async #post<T>(
    path: string,
    { body, options }: { readonly body: object; readonly options: CallOptions },
  ): Promise<T> {
    const call = { kind: 'repeatable', method: 'POST', path, ...limitsOf(options) } as const;
    const reply = await this.#session.caller.call({ ...call, ...jsonBody(body) });
    return jsonOf<T>(reply);
  }
}
