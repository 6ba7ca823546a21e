// Which data directory stands under which member id, and where the member is (safety.md 15). Part
// of the replicated state.
import { HoldfastError } from '@holdfast/base/errors';
import { formatId } from '@holdfast/base/ids';
import type { BindMemberRequest, ClusterVersionRequest } from '@holdfast/proto/internal';
import type { StoreLimits } from './store-limits.ts';

export class MemberTable {
  readonly #members = new Map<bigint, BindMemberRequest>();
  #clusterVersion: number;

  constructor(members: readonly BindMemberRequest[] = [], clusterVersion = 1) {
    for (const member of members) this.#members.set(member.memberId, member);
    this.#clusterVersion = clusterVersion;
  }

  /** How many are bound; a binding is never changed, so it grows with every new one. */
  get count(): number {
    return this.#members.size;
  }

  /** In the order of their ids. */
  get members(): readonly BindMemberRequest[] {
    return [...this.#members.values()].sort((a, b) => (a.memberId < b.memberId ? -1 : 1));
  }

  /** Entries of kinds up to this version may be proposed. */
  get clusterVersion(): number {
    return this.#clusterVersion;
  }

  /** Throws `cluster-mismatch` for another directory under a bound id. */
  bind(request: BindMemberRequest, limits: StoreLimits): void {
    checkBinding(request, limits);
    const bound = this.#members.get(request.memberId);
    if (bound && bound.storeId !== request.storeId) {
      throw new HoldfastError(
        'cluster-mismatch',
        `member ${formatId(request.memberId)} is bound to data directory ` +
          `${formatId(bound.storeId)}, not ${formatId(request.storeId)}: a member whose ` +
          'directory is gone must be removed and added again under a new id',
      );
    }
    if (request.version < this.#clusterVersion) {
      throw new HoldfastError(
        'version-mismatch',
        `member ${formatId(request.memberId)} understands version ${request.version}, ` +
          `the cluster already uses ${this.#clusterVersion}`,
      );
    }
    this.#members.set(request.memberId, request);
  }

  /**
   * Raises the cluster's version, to that of the oldest of these members at most; never lowers it.
   * A member that is no longer in the configuration would hold it for ever. No ids: all members.
   */
  raiseVersion({ version, memberIds }: ClusterVersionRequest): void {
    const ids = memberIds.length > 0 ? memberIds : [...this.#members.keys()];
    const lowest = Math.min(...ids.map((id) => this.#members.get(id)?.version ?? 0));
    if (version < this.#clusterVersion || version > lowest) {
      throw new HoldfastError(
        'failed-precondition',
        `cluster version ${version} is not between ${this.#clusterVersion} and the oldest ` +
          `member's ${Number.isFinite(lowest) ? lowest : '(no member is bound)'}`,
      );
    }
    this.#clusterVersion = version;
  }
}

function checkBinding(request: BindMemberRequest, limits: StoreLimits): void {
  const addresses = [...request.peerAddresses, ...request.clientAddresses];
  const texts = [request.name, ...addresses];
  if (request.memberId === 0n || request.storeId === 0n || request.version === 0) {
    throw new HoldfastError('invalid-argument', 'member id, store id and version are not zero');
  }
  if (addresses.length > limits.memberAddressesMax) {
    throw new HoldfastError(
      'too-large',
      `a member has at most ${limits.memberAddressesMax} addresses`,
    );
  }
  if (texts.some((text) => text.length > limits.memberTextBytesMax)) {
    throw new HoldfastError(
      'too-large',
      `names and addresses have at most ${limits.memberTextBytesMax} characters`,
    );
  }
}
