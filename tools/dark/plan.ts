// What a rig is made of, and the commands of `ip -batch` that make it. Pure: it runs nothing.
//
// All rigs use the same addresses: each lives in namespaces of its own, and meets no other.
import { namespaceOf, type Owner } from './names.ts';

export type MachinePlan = {
  readonly name: string;
  readonly namespace: string;
  readonly address: string;
  readonly mac: string;
};

export type RigPlan = {
  /** The namespace of the bridge; its ports are called like the machines. */
  readonly hub: string;
  readonly machines: readonly MachinePlan[];
};

const hubName = 'hub';
const bridge = 'br0';
const reserved: ReadonlySet<string> = new Set([hubName, bridge, 'lo']);
const machinesMax = 250;

export function planRig(owner: Owner, names: readonly string[]): RigPlan {
  if (names.length > machinesMax) throw new Error(`a rig has ${machinesMax} machines at most`);
  if (new Set(names).size < names.length) throw new Error(`a name stands twice: ${names}`);
  for (const name of names) {
    // The kernel's limit for the name of an interface is 15 characters.
    const isName = /^[a-z][a-z0-9-]{0,14}$/.test(name) && !reserved.has(name);
    if (!isName) throw new Error(`no name for a machine: "${name}"`);
  }
  const machines = names.map((name, at): MachinePlan => {
    const host = at + 1;
    return {
      name,
      namespace: namespaceOf(owner, name),
      address: `10.77.0.${host}`,
      mac: `02:00:0a:4d:00:${host.toString(16).padStart(2, '0')}`,
    };
  });
  return { hub: namespaceOf(owner, hubName), machines };
}

export const namespacesOf = (plan: RigPlan): readonly string[] => [
  plan.hub,
  ...plan.machines.map((machine) => machine.namespace),
];

/** The machines' alone: whoever makes the hub's has claimed the names of all others with it. */
export const namespaceBatch = (plan: RigPlan): readonly string[] =>
  plan.machines.map(({ namespace }) => `netns add ${namespace}`);

/** Run in the hub: both ends of a cable are made there, and one is pushed into its machine. */
export const hubBatch = (plan: RigPlan): readonly string[] => [
  `link add name ${bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
  `link set dev ${bridge} addrgenmode none`,
  `link set dev ${bridge} up`,
  ...plan.machines.flatMap(({ name, namespace, mac }) => [
    `link add name ${name} type veth peer name eth0 address ${mac} netns ${namespace}`,
    `link set dev ${name} addrgenmode none`,
    `link set dev ${name} master ${bridge} up`,
  ]),
];

/** Run in a machine. Neighbours never expire, or a cut would become "no route to host". */
export const machineBatch = (plan: RigPlan, machine: MachinePlan): readonly string[] => [
  'link set dev lo up',
  'link set dev eth0 addrgenmode none',
  `addr add ${machine.address}/24 dev eth0`,
  'link set dev eth0 up',
  ...plan.machines
    .filter((other) => other !== machine)
    .map(({ address, mac }) => `neigh replace ${address} lladdr ${mac} dev eth0 nud permanent`),
];
