// Goal: what one directory has and another has not is listed revision by revision where a log still
// says it, and as a range where only a snapshot does. Method: one life, whose files were kept at
// several moments: the earlier ones are a member that lagged when the others were lost.
import { index } from '@holdfast/base/ids';
import { ManualClock } from '@holdfast/base/manual-clock';
import { SeededRandom } from '@holdfast/base/seeded-random';
import type { MemoryDisk } from '@holdfast/storage/memory-disk';
import { QuarantineFile } from '@holdfast/storage/quarantine-file';
import { beforeAll, expect, it } from 'vitest';

import { commonIndex, isBetter, lossOf } from './lost-revisions.ts';
import { diskOf, type Files, livedUntil, writeAtOnce } from './member-directory.fixture.ts';
import { MemberPast } from './member-past.ts';

const counts = [10, 15, 30, 60] as const;
let lives: readonly Files[] = [];
beforeAll(async () => {
  lives = await livedUntil(counts);
});

const pastAt = async (at: number): Promise<MemberPast> =>
  pastOf(await diskOf(lives[at] ?? new Map()), `after-${counts[at]}`);

function pastOf(disk: MemoryDisk, directory: string): Promise<MemberPast> {
  return MemberPast.read({
    disk,
    directory,
    clock: new ManualClock(),
    random: new SeededRandom(1),
    signal: new AbortController().signal,
  });
}

const span = (from: number, to: number): readonly number[] =>
  Array.from({ length: to - from + 1 }, (_, at) => from + at);

it('of a log: each revision, with who made it and what it did', async () => {
  const [kept, other] = [await pastAt(0), await pastAt(1)];
  const { revisions, ranges } = await lossOf(kept, [other]);
  expect(ranges).toEqual([]);
  const expected = span(kept.store.revision + 1, other.store.revision);
  expect(revisions.map(({ revision }) => revision)).toEqual(expected);
  expect(revisions.map(({ entry }) => [entry.actor, entry.command])).toEqual(
    span(10, 14).map((at) => ['tester', `put 1:"key-${at}" (200 bytes)`]),
  );
  expect(isBetter(other, kept) && !isBetter(kept, other)).toBe(true);
});

it('of a log whose commands share entries: each revision, with the one that made it', async () => {
  const [, before, after] = await livedUntil([1, 6, 11], writeAtOnce);
  const kept = await pastOf(await diskOf(before ?? new Map()), 'before');
  const other = await pastOf(await diskOf(after ?? new Map()), 'after');
  expect(other.last.index - kept.last.index).toBeLessThan(5);
  const { revisions } = await lossOf(kept, [other]);
  expect(revisions.map(({ revision, entry }) => [revision, entry.command])).toEqual(
    [6, 7, 9, 10].map((at, n) => [kept.store.revision + 1 + n, `put 1:"key-${at}" (200 bytes)`]),
  );
  expect(revisions.every(({ entry }) => entry.time?.startsWith('20'))).toBe(true);
});

it.each([
  [0, 2],
  [0, 3],
  [1, 3],
  [2, 3],
])('of life %i against %i: snapshot and log together, none twice', async (a, b) => {
  const [kept, other] = [await pastAt(a), await pastAt(b)];
  const { revisions, ranges } = await lossOf(kept, [other, kept]);
  const listed = revisions.map(({ revision }) => revision);
  const all = [...ranges.flatMap(({ from, to }) => span(from, to)), ...listed];
  expect(all).toEqual(span(kept.store.revision + 1, other.store.revision));
});

it('of whoever is behind: nothing', async () => {
  const [kept, other] = [await pastAt(3), await pastAt(0)];
  expect(await lossOf(kept, [other])).toEqual({ revisions: [], ranges: [] });
  expect(commonIndex(kept, other)).toBe(other.last.index);
});

it('of one whose log has rotted: what others have may have been acknowledged by it', async () => {
  const [other] = [await pastAt(1)];
  const rotten = await diskOf(lives[1] ?? new Map());
  const path = rotten.paths().find((one) => one.endsWith('.seg')) ?? '';
  const end = rotten.contents(path).findLastIndex((byte) => byte !== 0);
  rotten.flipBit(path, Math.floor(end / 2), 3);
  const kept = await pastOf(rotten, 'rotten');
  expect(kept.hasLost).toBe(true);
  const { revisions } = await lossOf(kept, [other]);
  expect(revisions.map(({ revision }) => revision)).toEqual(
    span(kept.store.revision + 1, other.store.revision),
  );
  expect(revisions.every(({ mayBeAcknowledged }) => mayBeAcknowledged)).toBe(true);
});

it('prefers, of two logs that are equal, the one whose state is not in doubt', async () => {
  const doubted = await diskOf(lives[0] ?? new Map());
  const file = new QuarantineFile(doubted, 'groups/0/quarantine');
  await file.open();
  const hashes = { stateHash: 1n, contentHash: 2n };
  const check = { checkIndex: index(3), own: hashes, sound: hashes, partsDiffering: 1, sinceMs: 0 };
  const quarantine = { ...check, isReplaced: false, mayOverwrite: false };
  await file.save({ quarantine, isUnproven: false });
  await file.close();
  const [kept, sound] = [await pastOf(doubted, 'doubted'), await pastAt(0)];
  expect([kept.isInDoubt, sound.isInDoubt]).toEqual([true, false]);
  expect([isBetter(sound, kept), isBetter(kept, sound)]).toEqual([true, false]);
});
