// What can happen to a machine, one after the other, and how it is ended. Each begins in a cluster
// that is well.
import { setTimeout as delay } from 'node:timers/promises';
import type { DarkCluster } from '../dark-cluster.ts';
import type { DarkMember } from '../dark-member.ts';

export type MatrixFault = {
  readonly name: string;
  readonly whom: 'leader' | 'follower';
  /** In words, for the page. */
  readonly says: string;
  /** In each `npm test`; the others when the page is written anew. */
  readonly isUsual: boolean;
  /** Whether the machine itself can still be asked, from inside. */
  readonly answersInside: boolean;
  begin(cluster: DarkCluster, member: DarkMember): Promise<void>;
  /** Called each half second meanwhile. */
  go?(cluster: DarkCluster, member: DarkMember, halfSecond: number): Promise<void>;
  end(cluster: DarkCluster, member: DarkMember): Promise<void>;
};

/** Each way: an answer is 4 s late. */
const lateMs = 2000;
/** Half seconds dark, then as many lit: shorter than what makes a peer dead. */
const flapHalfSeconds = 4;

const heal: MatrixFault['end'] = ({ rig }, { name }) => rig.heal(name);
const cut: MatrixFault['begin'] = ({ rig }, { name }) => rig.cut(name);
const freeze: MatrixFault['begin'] = (_, member) => member.freeze();
const wake: MatrixFault['end'] = async (_, member) => member.wake();

export const matrixFaults: readonly MatrixFault[] = [
  {
    name: 'dark leader',
    isUsual: true,
    whom: 'leader',
    says: 'its packets vanish, both ways',
    answersInside: true,
    begin: cut,
    end: heal,
  },
  {
    name: 'dark follower',
    isUsual: false,
    whom: 'follower',
    says: 'its packets vanish, both ways',
    answersInside: true,
    begin: cut,
    end: heal,
  },
  {
    name: 'lonely follower',
    isUsual: true,
    whom: 'follower',
    says: 'no member hears of it, nor it of them; clients reach it',
    answersInside: true,
    begin: async (cluster, { name }) => {
      for (const other of cluster.others()) {
        if (other.name !== name) await cluster.rig.cutPair(name, other.name);
      }
    },
    end: heal,
  },
  {
    name: 'frozen leader',
    isUsual: true,
    whom: 'leader',
    says: 'its process stands still, its kernel goes on (SIGSTOP)',
    answersInside: false,
    begin: freeze,
    end: wake,
  },
  {
    name: 'deaf leader',
    isUsual: false,
    whom: 'leader',
    says: 'it hears nothing; what it sends arrives',
    answersInside: true,
    begin: ({ rig }, { name }) => rig.cutDirection({ to: name }),
    end: heal,
  },
  {
    name: 'mute leader',
    isUsual: true,
    whom: 'leader',
    says: 'it hears everything; what it sends vanishes',
    answersInside: true,
    begin: ({ rig }, { name }) => rig.cutDirection({ from: name }),
    end: heal,
  },
  {
    name: 'slow follower',
    isUsual: true,
    whom: 'follower',
    says: 'whoever asks it has an answer after 4 s',
    answersInside: true,
    begin: async (cluster, member) => {
      const ports = [member.place.client, member.place.peer].map((one) =>
        Number(one.split(':')[1]),
      );
      await cluster.rig.delay(member.name, { delayMs: lateMs, ports });
      // Connections that stand are on time, so they are made anew.
      for (const other of cluster.others(member)) await other.evict(member);
    },
    end: ({ rig }, { name }) => rig.hasten(name),
  },
  {
    name: 'flapping leader',
    isUsual: true,
    whom: 'leader',
    says: 'dark for 2 s, back for 2 s, again and again',
    answersInside: true,
    begin: cut,
    go: async ({ rig }, { name }, halfSecond) => {
      if (halfSecond % flapHalfSeconds !== 0) return;
      const isDark = (halfSecond / flapHalfSeconds) % 2 === 0;
      await (isDark ? rig.cut(name) : rig.heal(name));
    },
    end: heal,
  },
];

/** Lets the fault go on for so long. */
export async function letPass(
  { cluster, fault, member }: { cluster: DarkCluster; fault: MatrixFault; member: DarkMember },
  ms: number,
): Promise<void> {
  for (let half = 1; half * 500 <= ms; half += 1) {
    await delay(500);
    await fault.go?.(cluster, member, half);
  }
}
