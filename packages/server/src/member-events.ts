// What a member's log says of what its replica tells: each kind of event at its own level, and a
// problem that lasts once, with a count every few minutes.
import type { Clock } from '@holdfast/base/clock';
import { messageOf } from '@holdfast/base/errors';
import type { MemberId } from '@holdfast/base/ids';
import type { ReplicaEvent } from '@holdfast/replica/replica-options';

import type { Log } from './log.ts';
import { QuietLog } from './quiet-log.ts';

export type MemberEventsOptions = {
  readonly clock: Clock;
  readonly log: Log;
  readonly nameOf: (id: MemberId) => string | undefined;
};

/** A full disk, a peer that takes no snapshot: tried every second, and told each time. */
const repeatAfterMs = 5 * 60 * 1000;
const newsAfterMs = 30_000;

export class MemberEvents {
  readonly #options: MemberEventsOptions;
  readonly #problems: QuietLog;

  constructor(options: MemberEventsOptions) {
    const { clock, log } = options;
    this.#options = options;
    const say = (what: string, reason: string, unsaid: number): void =>
      log.warn({ what, ...(reason && { reason }), ...(unsaid > 0 && { unsaid }) }, 'problem');
    this.#problems = new QuietLog({ clock, repeatAfterMs, newsAfterMs, say });
  }

  tell(event: ReplicaEvent): void {
    const { log, nameOf } = this.#options;
    switch (event.type) {
      case 'role':
        // A member that nobody answers asks for votes several times a second.
        log[event.role === 'pre-candidate' ? 'debug' : 'info'](
          { role: event.role, term: event.term, why: event.why },
          'role',
        );
        return;
      case 'problem':
        // What says everything by itself has no error.
        this.#problems.tell(event.what, event.error === undefined ? '' : messageOf(event.error));
        return;
      case 'lost-log':
        log.error({ peer: nameOf(event.peer), endsAt: event.last }, lostLogText);
        return;
      case 'configuration':
        log.info({ at: event.placed.index }, 'the configuration of the cluster');
        return;
      default:
        log.trace(event, event.type);
    }
  }
}

const lostLogText =
  'a member came back with less of the log than it had acknowledged, as if an older copy of its ' +
  'data directory had been put in place: it is filled again from here. Find out why';
