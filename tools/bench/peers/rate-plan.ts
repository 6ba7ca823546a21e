// What is asked of whom: the loads of the table, and the doors that they go through.
import type { LoadKind, LoadPlan, WireProtocol } from '../load-plan.ts';
import type { SystemName } from './peer-system.ts';

export type Load = Pick<LoadPlan, 'kind' | 'inFlight' | 'connections'>;

export type DoorName = 'etcd' | 'holdfast' | 'holdfast-frames' | 'zookeeper';

export const doorNames: readonly DoorName[] = ['etcd', 'zookeeper', 'holdfast', 'holdfast-frames'];

export type Door = {
  readonly name: DoorName;
  readonly system: SystemName;
  readonly by: WireProtocol;
};

export const doors: readonly Door[] = [
  { name: 'etcd', system: 'etcd', by: 'grpc' },
  { name: 'holdfast', system: 'holdfast', by: 'grpc' },
  { name: 'holdfast-frames', system: 'holdfast', by: 'frames' },
  { name: 'zookeeper', system: 'zookeeper', by: 'zookeeper' },
];

/** As its stock clients ask it. */
export const doorOf = (system: SystemName): Door =>
  doors.find((door) => door.system === system) as Door;

const kinds: readonly LoadKind[] = ['put', 'get-linearizable', 'get-stale'];

const sizes = [
  { inFlight: 1, connections: 1 },
  { inFlight: 64, connections: 6 },
  { inFlight: 256, connections: 12 },
  { inFlight: 1000, connections: 48 },
  { inFlight: 256, connections: 256 },
];

export const loads: readonly Load[] = kinds.flatMap((kind) =>
  sizes.map((size) => ({ kind, ...size })),
);

const kindNames: Readonly<Record<LoadKind, string>> = {
  put: 'put',
  create: 'create',
  'get-linearizable': 'read, linearizable',
  'get-stale': 'read, serializable',
};

/** As it stands in the table, and as `--only` finds it. */
export const nameOf = ({ kind, inFlight, connections }: Load): string =>
  `${kindNames[kind]}, ${inFlight.toLocaleString('en')} / ${connections}`;
