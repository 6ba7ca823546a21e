// What the bench has to know of a system to run a cluster of it: the contract of the three.

export type SystemName = 'etcd' | 'holdfast' | 'zookeeper';

export type MemberPlan = {
  readonly name: string;
  /** From 1 on. */
  readonly number: number;
  /** `127.0.0.1:port`, as are all of them. */
  readonly client: string;
  readonly peer: string;
  /** ZooKeeper has ports of its own for elections. */
  readonly election: string;
  /** Its folder. */
  readonly data: string;
};

export type Command = { readonly program: string; readonly args: readonly string[] };

export type Role = 'leader' | 'follower';

export interface PeerSystem {
  readonly name: SystemName;
  /** Undefined where it is not installed. */
  version(): string | undefined;
  /** Writes what must stand in the member's folder before it starts. */
  prepare(plan: MemberPlan, all: readonly MemberPlan[]): Promise<void>;
  command(plan: MemberPlan, all: readonly MemberPlan[]): Command;
  /** Undefined while the member does not serve. */
  role(plan: MemberPlan): Promise<Role | undefined>;
  /** Gives up the history of values, as an operator has it done; not where none is kept. */
  compact(plan: MemberPlan): Promise<void>;
}
