// What a member's log says of who dials it, and of its peers: who was turned away, who can not be
// reached and why, who is taken for dead and taken back, which connections were ended. Peers stand
// there by name; what may come again and again is said once, with a count later.
import type { Clock } from '@holdfast/base/clock';
import { formatId, type MemberId } from '@holdfast/base/ids';
import type { KnownMember } from '@holdfast/engine/membership';
import type { LinkNote } from '@holdfast/transport/link-note';

import type { Log } from './log.ts';
import { QuietLog } from './quiet-log.ts';

export type PeerLogOptions = {
  readonly clock: Clock;
  readonly log: Log;
  /** As they are known by now. */
  readonly members: () => readonly KnownMember[];
};

type Level = 'debug' | 'info' | 'warn';
type Facts = Readonly<Record<string, string | number | undefined>>;
type Line = { readonly level: Level; readonly facts: Facts; readonly text: string };

/** A peer that comes and goes is told of so often at most, with a count of what was not said. */
const repeatAfterMs = 10_000;

export class PeerLog {
  readonly #options: PeerLogOptions;
  readonly #strangers: QuietLog;
  readonly #clients: QuietLog;
  /** Why peers can not be reached; also for the words about whom this member waits for. */
  readonly #absences: QuietLog;
  readonly #changes: QuietLog;

  constructor(options: PeerLogOptions) {
    const { clock, log } = options;
    this.#options = options;
    const turnedAway = (from: string, reason: string): void =>
      log.warn({ from, reason }, 'turned away at the peer port');
    this.#strangers = new QuietLog({ clock, say: turnedAway });
    const refused = (from: string, reason: string): void =>
      log.warn({ from, reason }, 'turned away at the client port');
    this.#clients = new QuietLog({ clock, say: refused });
    const away = (peer: string, reason: string): void =>
      log.warn({ peer, reason }, 'no way to a peer');
    this.#absences = new QuietLog({ clock, say: away });
    this.#changes = new QuietLog({ clock, repeatAfterMs });
  }

  /** The name that people know a member by, or its id. */
  nameOf(id: MemberId): string {
    return this.#memberOf(id)?.name ?? formatId(id);
  }

  stranger(address: string, reason: string): void {
    this.#strangers.tell(hostOf(address), reason);
  }

  /** Somebody without a certificate that will do, or who speaks another protocol. */
  client(address: string, reason: string): void {
    this.#clients.tell(address, reason);
  }

  unreachable(peer: MemberId, reason: string): void {
    this.#absences.tell(this.#placeOf(peer), reason);
  }

  /** Whom this member misses, with the last reason. */
  absenceOf(id: MemberId): string {
    const place = this.#placeOf(id);
    return `${place}: ${this.#absences.last(place) ?? 'not heard of yet'}`;
  }

  note(note: LinkNote): void {
    const peer = this.nameOf(note.peer);
    const { level, facts, text } = lineOf(note);
    const subject = [peer, facts['purpose'], text].join(' ');
    this.#changes.tell(subject, String(facts['reason']), (unsaid) =>
      this.#options.log[level]({ peer, ...facts, ...(unsaid > 0 && { unsaid }) }, text),
    );
  }

  #placeOf(id: MemberId): string {
    const member = this.#memberOf(id);
    return member ? `${member.name} (${member.peerAddress})` : formatId(id);
  }

  #memberOf(id: MemberId): KnownMember | undefined {
    return this.#options.members().find((one) => one.memberId === id);
  }
}

function lineOf(note: LinkNote): Line {
  switch (note.type) {
    case 'evicted':
      return evictionLine(note);
    case 'health':
      return healthLine(note);
    default:
      return breakerLine(note);
  }
}

/** One that nobody used is ended many times a day, and missed by nobody. */
function evictionLine({ purpose, reason, why }: LinkNote & { readonly type: 'evicted' }): Line {
  const level = reason === 'idle' ? 'debug' : reason === 'operator' ? 'info' : 'warn';
  return { level, facts: { purpose, reason, why }, text: 'a connection to a peer was ended' };
}

function healthLine({ to, silentMs }: LinkNote & { readonly type: 'health' }): Line {
  if (to.name === 'healthy') return { level: 'info', facts: {}, text: 'a peer is healthy again' };
  const silent = silentMs === undefined ? {} : { silentMs: Math.round(silentMs) };
  const facts = { reason: to.reason, failures: to.failures, ...silent };
  return { level: 'warn', facts, text: `a peer is ${to.name}` };
}

function breakerLine({ from, to }: LinkNote & { readonly type: 'breaker' }): Line {
  if (to.name === 'closed') {
    const facts = from.reason === undefined ? {} : { was: from.reason };
    return { level: 'info', facts, text: 'a breaker has closed: calls to the peer go on' };
  }
  const facts = { reason: to.reason };
  if (to.name === 'half-open') return { level: 'debug', facts, text: 'a breaker is half-open' };
  return { level: 'warn', facts, text: 'a breaker has opened: the peer is set aside' };
}

/** Without the port, which is another one at each try. */
const hostOf = (address: string): string => address.replace(/:\d+$/, '');
