// Broken promises to clients: mutations of reads, ages, watches, answers and of apply itself.
import type { Mutation } from './mutation.ts';

const round = 'packages/raft/src/round.ts';
const freshness = 'packages/replica/src/freshness.ts';
const forwarding = 'packages/replica/src/forwarding.ts';
const proposals = 'packages/replica/src/proposals.ts';
const logTime = 'packages/replica/src/log-time.ts';
const applier = 'packages/mvcc/src/applier.ts';
const watchHub = 'packages/mvcc/src/watch-hub.ts';
const watchCursor = 'packages/mvcc/src/watch-cursor.ts';
const embeddedEngine = 'packages/engine/src/embedded-engine.ts';
const storeWatch = 'packages/engine/src/store-watch.ts';

export const clientMutations: readonly Mutation[] = [
  {
    name: 'read-joins-a-running-round',
    does: 'a read is confirmed by a round that began before it came',
    rule: '13',
    edits: [
      {
        file: round,
        find: 'leader.waitingReads.push(read);',
        replace:
          'const running = leader.rounds.findLast((one) => one.commit !== undefined); ' +
          'if (running) { running.reads = [...running.reads, read]; return; } ' +
          'leader.waitingReads.push(read);',
      },
    ],
  },
  {
    name: 'read-without-a-majority',
    does: 'a leader answers reads without asking whether it still leads',
    rule: '13',
    edits: [
      {
        file: round,
        find: '(leader.progress.get(id)?.ackedRound ?? 0),',
        replace: 'leader.round,',
      },
    ],
  },
  {
    name: 'read-request-before-the-own-term',
    does: "a new leader takes a follower's request for a round before it has committed an entry",
    rule: '13',
    edits: [
      {
        file: round,
        find: 'if (term !== core.term || core.commit < leader.firstIndex) return false;',
        replace: 'if (term !== core.term || leader.firstIndex < 0) return false;',
      },
    ],
  },
  {
    name: 'age-from-the-answer-to-a-read',
    does: 'a follower takes the arrival of the answer to its read for the moment it is fresh from',
    rule: '19',
    edits: [
      {
        file: round,
        find: 'core.noteFresh(read.sentAtMs, readIndex);',
        replace: 'core.noteFresh(core.nowMs, readIndex);',
      },
    ],
  },
  {
    name: 'read-before-the-own-term',
    does: 'a new leader answers reads before it has committed an entry of its term',
    rule: '13',
    edits: [
      {
        file: round,
        find: 'leader.waitingReads.length === 0 || core.commit < leader.firstIndex',
        replace: 'leader.waitingReads.length === 0',
      },
      {
        file: round,
        find: 'const mayRead = core.commit >= leader.firstIndex;',
        replace: 'const mayRead = leader.firstIndex > 0;',
      },
    ],
  },
  {
    name: 'read-before-apply',
    does: 'a read is answered from a state that has not reached the confirmed index',
    rule: '13',
    edits: [
      {
        file: 'packages/replica/src/read-barriers.ts',
        find: 'if (index <= applied) return Promise.resolve();',
        replace: 'if (index >= 0 || applied) return Promise.resolve();',
      },
    ],
  },
  {
    name: 'age-from-the-last-heartbeat',
    does: 'a follower takes the arrival of a heartbeat for the moment that it is fresh from',
    rule: '19',
    edits: [
      {
        file: 'packages/raft/src/follower.ts',
        find: 'core.noteFresh(message.freshStampMs, message.freshCommit);',
        replace: 'core.noteFresh(core.nowMs, minIndex(message.commit, core.commit));',
      },
    ],
  },
  {
    name: 'age-before-apply',
    does: 'the age counts from a confirmed index that is not applied yet',
    rule: '19',
    edits: [
      {
        file: freshness,
        find: 'mark.index <= applied);\n    if',
        replace: 'mark.index >= 0);\n    if',
      },
    ],
  },
  {
    name: 'age-by-an-older-boot',
    does: 'the age counts from a stamp that another boot of the member has sent',
    rule: '19',
    edits: [
      {
        file: freshness,
        find: 'if (mark.stampMs < this.#startedMs || mark.stampMs > now.nowMs) return;',
        replace: '',
      },
    ],
  },
  {
    name: 'forwarded-twice',
    does: 'a follower sends again what may have left',
    rule: '21',
    edits: [
      {
        file: forwarding,
        find: 'this.#options.transport.forward(leader, requests)) return;',
        replace:
          'this.#options.transport.forward(leader, requests) && ' +
          'this.#options.transport.forward(leader, structuredClone(requests))) return;',
      },
    ],
  },
  {
    name: 'lost-leadership-told-as-not-applied',
    does: 'a write whose leader was deposed is called without effect',
    rule: '21',
    edits: [
      {
        file: proposals,
        find: "      'read it back',\n    { outcome },",
        replace: "      'read it back', { outcome: 'not-applied' },",
      },
    ],
  },
  {
    name: 'watch-one-revision-late',
    does: 'a watch starts one revision after the one that was asked for',
    rule: '22',
    edits: [
      {
        file: watchHub,
        find: 'const start = options.startRevision || this.#state.revision + 1;',
        replace: 'const start = (options.startRevision || this.#state.revision) + 1;',
      },
    ],
  },
  {
    name: 'watch-skips-what-is-compacted',
    does: 'a watch below the compact revision begins behind it and says nothing',
    rule: '22',
    edits: [
      {
        file: watchHub,
        find: 'if (start < this.#state.compactRevision) throw',
        replace: 'if (start < 0) throw',
      },
      {
        file: watchCursor,
        find: 'if (this.#from < state.compactRevision) throw',
        replace:
          'this.#from = Math.max(this.#from, state.compactRevision); ' +
          'if (this.#from < 0) throw',
      },
    ],
  },
  {
    name: 'progress-ahead-of-events',
    does: 'a progress notice names a revision whose events are still owed',
    rule: '22',
    edits: [
      {
        file: watchCursor,
        find: 'const given = this.#asleep ? current : Math.min(current, this.#from - 1);',
        replace: 'const given = current;',
      },
      {
        file: storeWatch,
        find: 'this.#isClosed || this.#cursor.behind) return undefined;',
        replace: 'this.#isClosed) return undefined;',
      },
    ],
  },
  {
    name: 'transaction-torn-in-a-watch',
    does: 'the events of one transaction are given apart',
    rule: '22',
    edits: [
      {
        file: storeWatch,
        find: "yield { type: 'events', revision, events };",
        replace: "for (const event of events) yield { type: 'events', revision, events: [event] };",
      },
    ],
  },
  {
    name: 'apply-by-the-local-clock',
    does: 'apply stamps a revision with the time of the member that applies it',
    rule: '10',
    edits: [
      {
        file: applier,
        find: 'const timeMs = entryProposedAtMs(payload);',
        replace: 'const timeMs = entryProposedAtMs(payload) + Math.random();',
      },
    ],
  },
  {
    name: 'time-of-the-log-goes-back',
    does: 'a leader stamps entries with its wall clock as it is',
    rule: 'time of the log',
    edits: [
      {
        file: logTime,
        find: 'this.atLeast(wallMs);',
        replace: 'this.#latestMs = wallMs;',
      },
    ],
  },
  {
    name: 'revision-before-the-write',
    does: 'an answer names the revision that the store had before the write',
    rule: '19',
    edits: [
      {
        file: embeddedEngine,
        find: "responseOf(result, 'put', options.session), result.revision, 0);",
        replace: "responseOf(result, 'put', options.session), result.revision - 1, 0);",
      },
    ],
  },
];
