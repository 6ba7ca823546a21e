// Tells the cluster who this member is and where: binds its data directory to its id in replicated
// state, once a start, as soon as writes work (safety.md 15). A directory that is not the bound one
// must not take part.
import { pause } from '@holdfast/base/clock';
import { isHoldfastError } from '@holdfast/base/errors';
import type { KvStore } from '@holdfast/mvcc/kv-store';
import { type BindMemberRequest, MemberStanding } from '@holdfast/proto/internal';
import { knownVersion } from './cluster-version.ts';
import type { EmbeddedEngineOptions } from './embedded-engine-options.ts';

export type BindingOptions = Pick<
  EmbeddedEngineOptions,
  'identity' | 'name' | 'peerAddresses' | 'clientAddresses' | 'clock'
> & {
  readonly store: Pick<KvStore, 'members'>;
  /** Into the log; rejects with what it fails with. */
  readonly bind: (request: BindMemberRequest, signal: AbortSignal) => Promise<void>;
};

const againMs = 200;

/** Resolves when the binding is in the log; rejects when the cluster knows another directory. */
export async function bindMember(options: BindingOptions, signal: AbortSignal): Promise<void> {
  const request = bindingOf(options);
  while (!signal.aborted) {
    const known = options.store.members().find(({ memberId }) => memberId === request.memberId);
    if (isSame(known, request)) return;
    try {
      await options.bind(request, signal);
      return;
    } catch (error) {
      // Without a leader it is tried again; a refusal by the cluster is final.
      if (signal.aborted) return;
      if (!isHoldfastError(error) || !error.retryable) throw error;
      await pause(options.clock, againMs, signal);
    }
  }
}

/** What a member says of itself. */
function bindingOf(
  options: Pick<EmbeddedEngineOptions, 'identity' | 'name' | 'peerAddresses' | 'clientAddresses'>,
): BindMemberRequest {
  const { identity, name, peerAddresses, clientAddresses } = options;
  return {
    memberId: identity.memberId,
    storeId: identity.storeId,
    name,
    peerAddresses: [...peerAddresses],
    clientAddresses: [...clientAddresses],
    version: knownVersion,
    standing: MemberStanding.JOINED,
  };
}

function isSame(bound: BindMemberRequest | undefined, request: BindMemberRequest): boolean {
  return (
    bound !== undefined &&
    bound.storeId === request.storeId &&
    bound.name === request.name &&
    bound.version === request.version &&
    bound.peerAddresses.join() === request.peerAddresses.join() &&
    bound.clientAddresses.join() === request.clientAddresses.join()
  );
}
