// One entry of the log as people and programs see it: its place, who asked, when, in which session,
// and what for. An entry that does not decode is a line like any other. Pure.
import { messageOf } from '@holdfast/base/errors';
import { decodeEntryEnvelope } from '@holdfast/proto/entry-envelope';
import { Command } from '@holdfast/proto/internal';
import { decodeConfiguration, formatConfiguration } from '@holdfast/raft/configuration';
import type { Entry } from '@holdfast/raft/entry';
import type { LocatedEntry } from '@holdfast/storage/located-entry';
import { commandText, type TextOptions } from './command-text.ts';
import { commandsOf } from './entry-commands.ts';

export type EntryView = {
  readonly index: number;
  readonly term: number;
  readonly kind: string;
  /** ISO 8601, the clock of the leader that took it; null where the entry has none. */
  readonly time: string | null;
  readonly actor: string | null;
  readonly session: string | null;
  readonly sequence: string | null;
  readonly command: string;
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
};

/** One for each command of a group, which stand at one place. */
export const entryViews = (located: LocatedEntry, options: TextOptions): readonly EntryView[] =>
  commandsOf(located.entry).map((entry) => entryView({ ...located, entry }, options));

/** Of an entry with one command at most. */
export function entryView({ entry, place }: LocatedEntry, options: TextOptions): EntryView {
  const { index, term, kind, payload } = entry;
  const where = { file: place.path, offset: place.offset, bytes: payload.length };
  return { index, term, kind, ...contentOf(entry, options), ...where };
}

type Content = Pick<EntryView, 'time' | 'actor' | 'session' | 'sequence' | 'command'>;

/** Which of the two, the terms around it say (raft/src/settings.ts, idleCommitMs). */
const emptyMeans = 'nothing: a new or an idle leader proves itself';

const nobody = { time: null, actor: null, session: null, sequence: null } as const;

function contentOf({ kind, payload }: Entry, options: TextOptions): Content {
  try {
    if (kind === 'command') return commandContent(payload, options);
    if (kind === 'empty') return { ...nobody, command: emptyMeans };
    return { ...nobody, command: formatConfiguration(decodeConfiguration(payload)) };
  } catch (error) {
    return { ...nobody, command: `does not decode: ${messageOf(error)}` };
  }
}

function commandContent(payload: Uint8Array, options: TextOptions): Content {
  const envelope = decodeEntryEnvelope(payload);
  const { request } = Command.decode(envelope.body);
  const hasSession = envelope.sessionId !== 0n;
  return {
    time: new Date(envelope.proposedAtMs).toISOString(),
    actor: envelope.actor,
    session: hasSession ? String(envelope.sessionId) : null,
    sequence: hasSession ? envelope.sequence.toString() : null,
    command: request ? commandText(request, options) : 'a command that is not known here',
  };
}

/** One line, its columns wide enough for all but very long logs. */
export function entryLine(view: EntryView, withPlace: boolean): string {
  const session = view.session === null ? '-' : `${view.session}/${view.sequence}`;
  const place = withPlace ? `  ${view.file}+${view.offset}` : '';
  const columns = [
    String(view.index).padStart(9),
    String(view.term).padStart(5),
    view.kind.padEnd(10),
    (view.time ?? '-').padEnd(24),
    (view.actor ?? '-').padEnd(24),
    session.padEnd(16),
    view.command,
  ];
  return `${columns.join('  ')}${place}`;
}

export const entryHeads = (): string =>
  [
    'INDEX'.padStart(9),
    'TERM'.padStart(5),
    'KIND'.padEnd(10),
    'TIME'.padEnd(24),
    'ACTOR'.padEnd(24),
    'SESSION/SEQUENCE',
    'COMMAND',
  ].join('  ');
