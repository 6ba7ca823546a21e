// The calls on soundness over `/v1/integrity` and `/v1/scrub`.
import type { CallOptions } from './config-api.ts';
import type { IntegrityApi, IntegrityView, ScrubView } from './integrity-api.ts';
import { askOne, limitsOf, type Session } from './session.ts';

export class HttpIntegrity implements IntegrityApi {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  view(options: CallOptions = {}): Promise<IntegrityView> {
    return this.#look('/v1/integrity', options);
  }

  check(options: CallOptions = {}): Promise<IntegrityView> {
    return this.#once('/v1/integrity/check', options);
  }

  overwrite(options: CallOptions = {}): Promise<IntegrityView> {
    return this.#once('/v1/integrity/overwrite', options);
  }

  scrub(options: CallOptions = {}): Promise<ScrubView> {
    return this.#look('/v1/scrub', options);
  }

  startScrub(options: CallOptions = {}): Promise<ScrubView> {
    return this.#once('/v1/scrub', options);
  }

  #look<T extends object>(path: string, options: CallOptions): Promise<T & { endpoint: string }> {
    return askOne(this.#session, { kind: 'read', method: 'GET', path, ...limitsOf(options) });
  }

  /** Sent again it would meet another member. */
  #once<T extends object>(path: string, options: CallOptions): Promise<T & { endpoint: string }> {
    return askOne(this.#session, { kind: 'once', method: 'POST', path, ...limitsOf(options) });
  }
}
