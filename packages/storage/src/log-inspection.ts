// A log as an offline reader sees it: the survey of the start, in words and with places, and the
// entries where they lie. Decides nothing by itself, and repairs nothing: give it an overlay disk,
// and the files stay as they are.
import { index } from '@holdfast/base/ids';
import type { LogId } from '@holdfast/raft/entry';
import type { Disk } from './disk.ts';
import type { LocatedEntry, LogPlace } from './located-entry.ts';
import { LogFiles } from './log-files.ts';
import { isBefore, type LogPosition } from './log-group.ts';
import { readAll } from './log-reader.ts';
import { type LogSurvey, surveyLog } from './log-recovery.ts';
import { salvageSegment } from './log-salvage.ts';
import type { OpenWatch } from './log-store.ts';

/** How the log ends, and so what a start makes of it (safety.md 3). */
export type LogEnd =
  | { readonly kind: 'clean' }
  | {
      readonly kind: 'torn';
      readonly place: LogPlace;
      readonly bytes: number;
      readonly reason: string;
    }
  | {
      readonly kind: 'rotten';
      readonly path: string;
      /** The first byte that is wrong, where it is one place. */
      readonly offset: number | undefined;
      /** The first entry that is missing. */
      readonly from: number;
      readonly reason: string;
    };

export type InspectedSegment = {
  readonly path: string;
  readonly bytes: number;
  /** Where the log leaves the file. */
  readonly end: number;
  /** Its live entries; undefined where it has none. */
  readonly first: number | undefined;
  readonly last: number | undefined;
};

export type LogInspectionOptions = {
  readonly disk: Disk;
  readonly directory: string;
  readonly watch?: OpenWatch;
};

const readBytes = 1024 * 1024;

export class LogInspection {
  readonly #files: LogFiles;
  readonly #survey: LogSurvey;

  private constructor(files: LogFiles, survey: LogSurvey) {
    this.#files = files;
    this.#survey = survey;
  }

  /** Undefined: no log was ever begun there. Throws `version-mismatch`. */
  static async of(options: LogInspectionOptions): Promise<LogInspection | undefined> {
    const { disk, directory, watch } = options;
    if ((await disk.list(directory)).length === 0) return undefined;
    const files = new LogFiles({ disk, directory, segmentBytes: 0, groupId: 0 });
    const survey = await surveyLog(files, watch);
    if (survey) return new LogInspection(files, survey);
    await files.close();
    return undefined;
  }

  /** The entry before the first one. */
  get purged(): LogId {
    return this.#survey.walk.state.log.base.id;
  }

  get last(): LogId {
    return this.#survey.walk.state.log.last;
  }

  get commitHint(): number {
    return Math.min(this.#survey.walk.state.commitHint, this.last.index);
  }

  /** Whether the file that says where the log begins was there and unreadable. */
  get isBaseLost(): boolean {
    return this.#survey.walk.isBaseLost;
  }

  /** Undefined: there is no readable mark. */
  get markedEnd(): LogPosition | undefined {
    return this.#survey.walk.mark?.end;
  }

  get markSlotsBad(): number {
    return this.#files.mark.slotsBad;
  }

  /** Rot that an earlier start has found, and whose note still stands. */
  get notedRot(): { readonly from: number; readonly reason: string } | undefined {
    return this.#files.note.found;
  }

  get segments(): readonly InspectedSegment[] {
    return this.#survey.walk.state.log.live.map(({ segment, positions }) => ({
      path: segment.path,
      bytes: segment.header.size,
      end: segment.end,
      first: positions.count === 0 ? undefined : positions.first,
      last: positions.count === 0 ? undefined : positions.end - 1,
    }));
  }

  /** Entries behind the durable mark, which a start copies and syncs before they count. */
  get unsyncedCount(): number {
    const { state, outcome } = this.#journey;
    if ('reason' in outcome) return 0;
    const end = { segment: state.log.current.sequence, offset: outcome.stop.end };
    if (!isBefore(state.durable, end)) return 0;
    const { lo, hi } = state.log.liveFrom(state.durable.offset);
    return hi - lo;
  }

  get end(): LogEnd {
    const { state, outcome } = this.#journey;
    if ('reason' in outcome) {
      const path = this.#files.pathOf(outcome.sequence);
      const from = state.log.last.index + 1;
      return { kind: 'rotten', path, offset: outcome.at, from, reason: outcome.reason };
    }
    const { damage, end } = outcome.stop;
    if (outcome.clean) return { kind: 'clean' };
    const place = { path: state.log.current.path, offset: damage?.at ?? end };
    const reason = damage?.reason ?? 'the file is shorter than it was made';
    return { kind: 'torn', place, bytes: outcome.tornBytes, reason };
  }

  /** Entries [lo, hi) of the log, each with its place. */
  async *entries(lo: number, hi: number): AsyncGenerator<LocatedEntry> {
    const { log } = this.#survey.walk.state;
    const first = Math.max(lo, log.base.id.index + 1);
    const end = Math.min(hi, log.last.index + 1);
    if (first >= end) return;
    const range = { lo: index(first), hi: index(end), bytesMax: readBytes };
    for await (const entry of readAll(log, range)) {
      const { segment, positions } = log.homeOf(entry.index);
      const { offset } = positions.at(entry.index);
      yield { entry, place: { path: segment.path, offset } };
    }
  }

  /** Intact records behind rot, as they lie there: nothing proves that they belong to the log. */
  async *salvaged(): AsyncGenerator<LocatedEntry> {
    const { found } = this.#survey.walk;
    const { end } = this;
    if (end.kind !== 'rotten') return;
    for (const { segment, sequence, fileBytes } of found) {
      const path = this.#files.pathOf(sequence);
      if (path < end.path) continue;
      const from = path === end.path ? (end.offset ?? segment.end) : segment.end;
      yield* salvageSegment(segment, { from, until: fileBytes });
    }
  }

  async close(): Promise<void> {
    await this.#files.close();
    for (const { segment } of this.#survey.walk.found) await segment.close();
  }

  get #journey() {
    const { walk, outcome } = this.#survey;
    return { state: walk.state, outcome };
  }
}
