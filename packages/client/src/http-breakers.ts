// The calls on circuit breakers over `/v1/breakers`.
import type { CallOptions } from './config-api.ts';
import type { BreakerApi, BreakerList, BreakersReset } from './connection-api.ts';
import { pathOf } from './query.ts';
import { askOne, limitsOf, type Session } from './session.ts';

const path = '/v1/breakers';

export class HttpBreakers implements BreakerApi {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  list(options: CallOptions = {}): Promise<BreakerList> {
    return askOne(this.#session, { kind: 'read', method: 'GET', path, ...limitsOf(options) });
  }

  /** Once: sent again it would meet another member. */
  reset(peer?: string, options: CallOptions = {}): Promise<BreakersReset> {
    const target = peer === undefined ? `${path}/reset` : `${path}${pathOf(peer)}/reset`;
    return askOne(this.#session, {
      kind: 'once',
      method: 'POST',
      path: target,
      ...limitsOf(options),
    });
  }
}
