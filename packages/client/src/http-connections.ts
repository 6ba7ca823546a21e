// The calls on connections over `/v1/connections`.
import type { CallOptions } from './config-api.ts';
import type { ConnectionApi, ConnectionList, Evicted } from './connection-api.ts';
import { pathOf } from './query.ts';
import { askOne, limitsOf, type Session } from './session.ts';

const path = '/v1/connections';

export class HttpConnections implements ConnectionApi {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  list(options: CallOptions = {}): Promise<ConnectionList> {
    return askOne(this.#session, { kind: 'read', method: 'GET', path, ...limitsOf(options) });
  }

  evict(peer: string, options: CallOptions = {}): Promise<Evicted> {
    return this.#end(`${path}${pathOf(peer)}`, options);
  }

  clear(options: CallOptions = {}): Promise<Evicted> {
    return this.#end(path, options);
  }

  /** Once: sent again it would meet another member, or end what was just dialled anew. */
  #end(target: string, options: CallOptions): Promise<Evicted> {
    return askOne(this.#session, {
      kind: 'once',
      method: 'DELETE',
      path: target,
      ...limitsOf(options),
    });
  }
}
