// Stands before a member's log, status and snapshots and shows what passes to a watcher. Changes
// nothing; keeps the member's view of its log beside the real one.
import type { Index } from '@holdfast/base/ids';
import type { Entry, LogId } from '@holdfast/raft/entry';
import type { HardState } from '@holdfast/raft/ready';
import type { LogStore, SnapshotStore, StatusRecovery, StatusStore } from '@holdfast/replica/ports';
import type { LogView } from './log-view.ts';

/** The member as far as its ports are concerned. */
type Watched = { readonly log: LogView };

export interface PortWatcher<Member> {
  onAccept(member: Member, previous: LogId, entries: readonly Entry[]): void;
  /** The log was opened: the member's view shows what was found. */
  onLogFound(member: Member): void;
  onStatusFound(member: Member, found: StatusRecovery): void;
  /** Both copies are synced. */
  onStatusSaved(member: Member, state: HardState): void;
  /** A snapshot of the own state is whole and about to exist. */
  onSnapshotTaken(member: Member, through: Index): void;
  /** A peer's snapshot is received, from that byte on. */
  onReceive(member: Member, offset: number): void;
  /** The log is dropped through there; the snapshots that are kept, newest first. */
  onPurge(member: Member, through: Index, kept: readonly Index[]): void;
}

type Ports = {
  readonly log: LogStore;
  readonly status: StatusStore;
  readonly snapshots: SnapshotStore;
};

export function watchPorts<Member extends Watched>(
  member: Member,
  watcher: PortWatcher<Member>,
  ports: Ports,
): Ports {
  const kept: { all: readonly Index[] } = { all: [] };
  return {
    log: watchLog(member, watcher, { log: ports.log, kept: () => kept.all }),
    status: watchStatus(member, watcher, ports.status),
    snapshots: watchSnapshots(member, watcher, {
      snapshots: ports.snapshots,
      onKept: (all) => {
        kept.all = all;
      },
    }),
  };
}

function watchLog<Member extends Watched>(
  member: Member,
  watcher: PortWatcher<Member>,
  { log, kept }: { readonly log: LogStore; readonly kept: () => readonly Index[] },
): LogStore {
  return withChanges(log, {
    open: async (watch) => {
      const recovery = await log.open(watch);
      member.log.opened(recovery);
      watcher.onLogFound(member);
      return recovery;
    },
    accept: (entries) => {
      const previous = member.log.accepted(entries);
      if (previous) watcher.onAccept(member, previous, entries);
      log.accept(entries);
    },
    purge: async (through) => {
      watcher.onPurge(member, through, kept());
      const mark = await log.purge(through);
      member.log.purgedTo(mark);
      return mark;
    },
    reset: async (last) => {
      await log.reset(last);
      member.log.reset(last);
    },
  });
}

function watchStatus<Member extends Watched>(
  member: Member,
  watcher: PortWatcher<Member>,
  status: StatusStore,
): StatusStore {
  return withChanges(status, {
    open: async () => {
      const found = await status.open();
      watcher.onStatusFound(member, found);
      return found;
    },
    save: async (saved) => {
      await status.save(saved);
      watcher.onStatusSaved(member, saved.state);
    },
  });
}

function watchSnapshots<Member extends Watched>(
  member: Member,
  watcher: PortWatcher<Member>,
  parts: {
    readonly snapshots: SnapshotStore;
    readonly onKept: (all: readonly Index[]) => void;
  },
): SnapshotStore {
  const { snapshots, onKept } = parts;
  return withChanges(snapshots, {
    create: async (meta, stateHash) => {
      const writer = await snapshots.create(meta, stateHash);
      return withChanges(writer, {
        commit: async () => {
          watcher.onSnapshotTaken(member, meta.last.index);
          await writer.commit();
        },
      });
    },
    receive: async (snapshot) => {
      const writer = await snapshots.receive(snapshot);
      if (writer) watcher.onReceive(member, writer.offset);
      return writer;
    },
    retain: async (keep, held) => {
      const all = await snapshots.retain(keep, held);
      onKept(all.map(({ last }) => last.index));
      return all;
    },
  });
}

/**
 * The same object, but for some of its methods: everything else is asked of the object itself. Not
 * a proxy, which costs as much as what a small call does.
 */
function withChanges<T extends object>(object: T, changes: Partial<T>): T {
  const changed: Record<string, unknown> = {};
  let kind: object | null = object;
  for (; kind && kind !== Object.prototype; kind = Object.getPrototypeOf(kind)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(kind))) {
      if (Object.hasOwn(changed, name)) continue;
      if (typeof value === 'function') changed[name] = value.bind(object);
      else Object.defineProperty(changed, name, { get: () => Reflect.get(object, name, object) });
    }
  }
  return Object.assign(changed, changes) as T;
}
