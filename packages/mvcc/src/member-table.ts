// Which data directory stands under which member id, and where the member is (safety.md 15). Part
// of the replicated state.
import { HoldfastError } from '@holdfast/base/errors';
import { formatId } from '@holdfast/base/ids';
import {
  type BindMemberRequest,
  type ClusterVersionRequest,
  MemberStanding,
} from '@holdfast/proto/internal';
import type { StoreLimits } from './store-limits.ts';

export class MemberTable {
  readonly #members = new Map<bigint, BindMemberRequest>();
  #sorted: readonly BindMemberRequest[] | undefined;
  #clusterVersion: number;

  constructor(members: readonly BindMemberRequest[] = [], clusterVersion = 1) {
    for (const member of members) this.#members.set(member.memberId, member);
    this.#clusterVersion = clusterVersion;
  }

  /** In the order of their ids, those that were removed too; another list after each change. */
  get members(): readonly BindMemberRequest[] {
    this.#sorted ??= [...this.#members.values()].sort((a, b) => (a.memberId < b.memberId ? -1 : 1));
    return this.#sorted;
  }

  /** Entries of kinds up to this version may be proposed. */
  get clusterVersion(): number {
    return this.#clusterVersion;
  }

  /**
   * Throws `cluster-mismatch` for another directory under a bound id, `failed-precondition` for an
   * id that was removed.
   */
  bind(request: BindMemberRequest, limits: StoreLimits): void {
    checkBinding(request, limits);
    const bound = this.#members.get(request.memberId);
    if (bound?.standing === MemberStanding.REMOVED) throw removed(bound);
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
    // Announced a second time, a member that has come is no less there.
    const standing = bound?.standing === MemberStanding.JOINED ? bound.standing : request.standing;
    this.#set({ ...request, standing });
  }

  /** Of one that is in the configuration no more. Throws `not-found`; a second time it is done. */
  retire(id: bigint): void {
    const bound = this.#members.get(id);
    if (!bound) throw new HoldfastError('not-found', `no member ${formatId(id)} is bound`);
    this.#set({ ...bound, standing: MemberStanding.REMOVED });
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

  /** The state begins the life of another cluster, whose members are others. */
  forgetAll(): void {
    this.#members.clear();
    this.#sorted = undefined;
  }

  #set(member: BindMemberRequest): void {
    this.#members.set(member.memberId, member);
    this.#sorted = undefined;
  }
}

const removed = ({ memberId, name }: BindMemberRequest): HoldfastError =>
  new HoldfastError(
    'failed-precondition',
    `member ${name} (${formatId(memberId)}) was removed from the cluster: a machine comes back ` +
      'under another id, with an empty data directory and --join',
  );

function checkBinding(request: BindMemberRequest, limits: StoreLimits): void {
  if (request.standing !== MemberStanding.JOINED && request.standing !== MemberStanding.EXPECTED) {
    throw new HoldfastError('invalid-argument', 'a binding is of one that joins or is expected');
  }
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
