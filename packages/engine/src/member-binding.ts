// Tells the cluster who this member is and where: binds its data directory to its id in replicated
// state, once a start, as soon as writes work (safety.md 15). A directory that is not the bound one
// must not take part.
import { isHoldfastError } from '@holdfast/base/errors';
import type { BindMemberRequest } from '@holdfast/proto/internal';

export type BindingOptions = {
  readonly request: BindMemberRequest;
  /** What the cluster knows of this member now. */
  readonly bound: () => BindMemberRequest | undefined;
  readonly bind: (request: BindMemberRequest, signal: AbortSignal) => Promise<void>;
  readonly pause: (signal: AbortSignal) => Promise<void>;
};

/** Resolves when the binding is in the log; rejects when the cluster knows another directory. */
export async function bindMember(options: BindingOptions, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    if (isSame(options.bound(), options.request)) return;
    try {
      await options.bind(options.request, signal);
      return;
    } catch (error) {
      // Without a leader it is tried again; a refusal by the cluster is final.
      if (signal.aborted) return;
      if (!isHoldfastError(error) || !error.retryable) throw error;
      await options.pause(signal);
    }
  }
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
