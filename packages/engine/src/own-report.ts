// What a member says of its own state at a check: digested beside its work, and told through the
// log.
import { type Clock, pause } from '@holdfast/base/clock';
import type { Index, MemberId } from '@holdfast/base/ids';
import type { StateDigester } from '@holdfast/mvcc/state-digest';
import type { CommandRequest } from './command-answer.ts';
import type { StateReport } from './state-verdict.ts';
import type { TrustKeeper } from './trust-keeper.ts';

export type OwnReportOptions = {
  readonly clock: Clock;
  readonly self: MemberId;
  readonly keeper: TrustKeeper;
  /** Lets the event loop run between two slices of a digest. */
  readonly yieldNow: () => Promise<void>;
  /** Through the log, by way of whoever leads. */
  readonly execute: (request: CommandRequest, signal?: AbortSignal) => Promise<void>;
  /** Whether the log does not have it yet, and the check is still the newest. */
  readonly isOwed: (checkIndex: Index) => boolean;
};

const retryMs = 200;
/** Beside each slice of a digest, which takes half a millisecond: a quarter of the time at most. */
const restMs = 2;

export class OwnReport {
  readonly #options: OwnReportOptions;
  #digesting = 0;

  constructor(options: OwnReportOptions) {
    this.#options = options;
  }

  get isUnderWay(): boolean {
    return this.#digesting > 0;
  }

  async digest(digester: StateDigester, signal: AbortSignal): Promise<void> {
    this.#digesting += 1;
    try {
      const digest = await digester.digest(() => this.#rest(digester, signal));
      if (!digest) return;
      const { index: checkIndex, ...found } = digest;
      const report = { ...found, checkIndex, member: this.#options.self, overwrite: false };
      await this.#tell({ ...report, ...this.#trust }, signal);
    } finally {
      digester.release();
      this.#digesting -= 1;
    }
  }

  /** As it is to be told now: once doubted or unproven, a report stays so. */
  requestOf({ member, parts, ...rest }: StateReport): CommandRequest {
    const { doubted, unproven } = this.#trust;
    const value = {
      ...rest,
      memberId: member,
      parts: [...parts],
      doubted: rest.doubted || doubted,
      unproven: rest.unproven || unproven,
      overwrite: this.#options.keeper.overwritable?.mayOverwrite ?? false,
    };
    return { $case: 'stateReport', value };
  }

  /** One that has another state by now is in doubt no more: what it then has, a check will show. */
  get #trust(): Pick<StateReport, 'doubted' | 'unproven'> {
    const { overwritable, isUnproven } = this.#options.keeper;
    return { doubted: overwritable !== undefined, unproven: isUnproven };
  }

  async #rest(digester: StateDigester, signal: AbortSignal): Promise<void> {
    await this.#options.yieldNow();
    await pause(this.#options.clock, restMs, signal);
    if (signal.aborted) digester.release();
  }

  /** Until it is in the log, or a newer check makes it idle. */
  async #tell(report: StateReport, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && this.#options.isOwed(report.checkIndex)) {
      try {
        await this.#options.execute(this.requestOf(report), signal);
        return;
      } catch {
        // Without a leader nothing is compared; whoever is asked for a write says so, too.
        await pause(this.#options.clock, retryMs, signal);
      }
    }
  }
}
