// What a member's log says of what its replica tells: each kind of event at its own level.
import { messageOf } from '@holdfast/base/errors';
import type { MemberId } from '@holdfast/base/ids';
import type { ReplicaEvent } from '@holdfast/replica/replica';

import type { Log } from './log.ts';

export function tellEvent(
  event: ReplicaEvent,
  log: Log,
  nameOf: (id: MemberId) => string | undefined,
): void {
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
      log.warn({ what: event.what, ...reasonOf(event.error) }, 'problem');
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

const lostLogText =
  'a member came back with less of the log than it had acknowledged, as if an older copy of its ' +
  'data directory had been put in place: it is filled again from here. Find out why';

const reasonOf = (error: unknown): { readonly reason?: string } =>
  error === undefined ? {} : { reason: messageOf(error) };
