// Where rot strikes: one bit of one file of a disk, seldom in the fill behind the data, where it
// would mean nothing. Chooses the kind of file first, so that small files are met as often.
import type { MemberId } from '@holdfast/base/ids';
import { pick, type Random } from '@holdfast/base/random';
import type { MemoryDisk } from '@holdfast/storage/memory-disk';

/** Weighted by repetition. What is not named here holds nothing that a member lives by. */
const places = ['/log/', '/log/', '/log/', '/snapshots/', '/snapshots/', '/status', 'identity'];

/** What a disk may be told to spoil, and the files of it. */
export type RotPlace = keyof typeof filesOf;

const filesOf = { log: '.seg', snapshots: '.snap', status: '/status' } as const;

export type RotTarget = {
  readonly chosen?: RotPlace | undefined;
  /** Kinds of file that were struck before: see `isFatal`. */
  readonly struck: Set<RotPlace | 'identity'>;
};

/** Answers what turned, for the timeline; undefined where there is nothing to turn. */
export function rotBit(disk: MemoryDisk, random: Random, target: RotTarget): string | undefined {
  const { chosen, struck } = target;
  const place = chosen ? filesOf[chosen] : pick(random, places);
  if (isFatal(place, target)) return undefined;
  if (place.includes('snap')) struck.add('snapshots');
  if (hasStatus(place)) struck.add('status');
  if (place === 'identity') struck.add('identity');
  const isMeant = (path: string): boolean => (chosen ? path.endsWith(place) : path.includes(place));
  const paths = disk.paths().filter((path) => isMeant(path) && disk.contents(path).length);
  if (paths.length === 0) return undefined;
  const path = pick(random, paths);
  const offset = offsetIn(disk.contents(path), random);
  const bit = random.integer(0, 8);
  disk.flipBit(path, offset, bit);
  return `${path} byte ${offset} bit ${bit}`;
}

/**
 * A member that has lost its status and its snapshots cannot know what it has acknowledged: it
 * refuses to start, rightly, and is replaced by a person; so is one whose two copies of its
 * identity are gone. No run goes there.
 */
function isFatal(place: string, { struck }: RotTarget): boolean {
  if (place === 'identity') return struck.has('identity');
  return place.includes('snap')
    ? struck.has('status')
    : hasStatus(place) && struck.has('snapshots');
}

const hasStatus = (place: string): boolean => place.includes('status');

function offsetIn(bytes: Uint8Array, random: Random): number {
  const end = bytes.findLastIndex((byte) => byte !== 0) + 1;
  const isInData = end > 0 && random.fraction() < 0.9;
  const offset = random.integer(0, isInData ? end : bytes.length);
  // Half of what strikes the gaps of a sparse file strikes the next content instead.
  if (bytes[offset] !== 0 || random.fraction() < 0.5) return offset;
  const next = bytes.findIndex((byte, at) => at > offset && byte !== 0);
  return next < 0 ? offset : random.integer(next, Math.min(next + 48, bytes.length));
}

/** Whose disks may lose what they have synced: a minority, so that no entry loses its last copy. */
export function chooseBadDisks(
  random: Random,
  members: readonly MemberId[],
): ReadonlySet<MemberId> {
  const chosen = new Set<MemberId>();
  const count = Math.floor((members.length - 1) / 2);
  while (chosen.size < count) chosen.add(pick(random, members));
  return chosen;
}
