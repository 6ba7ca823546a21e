// What the members of the cluster say of themselves: this one at once, the others when they are
// asked, all at the same time and within a deadline. Who does not answer is named.
import { toText, utf8 } from '@holdfast/base/bytes';
import type { Clock } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';
import { formatId, type MemberId } from '@holdfast/base/ids';
import type { RecentCounts } from '@holdfast/base/recent-counts';
import type { EngineStatus } from '@holdfast/engine/engine';
import type { TcpPeerTransport } from '@holdfast/engine/peer-transport';
import { fanOut } from '@holdfast/transport/fan-out';
import type { AskedMember } from './diagnosis.ts';
import { type MemberReport, memberReport, readMemberReport } from './member-report.ts';

/** every page and call of an administrator answers in under a second. */
const deadlineMs = 800;

export type MemberReportsOptions = {
  readonly clock: Clock;
  /** Undefined while this member starts. */
  readonly status: () => EngineStatus | undefined;
  readonly transport: () => Pick<TcpPeerTransport, 'ask' | 'status'> | undefined;
  readonly failures: RecentCounts;
};

export type AskedAll = {
  /** Who has asked. */
  readonly by: MemberReport;
  /** All of the configuration, the asking one among them. */
  readonly members: readonly AskedMember[];
};

const question = utf8('report');

export class MemberReports {
  readonly #options: MemberReportsOptions;

  constructor(options: MemberReportsOptions) {
    this.#options = options;
  }

  /** This member's own. Throws `unavailable` while it starts. */
  own(): MemberReport {
    const { clock, status, transport, failures } = this.#options;
    const known = status();
    if (!known) throw new HoldfastError('unavailable', 'this member is starting');
    return memberReport({
      status: known,
      mesh: transport()?.status,
      failures: failures.counts(),
      nowMs: clock.monotonicMs(),
    });
  }

  /** For a peer that asks. */
  async answer(body: Uint8Array): Promise<Uint8Array> {
    if (toText(body) === 'report') return utf8(JSON.stringify(this.own()));
    throw new HoldfastError('unimplemented', 'this version does not know the question');
  }

  /** Asks all; takes no longer than its deadline. Throws `unavailable` while this one starts. */
  async askAll(): Promise<AskedAll> {
    const by = this.own();
    const peers = this.#options.status()?.peers ?? [];
    const others = peers.map(({ memberId }) => memberId).filter((id) => formatId(id) !== by.id);
    const { clock } = this.#options;
    const ask = (peer: MemberId, signal: AbortSignal): Promise<MemberReport> =>
      this.#ask(peer, signal);
    const { answered, missing } = await fanOut(others, ask, { clock, deadlineMs });
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

  async #ask(peer: MemberId, signal: AbortSignal): Promise<MemberReport> {
    const transport = this.#options.transport();
    if (!transport) throw new HoldfastError('unavailable', 'this member has no connections yet');
    const body = await transport.ask(peer, question, { timeoutMs: deadlineMs, signal });
    return readMemberReport(toText(body));
  }
}
