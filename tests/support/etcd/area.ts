// What programs written for etcd are asked to do, named as people name it: the rows of the table in
// docs/etcd-compatibility.md.

export const areas = [
  'put',
  'get',
  'prefix',
  'range',
  'del',
  'txn',
  'watch',
  'lease',
  'lock',
  'elect',
  'compaction',
  'member',
  'endpoint',
  'hashkv',
  'alarm',
  'defrag',
  'snapshot',
  'role',
  'user',
  'auth',
] as const;

export type Area = {
  readonly area: (typeof areas)[number];
  /** Follows the area in a sentence: `is granted, kept alive`. */
  readonly does: string;
};

/** What a library does, as a program would; it throws where that is not what etcd does. */
export type LibraryCase<With> = Area & { run(own: With): Promise<void> };

export const titleOf = ({ area, does }: Area): string => `${area}: ${does}`;
