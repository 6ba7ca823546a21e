// The SDK's calls that change who belongs to the cluster, as types. A member is named by its name
// or its id.
import type { ClusterMember } from './cluster-api.ts';
import type { CallOptions } from './config-api.ts';

export type MemberRow = Pick<
  ClusterMember,
  'id' | 'name' | 'role' | 'peerAddresses' | 'clientAddresses'
>;

/** All of them or none take effect. */
export type MemberChanges = {
  readonly remove?: readonly string[] | undefined;
  /** Observers that shall vote. */
  readonly promote?: readonly string[] | undefined;
  /** Voters that shall only observe. */
  readonly demote?: readonly string[] | undefined;
};

export interface MemberApi {
  /**
   * The members afterwards. Rejects with `failed-precondition` for what would cost the cluster its
   * majority, and for the promotion of one that lags; with `not-found` for one that there is not.
   * Asked again, it finds done what was done.
   */
  change(changes: MemberChanges, options?: CallOptions): Promise<readonly MemberRow[]>;
  /** The name of the new leader; without `to` it is whichever voter is best. */
  transfer(to?: string, options?: CallOptions): Promise<string>;
}
