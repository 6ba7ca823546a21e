// Whether a member is well, by what was seen of it: how many checks in a row it has passed or
// failed (B-12), and how many others find it dead, too (B-13). One observer alone never calls a
// member failed: it may be its own link that is broken. Pure.
export type MemberStatus = 'healthy' | 'degraded' | 'failed' | 'shutting-down';

export type VerdictSettings = {
  /** Checks in a row without an answer after which a member may be called failed. */
  readonly failuresMax: number;
  /** Passed checks in a row after which it is called healthy again. */
  readonly successesMin: number;
};

export const defaultVerdictSettings: VerdictSettings = { failuresMax: 3, successesMin: 2 };

/** How one check of one member ended. */
export type CheckResult =
  | { readonly type: 'serves' }
  /** It answers, and does not serve: it starts, repairs, or has no leader. */
  | { readonly type: 'limps'; readonly reason: string }
  /** It says itself that it goes. */
  | { readonly type: 'leaves' }
  /** No answer. `others`: members that answered and find it dead as well. */
  | { readonly type: 'silent'; readonly reason: string; readonly others: readonly string[] };

export type MemberVerdict = {
  readonly status: MemberStatus;
  /** A sentence, where it is not healthy. */
  readonly reason: string | undefined;
  /** In a row. */
  readonly failures: number;
  readonly successes: number;
};

/** Before the first check: nothing speaks against it, and nothing for it. */
export const firstVerdict: MemberVerdict = {
  status: 'degraded',
  reason: 'it was not asked yet',
  failures: 0,
  successes: 0,
};

export function nextVerdict(
  before: MemberVerdict,
  result: CheckResult,
  settings: VerdictSettings,
): MemberVerdict {
  switch (result.type) {
    case 'serves':
      return afterSuccess(before, settings);
    case 'limps':
      return { status: 'degraded', reason: result.reason, failures: 0, successes: 0 };
    case 'leaves':
      return { status: 'shutting-down', reason: 'it is stopping', failures: 0, successes: 0 };
    case 'silent':
      return afterSilence(before, result, settings);
  }
}

function afterSuccess(before: MemberVerdict, { successesMin }: VerdictSettings): MemberVerdict {
  const successes = before.successes + 1;
  // One that was well stays so; one that was not has to show it for a while.
  const isWell = before.status === 'healthy' || successes >= successesMin;
  if (isWell) return { status: 'healthy', reason: undefined, failures: 0, successes };
  const reason = `it answers again: ${successes} of ${successesMin} checks passed`;
  return { status: 'degraded', reason, failures: 0, successes };
}

function afterSilence(
  before: MemberVerdict,
  { reason, others }: CheckResult & { readonly type: 'silent' },
  { failuresMax }: VerdictSettings,
): MemberVerdict {
  const failures = before.failures + 1;
  const counts = { failures, successes: 0 };
  // Who has said that it goes, and went, has not failed.
  if (before.status === 'shutting-down') return { ...before, ...counts, reason: 'it has stopped' };
  if (failures < failuresMax) {
    // One lost answer changes nothing.
    const isSmall = failures === 1 && before.status === 'healthy';
    return isSmall ? { ...before, ...counts } : { status: 'degraded', reason, ...counts };
  }
  if (others.length > 0) {
    const seen = `${reason}; ${others.join(' and ')} found it dead, too`;
    return { status: 'failed', reason: seen, ...counts };
  }
  const alone = `${reason}; no other member finds it dead`;
  return { status: 'degraded', reason: alone, ...counts };
}
