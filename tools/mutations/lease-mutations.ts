// Broken leases and sessions: mutations of the lessor, of apply and of the image.
import type { Mutation } from './mutation.ts';

const lessor = 'packages/engine/src/lessor.ts';
const leaseReign = 'packages/engine/src/lease-reign.ts';
const leaseCommands = 'packages/mvcc/src/lease-commands.ts';
const applier = 'packages/mvcc/src/applier.ts';
const imageTables = 'packages/mvcc/src/image-tables.ts';
const sessionTable = 'packages/mvcc/src/session-table.ts';

export const leaseMutations: readonly Mutation[] = [
  {
    name: 'keep-alive-by-a-cut-off-leader',
    does: 'a leader acknowledges a keep-alive without asking whether it still leads',
    rule: '20',
    edits: [
      {
        file: lessor,
        find: 'const reign = await this.#confirmedReign(signal);\n      const lease',
        replace:
          'const present = this.#options.leadership.term();\n' +
          '      if (present === undefined) throw notLeader();\n' +
          '      const reign = this.#reignOf(present);\n      const lease',
      },
    ],
  },
  {
    name: 'lease-on-the-wall-clock',
    does: 'deadlines of leases stand on the wall clock',
    rule: '20',
    edits: [
      {
        file: lessor,
        find: 'return this.#options.clock.monotonicMs();',
        replace: 'return this.#options.clock.wallMs();',
      },
    ],
  },
  {
    name: 'new-leader-gives-no-time',
    does: 'a new leader takes every lease that it meets for run out',
    rule: '20',
    edits: [
      {
        file: leaseReign,
        find: 'deadlineMs: nowMs + facts.remainingMs,',
        replace: 'deadlineMs: nowMs,',
      },
      {
        file: leaseReign,
        find: 'lookAtMs: nowMs + facts.remainingMs,',
        replace: 'lookAtMs: nowMs,',
      },
    ],
  },
  {
    name: 'keep-alive-that-keeps-nothing',
    does: 'a keep-alive is acknowledged, and the deadline stays',
    rule: '20',
    edits: [
      {
        file: leaseReign,
        find: 'lease.deadlineMs = Math.max(lease.deadlineMs, arrivedMs + lease.ttlMs);',
        replace: '',
      },
    ],
  },
  {
    name: 'keep-alive-of-an-expiring-lease',
    does: 'a keep-alive is acknowledged while the end of its lease is in the log',
    rule: '20',
    edits: [
      {
        file: lessor,
        find: 'if (lease.isExpiring) throw ended();',
        replace: '',
      },
    ],
  },
  {
    name: 'lease-never-ends',
    does: 'a leader does not look for what has run out',
    rule: '20',
    edits: [
      {
        file: lessor,
        find: 'const overdue = this.#takeOverdue(reign);',
        replace: 'const overdue = [];',
      },
    ],
  },
  {
    name: 'key-outlives-its-lease',
    does: 'the end of a lease leaves one of its keys',
    rule: '20',
    edits: [
      {
        file: leaseCommands,
        find: 'for (const { address } of keys) state.erase(address);',
        replace: 'for (const { address } of keys.slice(1)) state.erase(address);',
      },
    ],
  },
  {
    name: 'leases-left-out-of-the-snapshot',
    does: 'a snapshot has no leases',
    rule: '20',
    edits: [{ file: imageTables, find: 'leases: state.leases.freeze(),', replace: 'leases: [],' }],
  },
  {
    name: 'sessions-left-out-of-the-snapshot',
    does: 'a snapshot has no sessions',
    rule: '21',
    edits: [
      { file: imageTables, find: 'sessions: state.sessions.freeze(),', replace: 'sessions: [],' },
    ],
  },
  {
    name: 'repeated-write-applied-again',
    does: 'a write that is sent again in its session takes effect again',
    rule: '21',
    edits: [
      {
        file: sessionTable,
        find: 'return session.results.get(sequence)?.bytes;',
        replace: 'return undefined;',
      },
      {
        file: sessionTable,
        find: 'assert(!session.results.has(place.sequence),',
        replace: 'assert(place.sequence > 0n,',
      },
    ],
  },
  {
    name: 'write-of-an-expired-session-applied',
    does: 'a write of a session that is gone is treated as new',
    rule: '21',
    edits: [
      {
        file: applier,
        find: 'edAt);\n  } catch (error) {\n    return failed(state, error);\n  }\n  if (known)',
        replace: 'edAt);\n  } catch {\n    return perform(state, call);\n  }\n  if (known)',
      },
    ],
  },
  {
    name: 'answers-forgotten-too-early',
    does: 'a session forgets the answer that a repeated write may still ask for',
    rule: '21',
    edits: [
      {
        file: sessionTable,
        find: 'if (lowest > session.lowest) this.#forgetBelow(session, lowest);',
        replace: 'for (const one of session.results.keys()) session.results.delete(one);',
      },
      {
        file: sessionTable,
        find: 'assert(!session.results.has(place.sequence),',
        replace: 'assert(place.sequence > 0n,',
      },
    ],
  },
];
