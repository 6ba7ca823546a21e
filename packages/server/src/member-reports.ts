// What the members of the cluster say of themselves: this one at once, the others when they are
// asked, all at the same time and within a deadline. Who does not answer is named.
import { emptyBytes, toText, utf8 } from '@holdfast/base/bytes';
import type { Clock } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';
import { formatId, type MemberId } from '@holdfast/base/ids';
import type { RecentCounts } from '@holdfast/base/recent-counts';
import type { EngineStatus } from '@holdfast/engine/engine';
import type { TcpPeerTransport } from '@holdfast/engine/peer-transport';
import { fanOut } from '@holdfast/transport/fan-out';
import type { BackupReport } from './backup-schedule.ts';
import type { AskedMember } from './diagnosis.ts';
import { type MemberReport, memberReport, readMemberReport } from './member-report.ts';
import type { Certificates } from './tls/certificates.ts';

/**
 * every page and call of an administrator answers in under a second, also on a busy machine;
 * a member that lives answers in milliseconds.
 */
const deadlineMs = 500;
/** A goodbye is a courtesy: nobody waits long for its thanks. */
const goodbyeMs = 300;

export type MemberReportsOptions = {
  readonly clock: Clock;
  /** Undefined while this member starts. */
  readonly status: () => EngineStatus | undefined;
  readonly transport: () => Pick<TcpPeerTransport, 'ask' | 'status'> | undefined;
  readonly failures: RecentCounts;
  readonly certificates?: () => Pick<Certificates, 'views' | 'problems'>;
  /** Undefined: this member makes no scheduled ones. */
  readonly backup?: () => BackupReport | undefined;
  /** It was told to end, and ends in order. */
  readonly isLeaving: () => boolean;
  /** A peer has said that it ends in order. */
  readonly onLeaving: (peer: string) => void;
};

export type AskedAll = {
  /** Who has asked. */
  readonly by: MemberReport;
  /** All of the configuration, the asking one among them. */
  readonly members: readonly AskedMember[];
};

const questions = { report: 'report', leaving: 'leaving' } as const;

export class MemberReports {
  readonly #options: MemberReportsOptions;

  constructor(options: MemberReportsOptions) {
    this.#options = options;
  }

  /** This member's own. Throws `unavailable` while it starts. */
  own(): MemberReport {
    const { clock, status, transport, failures, certificates, backup, isLeaving } = this.#options;
    const known = status();
    if (!known) throw new HoldfastError('unavailable', 'this member is starting');
    return memberReport({
      status: known,
      mesh: transport()?.status,
      failures: failures.counts(),
      certificates: certificates?.() ?? { views: [], problems: [] },
      backup: backup?.(),
      nowMs: clock.monotonicMs(),
      isLeaving: isLeaving(),
    });
  }

  /** For a peer that asks. */
  async answer(from: MemberId, body: Uint8Array): Promise<Uint8Array> {
    const asked = toText(body);
    if (asked === questions.report) return utf8(JSON.stringify(this.own()));
    if (asked === questions.leaving) {
      this.#options.onLeaving(formatId(from));
      return emptyBytes;
    }
    throw new HoldfastError('unimplemented', 'this version does not know the question');
  }

  /** Asks all; takes no longer than its deadline. Throws `unavailable` while this one starts. */
  async askAll(): Promise<AskedAll> {
    const by = this.own();
    const peers = this.#options.status()?.peers ?? [];
    const { clock } = this.#options;
    const ask = async (peer: MemberId, signal: AbortSignal): Promise<MemberReport> =>
      readMemberReport(toText(await this.#ask(peer, questions.report, signal)));
    const { answered, missing } = await fanOut(this.#others(), ask, { clock, deadlineMs });
    const reports = new Map(answered.map(({ peer, answer }) => [peer, answer]));
    const reasons = new Map(missing.map(({ peer, reason }) => [peer, reason]));
    const members = peers.map(({ memberId, name, role }) => {
      const report = formatId(memberId) === by.id ? by : reports.get(memberId);
      const isVoter = role !== 'observer';
      const known = { id: formatId(memberId), name, isVoter };
      return report ? { ...known, report } : { ...known, missing: reasons.get(memberId) };
    });
    // A member that was taken out of the configuration still speaks for itself.
    const isListed = members.some(({ id }) => id === by.id);
    const self = { id: by.id, name: by.name, isVoter: false, report: by };
    return { by, members: isListed ? members : [self, ...members] };
  }

  /** Of all that answer in time, this one among them. Throws `unavailable` while it starts. */
  async answered(): Promise<readonly MemberReport[]> {
    const { members } = await this.askAll();
    return members.flatMap(({ report }) => (report ? [report] : []));
  }

  /** Tells all others that this member ends in order, so that nobody takes it for failed. */
  async sayGoodbye(): Promise<void> {
    const { clock } = this.#options;
    const ask = (peer: MemberId, signal: AbortSignal): Promise<Uint8Array> =>
      this.#ask(peer, questions.leaving, signal);
    await fanOut(this.#others(), ask, { clock, deadlineMs: goodbyeMs });
  }

  #others(): readonly MemberId[] {
    const status = this.#options.status();
    const all = status?.peers.map(({ memberId }) => memberId) ?? [];
    return all.filter((id) => id !== status?.memberId);
  }

  async #ask(peer: MemberId, what: string, signal: AbortSignal): Promise<Uint8Array> {
    const transport = this.#options.transport();
    if (!transport) throw new HoldfastError('unavailable', 'this member has no connections yet');
    return transport.ask(peer, utf8(what), { timeoutMs: deadlineMs, signal });
  }
}
