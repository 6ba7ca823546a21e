// Goal: the memory twins of the replica's ports are what the real ones are, as far as a replica can
// tell. Method: one contract suite a port, run on both.
import { utf8 } from '@holdfast/base/bytes';
import { putRequest } from '@holdfast/domain/requests';
import { KvStore } from '@holdfast/mvcc/kv-store';
import { encodeEntryEnvelope } from '@holdfast/proto/entry-envelope';
import { Command } from '@holdfast/proto/internal';
import { MemoryLogStore } from '@holdfast/replica/memory-log-store';
import { MemorySnapshotStore } from '@holdfast/replica/memory-snapshot-store';
import { MemoryStateMachine } from '@holdfast/replica/memory-state-machine';
import { MemoryStatusStore } from '@holdfast/replica/memory-status-store';
import { MemoryDisk } from '@holdfast/storage/memory-disk';
import { SegmentedLog } from '@holdfast/storage/segmented-log';
import { SnapshotFiles } from '@holdfast/storage/snapshot-files';
import { StatusFile } from '@holdfast/storage/status-file';
import { describe } from 'vitest';
import { type LogWorld, logStoreContract } from './log-store.contract.ts';
import {
  snapshotStoreContract,
  stateMachineContract,
  statusStoreContract,
} from './member-files.contract.ts';

function segmentedWorld(): LogWorld {
  const disk = new MemoryDisk();
  const newLog = (): SegmentedLog => new SegmentedLog({ disk: disk.attach(), segmentBytes: 4096 });
  return {
    log: newLog(),
    duringNextSync: (action) => {
      disk.setFaults(({ kind, path }) => {
        if (kind !== 'sync' || !/[0-9]/.test(path)) return undefined;
        disk.setFaults(undefined);
        action();
        return undefined;
      });
    },
    crash: () => {
      disk.processCrash();
      return newLog();
    },
  };
}

function memoryWorld(): LogWorld {
  let next: (() => void) | undefined;
  const log = new MemoryLogStore({
    duringSync: () => {
      const action = next;
      next = undefined;
      action?.();
    },
  });
  return {
    log,
    duringNextSync: (action) => {
      next = action;
    },
    crash: () => log,
  };
}

/** A store that is made, and the same medium opened again. */
function onDisk<T>(make: (disk: MemoryDisk) => T): readonly [() => T, () => T] {
  let disk = new MemoryDisk();
  const fresh = (): T => {
    disk = new MemoryDisk();
    return make(disk);
  };
  return [fresh, () => make(disk)];
}

function inMemory<T>(make: () => T): readonly [() => T, () => T] {
  let store = make();
  const fresh = (): T => {
    store = make();
    return store;
  };
  return [fresh, () => store];
}

const envelope = (at: number, body: Uint8Array): Uint8Array =>
  encodeEntryEnvelope({
    proposedAtMs: at,
    sessionId: 0n,
    sequence: 0n,
    pendingSpan: 0,
    traceId: 0n,
    authRevision: 0n,
    actor: 'test',
    body,
  });

describe('the log in segments', () => {
  logStoreContract(segmentedWorld);
});

describe('the log in memory', () => {
  logStoreContract(memoryWorld);
});

describe('the status file', () => {
  statusStoreContract(...onDisk((disk) => new StatusFile({ disk })));
});

describe('the status in memory', () => {
  statusStoreContract(...inMemory(() => new MemoryStatusStore()));
});

describe('snapshot files', () => {
  snapshotStoreContract(...onDisk((disk) => new SnapshotFiles({ disk })));
});

describe('snapshots in memory', () => {
  snapshotStoreContract(...inMemory(() => new MemorySnapshotStore()));
});

describe('the key-value store', () => {
  stateMachineContract(
    () => new KvStore({ yieldNow: () => Promise.resolve() }),
    (at) => {
      const keys = { keyspace: 1, key: utf8(`k${at % 4}`), rangeEnd: new Uint8Array() };
      const request = { $case: 'put', value: putRequest(keys, utf8(`${at}`)) } as const;
      return envelope(at, Command.encode({ request }).finish());
    },
  );
});

describe('the state machine in memory', () => {
  stateMachineContract(
    () => new MemoryStateMachine(),
    (at) => envelope(at, utf8(`${at}`)),
  );
});
