// A cluster of real processes, each on a machine of its own in the rig for the dark, and one
// machine beside them for clients. Everything ends and is removed by its dispose, also what is
// frozen.
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Agent } from '../../tools/dark/agent.ts';
import { DarkRig } from '../../tools/dark/dark-rig.ts';
import type { Machine } from '../../tools/dark/machine.ts';
import { DarkMember } from './dark-member.ts';
import { type MemberPlace, ProcessCluster, startArgs } from './process-cluster.ts';

const clientMachine = 'client';
const clientPort = 4653;
const peerPort = 4654;

export class DarkCluster extends ProcessCluster {
  readonly rig: DarkRig;
  override readonly members: readonly DarkMember[];

  private constructor(root: string, rig: DarkRig, members: readonly DarkMember[]) {
    super(root, members);
    this.rig = rig;
    this.members = members;
  }

  /** Resolves when all members serve. */
  static override async start(size: number, flags: readonly string[] = []): Promise<DarkCluster> {
    const names = Array.from({ length: size }, (_, at) => `n${at + 1}`);
    const rig = await DarkRig.create({ machines: [...names, clientMachine] });
    const root = mkdtempSync(join(tmpdir(), 'holdfast-dark-'));
    const machines = names.map((name) => rig.machine(name));
    const places = machines.map((machine) => placeOn(machine, root));
    const initial = places.map(({ name, peer }) => `${name}=${peer}`).join(',');
    const members = machines.map((machine, at) => {
      const place = places[at] as MemberPlace;
      return new DarkMember(machine, place, [...startArgs(place, initial), '--insecure', ...flags]);
    });
    const cluster = new DarkCluster(root, rig, members);
    await cluster.startAll();
    return cluster;
  }

  get clientMachine(): Machine {
    return this.rig.machine(clientMachine);
  }

  /** Makes calls from the machine of the clients. */
  get client(): Agent {
    return this.clientMachine.agent;
  }

  /** A member in the dark still sees what it saw last: ask the others. */
  override async leader(timeoutMs?: number, asked?: readonly DarkMember[]): Promise<DarkMember> {
    const leader = await super.leader(timeoutMs, asked);
    return this.members.find((member) => member === leader) as DarkMember;
  }

  others(...members: readonly DarkMember[]): readonly DarkMember[] {
    return this.members.filter((member) => !members.includes(member));
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]();
    await this.rig.close();
  }
}

function placeOn({ address, plan: { name } }: Machine, root: string): MemberPlace {
  const dataDir = join(root, name, 'data');
  mkdirSync(dataDir, { recursive: true });
  return {
    name,
    client: `${address}:${clientPort}`,
    peer: `${address}:${peerPort}`,
    dataDir,
  };
}
