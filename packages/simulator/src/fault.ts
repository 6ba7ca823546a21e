// What can go wrong in a simulated world: a closed set, each with what a timeline says of it.
import type { MemberId } from '@holdfast/base/ids';
import type { RotPlace } from './disk-rot.ts';
import type { LinkWeather } from './link-weather.ts';
import type { DiskMood } from './member-disk.ts';

/** Process: the page cache survives. Power: what was not synced is gone, the last write is torn. */
export type CrashKind = 'process' | 'power';

/** What becomes of a machine whose place another one takes. */
export type OldMachine = 'dead' | 'switched-off' | 'forgotten';

/** Whose disks ail together. */
export type AilingDisks = 'leader' | 'majority' | 'all';

export type Fault =
  | { readonly type: 'crash'; readonly member: MemberId; readonly how: CrashKind }
  /** It dies in the middle of the disk operation that is so many further. */
  | {
      readonly type: 'crash-in-write';
      readonly member: MemberId;
      readonly how: CrashKind;
      readonly operations: number;
    }
  /** Starts again and again, and dies each time after `gapMs` of its start, or while it is down. */
  | {
      readonly type: 'crash-loop';
      readonly member: MemberId;
      readonly hows: readonly CrashKind[];
      readonly gapMs: number;
    }
  /** Every member loses power in one moment, and they come back one after the other (D-17). */
  | { readonly type: 'blackout'; readonly staggerMs: number }
  | { readonly type: 'pause'; readonly member: MemberId }
  /** Its event loop is held up again and again (safety.md 11 allows 200 ms; this is worse). */
  | { readonly type: 'lag'; readonly member: MemberId; readonly holdMs: number }
  /** No frame passes between this group and the others. */
  | { readonly type: 'partition'; readonly group: readonly MemberId[] }
  | { readonly type: 'one-way'; readonly from: MemberId; readonly to: MemberId }
  | {
      readonly type: 'slow-link';
      readonly from: MemberId;
      readonly to: MemberId;
      readonly byMs: number;
    }
  | { readonly type: 'reset-links'; readonly a: MemberId; readonly b: MemberId }
  | { readonly type: 'weather'; readonly name: string; readonly weather: LinkWeather }
  | { readonly type: 'wall-jump'; readonly member: MemberId; readonly byMs: number }
  | { readonly type: 'disk'; readonly member: MemberId; readonly mood: Exclude<DiskMood, 'fine'> }
  /** Of whoever leads then, of a majority with it, or of all. */
  | {
      readonly type: 'ailing-disks';
      readonly whom: AilingDisks;
      readonly mood: Exclude<DiskMood, 'fine'>;
    }
  /** So many bits turn on its disk, where the world can bear it. */
  | { readonly type: 'rot'; readonly member: MemberId; readonly bits: number }
  /**
   * It dies, its disk spoils something while it is down, and it comes back at once; another one may
   * be away until the fault ends, so that no leader can be had without it (safety.md 5).
   */
  | {
      readonly type: 'decay';
      readonly member: MemberId;
      readonly how: CrashKind;
      readonly place: RotPlace;
      readonly away: MemberId | undefined;
    }
  /** Its disk is replaced by an empty one, under the old member id, and later the member itself. */
  | { readonly type: 'wipe'; readonly member: MemberId }
  /** An operator puts another machine into its place. */
  | { readonly type: 'replace'; readonly member: MemberId; readonly machine: OldMachine }
  | { readonly type: 'transfer'; readonly to: MemberId }
  /** A bit turns in the memory of the one member whose memory is bad. */
  | { readonly type: 'flip-memory' };

/** One line for the timeline. */
export function describeFault(fault: Fault): string {
  switch (fault.type) {
    case 'crash':
      return `crash n${fault.member} (${fault.how})`;
    case 'crash-in-write':
      return `crash n${fault.member} in disk operation ${fault.operations} (${fault.how})`;
    case 'crash-loop':
      return `crash n${fault.member} again and again (${fault.hows.join(' ')})`;
    case 'pause':
      return `pause n${fault.member}`;
    case 'lag':
      return `n${fault.member} held up for ${fault.holdMs.toFixed(0)} ms at a time`;
    case 'partition':
      return `partition (${fault.group.map((id) => `n${id}`).join(' ')}) from the others`;
    case 'one-way':
      return `cut n${fault.from} -> n${fault.to}`;
    case 'slow-link':
      return `n${fault.from} -> n${fault.to} slower by ${fault.byMs.toFixed(0)} ms`;
    case 'reset-links':
      return `reset n${fault.a} - n${fault.b}`;
    case 'weather':
      return `weather ${fault.name}`;
    case 'wall-jump':
      return `wall clock of n${fault.member} jumps ${fault.byMs} ms`;
    case 'disk':
      return `disk of n${fault.member} ${fault.mood}`;
    case 'ailing-disks':
      return `disk of ${fault.whom} ${fault.mood}`;
    case 'rot':
      return `rot on n${fault.member} (${fault.bits} bits)`;
    case 'decay': {
      const away = fault.away === undefined ? '' : `, n${fault.away} is away`;
      return `n${fault.member} dies (${fault.how}), and its ${fault.place} decays${away}`;
    }
    case 'wipe':
      return `wipe n${fault.member}`;
    case 'replace':
      return `replace n${fault.member}, whose machine is ${fault.machine}`;
    case 'transfer':
      return `transfer leadership to n${fault.to}`;
    case 'blackout':
      return 'blackout';
    case 'flip-memory':
      return 'a bit turns in memory';
  }
}
