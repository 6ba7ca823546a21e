// The questions about the cluster over `/v1/cluster` and `/readyz`.
import { HoldfastError } from '@holdfast/base/errors';

import type { ClusterApi, ClusterView, Diagnosis, RecoveryView } from './cluster-api.ts';
import type { CallOptions } from './config-api.ts';
import { jsonOf, limitsOf, type Session, send } from './session.ts';

export class HttpCluster implements ClusterApi {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  view(options: CallOptions = {}): Promise<ClusterView> {
    return this.#read('/v1/cluster', options);
  }

  recovery(options: CallOptions = {}): Promise<RecoveryView> {
    return this.#read('/v1/recovery', options);
  }

  diagnosis(options: CallOptions = {}): Promise<Diagnosis> {
    return this.#read('/v1/diagnosis', options);
  }

  async isReady(options: CallOptions = {}): Promise<boolean> {
    const limits = limitsOf(options);
    try {
      const look = { kind: 'read', method: 'GET', path: '/readyz', isLook: true } as const;
      await send(this.#session, { ...look, ...limits });
      return true;
    } catch (error) {
      // A member that starts refuses; one that cannot be reached is another matter.
      if (error instanceof HoldfastError && 'phase' in error.details) return false;
      throw error;
    }
  }

  async #read<T>(path: string, options: CallOptions): Promise<T> {
    const limits = limitsOf(options);
    return jsonOf(await send(this.#session, { kind: 'read', method: 'GET', path, ...limits }));
  }
}
