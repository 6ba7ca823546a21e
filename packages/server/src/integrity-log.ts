// What a member's log says of comparisons and of what lies at rest (safety.md 10): who differs, at
// which entry, by which hashes, and what becomes of it.
import { formatId, type MemberId } from '@holdfast/base/ids';
import type { IntegrityEvent } from '@holdfast/engine/integrity-status';
import type { StateReport } from '@holdfast/engine/state-verdict';

import type { Log } from './log.ts';

export function tellIntegrity(
  log: Pick<Log, 'error' | 'warn' | 'info'>,
  nameOf: (id: MemberId) => string | undefined,
): (event: IntegrityEvent) => void {
  return (event) => {
    switch (event.type) {
      case 'state-odd':
        log.error(factsOf(event, nameOf(event.member)), oddText(event));
        return;
      case 'states-differ':
        log.error({ index: event.checkIndex }, event.text);
        return;
      case 'state-replaced':
        log.warn({ index: event.index }, 'another member has sent this one its state');
        return;
      case 'quarantine-ended':
        log.warn({ index: event.checkIndex }, 'this member has the state of the others again');
        return;
      case 'rot-found':
        log.error({ what: event.what }, 'a file has rotten at rest: it is mended, or replaced');
    }
  };
}

type Odd = Extract<IntegrityEvent, { readonly type: 'state-odd' }>;

const factsOf = ({ odd }: Odd, name: string | undefined) => ({
  member: name,
  index: odd.report.checkIndex,
  own: hashesOf(odd.report),
  majority: hashesOf(odd.sound),
  partsDiffering: odd.partsDiffering,
});

const hashesOf = ({ stateHash, contentHash }: StateReport) => ({
  rolling: formatId(stateHash),
  content: formatId(contentHash),
});

function oddText({ isSelf, isTooMuch }: Odd): string {
  const who = isSelf ? 'the state of this member is' : 'the state of a member is';
  const then = isTooMuch
    ? 'so much of it that no machine overwrites it: find out why, keep its data directory, then ' +
      'say `holdfast integrity overwrite` there, or replace it'
    : 'it answers nothing until the leader has sent it another, and that one was found equal';
  return `${who} not that of a majority; ${then}`;
}
