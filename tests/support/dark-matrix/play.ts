// One fault, with all calls under way: over HTTP to each member that is well, and to the ill one
// from inside its own machine; and all calls of the SDK, which knows every member.
import { setTimeout as delay } from 'node:timers/promises';
import type { Agent, PaceHandle } from '../../../tools/dark/agent.ts';
import type { Attempt, ClientReport } from '../../../tools/dark/protocol.ts';
import { monotonicMs } from '../../../tools/dark/system.ts';
import { ClientCalls } from '../client-calls.ts';
import type { DarkCluster } from '../dark-cluster.ts';
import type { DarkMember } from '../dark-member.ts';
import { until } from '../process-cluster.ts';
import { repetitions } from '../repetitions.ts';
import { clientBoundMs, httpBoundMs } from './bounds.ts';
import { clientCallBounds } from './client-bounds.ts';
import { letPass, type MatrixFault } from './faults.ts';
import { callTo, type HttpCall, httpCalls } from './http-calls.ts';

export type Row = {
  readonly fault: string;
  /** Who was asked: the members that are well, the ill one, or the SDK. */
  readonly asked: 'others' | 'itself' | 'SDK';
  readonly call: string;
  readonly worstMs: number;
  readonly boundMs: number;
  readonly calls: number;
  /** How many ended in which way; the usual one has no name. */
  readonly failures: Readonly<Record<string, number>>;
};

/** Longer than a dark machine takes to be noticed. */
const faultMs = repetitions(1) * 10_500;
/** So that events which the fault held up are seen to come. */
const afterwardsMs = 1500;
/** No call may take so long; it is told from one that is over its bound. */
const deadlineMs = 12_000;
/** As often as two cores bear, which two clusters of four share: a fault is meant, no flood. */
const oftenEverySeconds = 2;
const rareEverySeconds = 4;

export async function playFault(cluster: DarkCluster, fault: MatrixFault): Promise<readonly Row[]> {
  await untilWell(cluster);
  const leader = await cluster.leader();
  const [follower] = cluster.others(leader) as [DarkMember];
  const ill = fault.whom === 'leader' ? leader : follower;
  const others = await Caller.start(cluster.client, cluster.others(ill));
  const itself = fault.answersInside ? await Caller.start(ill.machine.agent, [ill]) : undefined;
  const sdk = await ClientCalls.start(cluster.clientMachine, {
    endpoints: cluster.endpoints,
    everyMs: 1000,
  });
  const beganMs = monotonicMs();
  await fault.begin(cluster, ill);
  await letPass({ cluster, fault, member: ill }, faultMs);
  const endedMs = monotonicMs();
  await fault.end(cluster, ill);
  await delay(afterwardsMs);
  const during = { beganMs, endedMs };
  return [
    ...httpRows(fault, 'others', during, await others.stop()),
    ...httpRows(fault, 'itself', during, (await itself?.stop()) ?? []),
    ...clientRows(fault, during, await sdk.stop()),
  ];
}

type During = { readonly beganMs: number; readonly endedMs: number };

async function untilWell(cluster: DarkCluster): Promise<void> {
  await until(
    async () =>
      (await Promise.all(cluster.members.map((member) => member.isWell()))).every(Boolean),
    { timeoutMs: 60_000, what: () => `all members well\n${cluster.logs()}` },
  );
}

type Made = { readonly what: HttpCall; readonly attempt: Attempt };

type Part = { readonly whats: readonly HttpCall[]; readonly pace: PaceHandle };

/** Every call to each of some members, and rare ones to the first alone. */
class Caller {
  readonly #parts: readonly Part[];

  private constructor(parts: readonly Part[]) {
    this.#parts = parts;
  }

  static async start(agent: Agent, members: readonly DarkMember[]): Promise<Caller> {
    const [first] = members as [DarkMember];
    const often = httpCalls.filter(({ isRare }) => !isRare);
    const rare = httpCalls.filter(({ isRare }) => isRare);
    const all = members.flatMap((member) => often.map((what) => ({ member, what })));
    const some = rare.map((what) => ({ member: first, what }));
    const start = async (made: typeof all, perSecond: number) => {
      const calls = made.map(({ member, what }) => callTo(member, what, deadlineMs));
      return { whats: made.map(({ what }) => what), pace: await agent.start({ calls, perSecond }) };
    };
    return new Caller([
      await start(all, all.length / oftenEverySeconds),
      await start(some, some.length / rareEverySeconds),
    ]);
  }

  async stop(): Promise<readonly Made[]> {
    const parts = this.#parts.map(async ({ whats, pace }) => {
      const attempts = await pace.stop();
      return attempts.map((attempt) => ({ what: whats[attempt.call] as HttpCall, attempt }));
    });
    return (await Promise.all(parts)).flat();
  }
}

function httpRows(
  fault: MatrixFault,
  asked: Row['asked'],
  { beganMs, endedMs }: During,
  made: readonly Made[],
): readonly Row[] {
  const during = made.filter(
    ({ attempt: { startedMs } }) => startedMs >= beganMs && startedMs < endedMs,
  );
  return httpCalls.flatMap((what) => {
    const own = during.filter((one) => one.what === what).map(({ attempt }) => attempt);
    if (own.length === 0) return [];
    return [
      {
        ...{ fault: fault.name, asked, call: what.name, calls: own.length },
        worstMs: Math.round(Math.max(...own.map(({ tookMs }) => tookMs))),
        boundMs: httpBoundMs[what.bound],
        failures: counted(own.filter(({ result }) => result !== 200).map(nameOf)),
      },
    ];
  });
}

function clientRows(
  fault: MatrixFault,
  { beganMs, endedMs }: During,
  { attempts, beats }: ClientReport,
): readonly Row[] {
  const isDuring = ({ startedMs }: { readonly startedMs: number }): boolean =>
    startedMs >= beganMs && startedMs < endedMs;
  const during = attempts.filter(isDuring);
  const common = { fault: fault.name, asked: 'SDK' } as const;
  const rows = [...new Set(during.map(({ call }) => call))].map((call): Row => {
    const own = during.filter((one) => one.call === call);
    return {
      ...{ ...common, call, calls: own.length },
      worstMs: Math.round(Math.max(...own.map(({ tookMs }) => tookMs))),
      boundMs: clientBoundMs[clientCallBounds[call] ?? 'look'],
      failures: counted(own.map(({ result }) => result).filter((result) => result !== 'ok')),
    };
  });
  const gaps = beats.map((times) => longestGap(times, { beganMs, endedMs }));
  return [
    ...rows,
    {
      ...{ ...common, call: 'kv.watch, between two events', calls: beats.length },
      worstMs: Math.round(Math.max(...gaps)),
      boundMs: clientBoundMs.watch,
      failures: {},
    },
  ];
}

/** Between two events, of which the fault may have delayed the second; also one that never came. */
function longestGap(times: readonly number[], { beganMs, endedMs }: During): number {
  const before = times.filter((ms) => ms < beganMs).at(-1) ?? beganMs;
  const after = times.find((ms) => ms >= endedMs) ?? endedMs + afterwardsMs;
  const marks = [before, ...times.filter((ms) => ms >= beganMs && ms < endedMs), after];
  return Math.max(...marks.slice(1).map((ms, at) => ms - (marks[at] as number)));
}

function nameOf({ result, body }: Attempt): string {
  if (typeof result === 'string') return result;
  const code = body === undefined ? undefined : /"code":\s*"([^"]+)"/.exec(body)?.[1];
  return code ?? String(result);
}

function counted(names: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
