// Asks all members how they are, every few seconds, and keeps a verdict on each (B-08, B-12, B-13):
// what is shown of them as their status, from memory, at once. Whoever it calls failed is out of
// routing; out of the membership it takes nobody (B-15).
import { type Clock, pause } from '@holdfast/base/clock';
import { isHoldfastError } from '@holdfast/base/errors';
import type { AskedMember } from './diagnosis.ts';
import type { Log } from './log.ts';
import type { AskedAll } from './member-reports.ts';
import {
  type CheckResult,
  firstVerdict,
  type MemberStatus,
  type MemberVerdict,
  nextVerdict,
  type VerdictSettings,
} from './member-verdict.ts';

export type MemberWatchOptions = {
  readonly clock: Clock;
  /** `intervalMs`: from the end of one round to the next; the question itself has a deadline. */
  readonly settings: VerdictSettings & { readonly intervalMs: number };
  /** Rejects while this member starts. */
  readonly askAll: () => Promise<AskedAll>;
  readonly onChange: (name: string, from: MemberStatus, to: MemberVerdict) => void;
};

/** One that tells each change of a verdict in the log. */
export function loggedWatch(
  of: {
    readonly clock: Clock;
    readonly log: Log;
    readonly settings: { readonly memberChecks: MemberWatchOptions['settings'] };
  },
  askAll: MemberWatchOptions['askAll'],
): MemberWatch {
  return new MemberWatch({
    clock: of.clock,
    settings: of.settings.memberChecks,
    askAll,
    onChange: (member, was, { status, reason }) => {
      const level = status === 'healthy' || status === 'shutting-down' ? 'info' : 'warn';
      of.log[level]({ peer: member, was, status, reason }, 'a member is judged otherwise');
    },
  });
}

export class MemberWatch {
  readonly #options: MemberWatchOptions;
  /** By id. */
  #verdicts = new Map<string, MemberVerdict>();

  constructor(options: MemberWatchOptions) {
    this.#options = options;
  }

  /** The verdict on that member; undefined: it is not known here. */
  verdictOn(id: string): MemberVerdict | undefined {
    return this.#verdicts.get(id);
  }

  /** It has said that it ends in order. */
  leaves(id: string): void {
    const before = this.#verdicts.get(id);
    if (!before) return;
    const verdict = nextVerdict(before, { type: 'leaves' }, this.#options.settings);
    this.#verdicts.set(id, verdict);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, settings } = this.#options;
    while (!signal.aborted) {
      await this.look();
      await pause(clock, settings.intervalMs, signal);
    }
  }

  /** One round. */
  async look(): Promise<void> {
    const all = await this.#askAll();
    if (!all) return;
    const verdicts = new Map<string, MemberVerdict>();
    for (const member of all.members) {
      const before = this.#verdicts.get(member.id) ?? firstVerdict;
      const verdict = nextVerdict(before, resultOf(member, all), this.#options.settings);
      verdicts.set(member.id, verdict);
      if (verdict.status === before.status) continue;
      // The first look at a sound member is no news.
      const isNew = !this.#verdicts.has(member.id);
      if (!isNew) this.#options.onChange(member.name, before.status, verdict);
    }
    this.#verdicts = verdicts;
  }

  /** Undefined: a member that starts or stops knows nobody. */
  async #askAll(): Promise<AskedAll | undefined> {
    try {
      return await this.#options.askAll();
    } catch (error) {
      if (isHoldfastError(error)) return undefined;
      throw error;
    }
  }
}

function resultOf({ id, report, missing }: AskedMember, { by, members }: AskedAll): CheckResult {
  if (report?.leaving) return { type: 'leaves' };
  if (report?.ready) return { type: 'serves' };
  if (report) return { type: 'limps', reason: report.notReadyReason ?? 'it does not serve' };
  const others = members.filter((one) => {
    if (one.id === by.id || one.report === undefined) return false;
    return one.report.links.some(({ peer, state }) => peer === id && state === 'dead');
  });
  return {
    type: 'silent',
    reason: missing ?? 'no answer',
    others: others.map(({ name }) => name),
  };
}
