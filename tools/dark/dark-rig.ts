// Machines of network namespaces around a bridge that stands in a namespace of its own, so that
// nothing on the host's interfaces changes; and the faults that their network can have.
//
// It needs root, iproute2 and nftables; `tools/lib/dark-support.mjs` says whether they are there.
// What it makes is removed by `close()`, or by the next rig when its process died before that.
import { type Direction, Faults } from './faults.ts';
import { LateDoor, type Lateness } from './late-door.ts';
import { Machine } from './machine.ts';
import { freeOwner, staleNamespaces } from './names.ts';
import {
  hubBatch,
  machineBatch,
  namespaceBatch,
  namespacesOf,
  planRig,
  type RigPlan,
} from './plan.ts';
import { inNamespace, ipBatch, isAlive, listNamespaces, removeNamespaces, run } from './system.ts';

/** Kilobits a second that a machine's card lets through. */
export type Throttle = { readonly hearsKbit?: number; readonly saysKbit?: number };

export class DarkRig implements AsyncDisposable {
  readonly #plan: RigPlan;
  readonly #machines: ReadonlyMap<string, Machine>;
  readonly #faults = new Faults();
  readonly #lateDoors = new Map<string, LateDoor>();
  #changing: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  private constructor(plan: RigPlan) {
    this.#plan = plan;
    this.#machines = new Map(plan.machines.map((one) => [one.name, new Machine(one)]));
  }

  static async create(options: { readonly machines: readonly string[] }): Promise<DarkRig> {
    await removeNamespaces(staleNamespaces(await listNamespaces(), isAlive));
    const rig = new DarkRig(await claim(options.machines));
    try {
      await rig.#build();
    } catch (error) {
      await rig.close();
      throw error;
    }
    return rig;
  }

  machine(name: string): Machine {
    const machine = this.#machines.get(name);
    if (!machine) throw new Error(`no machine is called ${name}`);
    return machine;
  }

  /** Nothing that the machine sends arrives, and it hears nothing; it notices neither. */
  cut(name: string): Promise<void> {
    return this.#change([name], () => {
      this.#faults.cut({ from: name });
      this.#faults.cut({ to: name });
    });
  }

  cutPair(a: string, b: string): Promise<void> {
    return this.#change([a, b], () => {
      this.#faults.cut({ from: a, to: b });
      this.#faults.cut({ from: b, to: a });
    });
  }

  /** From alone: the machine is mute. To alone: it is deaf. Both: one direction of a pair. */
  cutDirection(direction: Direction): Promise<void> {
    return this.#change(namesOf(direction), () => this.#faults.cut(direction));
  }

  /** Per cent of the frames are lost, at random; a frame may hold many segments of TCP. */
  loss(direction: Direction, percent: number): Promise<void> {
    return this.#change(namesOf(direction), () => this.#faults.lose(direction, percent));
  }

  /** Ends the cuts and losses that the machine has a part in. */
  heal(name: string): Promise<void> {
    return this.#change([name], () => this.#faults.heal(name));
  }

  healPair(a: string, b: string): Promise<void> {
    return this.#change([a, b], () => this.#faults.healPair(a, b));
  }

  healAll(): Promise<void> {
    return this.#change([], () => this.#faults.healAll());
  }

  /** What is not named is not limited. What a machine hears waits in the hub, as in a switch. */
  async throttle(name: string, { hearsKbit, saysKbit }: Throttle): Promise<void> {
    const { namespace } = this.machine(name).plan;
    await limitRate(this.#plan.hub, name, hearsKbit);
    await limitRate(namespace, 'eth0', saysKbit);
  }

  /** New connections to the machine's ports are late, each way, until they are hastened. */
  async delay(name: string, lateness: Lateness): Promise<void> {
    await this.hasten(name);
    this.#lateDoors.set(name, await LateDoor.open(this.machine(name), lateness));
  }

  /** Breaks the late connections; what dials again is on time. */
  async hasten(name: string): Promise<void> {
    const door = this.#lateDoors.get(name);
    this.#lateDoors.delete(name);
    await door?.close();
  }

  /** The hub's rules as they stand, each with the frames that it has dropped. */
  rules(): Promise<string> {
    return inNamespace(this.#plan.hub, ['nft', 'list', 'ruleset']);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await Promise.all([...this.#machines.values()].map((machine) => machine.close()));
    const left = new Set(await listNamespaces());
    await removeNamespaces(namespacesOf(this.#plan).filter((name) => left.has(name)));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #build(): Promise<void> {
    await ipBatch(namespaceBatch(this.#plan));
    await ipBatch(hubBatch(this.#plan), this.#plan.hub);
    for (const machine of this.#plan.machines) {
      await ipBatch(machineBatch(this.#plan, machine), machine.namespace);
    }
    await this.#change([], () => undefined);
  }

  /** One after the other, or an older ruleset could replace a newer one. */
  #change(names: readonly string[], change: () => void): Promise<void> {
    for (const name of names) this.machine(name);
    change();
    const changed = this.#changing.then(async () => {
      await inNamespace(this.#plan.hub, ['nft', '-f', '-'], this.#faults.ruleset());
    });
    this.#changing = changed.catch(() => undefined); // Whoever asked for it is told.
    return changed;
  }
}

/** Makes the hub's namespace, which can succeed for one rig only, also among threads. */
async function claim(names: readonly string[]): Promise<RigPlan> {
  for (;;) {
    const plan = planRig(freeOwner(process.pid, await listNamespaces()), names);
    try {
      await ipBatch([`netns add ${plan.hub}`]);
      return plan;
    } catch (error) {
      if (!(await listNamespaces()).includes(plan.hub)) throw error;
    }
  }
}

const namesOf = ({ from, to }: Direction): readonly string[] =>
  [from, to].filter((name) => name !== undefined);

/** A quarter of a second of traffic may wait; what comes on top is lost, as in a real queue. */
async function limitRate(namespace: string, card: string, kbit: number | undefined) {
  const tc = (...args: readonly string[]) => run('tc', ['-n', namespace, 'qdisc', ...args]);
  const device = ['dev', card, 'root'];
  if (kbit === undefined) await tc('replace', ...device, 'noqueue');
  else {
    await tc(
      'replace',
      ...device,
      'tbf',
      'rate',
      `${kbit}kbit`,
      'burst',
      '16kb',
      'latency',
      '250ms',
    );
  }
}
