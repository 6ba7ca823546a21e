// Broken elections, commits and repairs: mutations of the core alone.
import type { Mutation } from './mutation.ts';

const core = 'packages/raft/src/core.ts';
const election = 'packages/raft/src/election.ts';
const follower = 'packages/raft/src/follower.ts';
const leader = 'packages/raft/src/leader.ts';
const configuration = 'packages/raft/src/configuration.ts';
const round = 'packages/raft/src/round.ts';

export const consensusMutations: readonly Mutation[] = [
  {
    name: 'commit-of-an-older-term',
    does: 'a leader commits entries of older terms by counting copies',
    rule: 'thesis 5.4.2',
    edits: [{ file: leader, find: ' || core.log.termAt(commit) !== core.term', replace: '' }],
  },
  {
    name: 'leader-counts-unsynced',
    does: 'a leader counts its own entries before they are synced',
    rule: '7',
    edits: [
      {
        file: leader,
        find: 'id === core.id ? core.log.persisted : (leader',
        replace: 'id === core.id ? core.log.last.index : (leader',
      },
    ],
  },
  {
    name: 'follower-acknowledges-unsynced',
    does: 'a follower says success before its log is synced',
    rule: '1',
    edits: [
      {
        file: follower,
        find: 'const match = minIndex(core.verified, core.log.persisted);',
        replace: 'const match = core.verified;',
      },
    ],
  },
  {
    name: 'vote-not-saved',
    does: 'the saved status names no vote',
    rule: '4',
    edits: [
      {
        file: core,
        find: '{ sequence: this.#statusSequence, state: this.hardState }',
        replace:
          '{ sequence: this.#statusSequence, state: { ...this.hardState, vote: undefined } }',
      },
    ],
  },
  {
    name: 'vote-sent-before-it-is-saved',
    does: 'votes and answers leave while the status is still being saved',
    rule: '4',
    edits: [
      {
        file: core,
        find: 'if (this.#statusPersisted === this.#statusSequence) this.#messages',
        replace: 'if (whole.type !== "append-entries") this.#messages',
      },
    ],
  },
  {
    name: 'two-votes-a-term',
    does: 'a voter votes again in the same term',
    rule: 'thesis 3.4',
    edits: [
      {
        file: election,
        find: '(vote === message.from || (vote === undefined && core.leader === undefined)) &&',
        replace: '',
      },
      {
        file: election,
        find: 'if (vote === undefined) core.saveState',
        replace: 'core.saveState',
      },
    ],
  },
  {
    name: 'vote-for-a-shorter-log',
    does: 'a voter does not look at the log of the candidate',
    rule: 'thesis 3.6.1',
    edits: [
      {
        file: election,
        find: '!core.hearsLeader &&\n    isUpToDate(message.lastLog, core.log.last)',
        replace: '!core.hearsLeader',
      },
      {
        file: election,
        find: 'core.leader === undefined)) &&\n    isUpToDate(message.lastLog, core.log.last);',
        replace: 'core.leader === undefined));',
      },
    ],
  },
  {
    name: 'lost-status-votes',
    does: 'a member whose status file is unreadable votes at once',
    rule: '4',
    edits: [
      {
        file: core,
        find: 'options.statusLost ? new Map() : undefined',
        replace: 'undefined',
      },
      {
        file: core,
        find: 'this.heardTerms !== undefined || this.log',
        replace: 'options.statusLost || this.log',
      },
    ],
  },
  {
    name: 'repairing-member-votes',
    does: 'a member with a hole in its log votes and says success',
    rule: '5',
    edits: [
      {
        file: core,
        find: 'return this.hardState.repairing === undefined && this.heardTerms',
        replace: 'return this.heardTerms',
      },
    ],
  },
  {
    name: 'repair-ends-early',
    does: 'a repairing member votes again with the first entries that it gets',
    rule: '5',
    edits: [
      {
        file: follower,
        find: ' || match < repairing.target',
        replace: '',
      },
    ],
  },
  {
    name: 'repairing-member-counts',
    does: 'a leader goes on to count what a repairing member once acknowledged',
    rule: '5',
    edits: [
      {
        file: leader,
        find: 'progress.match = index(0);\n  if (progress.repairTarget',
        replace: 'if (progress.repairTarget',
      },
    ],
  },
  {
    name: 'majority-too-small',
    does: 'half of the voters are a majority',
    rule: '14',
    edits: [
      {
        file: configuration,
        find: 'Math.floor(count / 2) + 1;',
        replace: 'Math.ceil(count / 2);',
      },
    ],
  },
  {
    name: 'joint-by-one-half',
    does: 'in a joint configuration the new half decides alone',
    rule: '14',
    edits: [
      {
        file: configuration,
        find: 'return isJoint(c) ? [c.voters, c.votersOutgoing] : [c.voters];',
        replace: 'return [c.voters];',
      },
    ],
  },
  {
    name: 'two-changes-at-once',
    does: 'a leader changes the members while a change is not committed',
    rule: 'thesis 4.1',
    edits: [
      {
        file: 'packages/raft/src/membership.ts',
        find: 'core.configurationIndex > core.commit ||\n  core.commit < leader.firstIndex;',
        replace: 'core.commit < leader.firstIndex;',
      },
    ],
  },
  {
    name: 'voters-change-at-once',
    does: 'other voters decide without a joint configuration',
    rule: 'thesis 4.3',
    edits: [
      {
        file: 'packages/raft/src/membership.ts',
        find: '{ ...target, votersOutgoing: voters };',
        replace: 'target;',
      },
    ],
  },
  {
    name: 'pre-vote-for-a-shorter-log',
    does: 'whoever asks is told that it would be elected, a removed member too',
    rule: 'thesis 9.6',
    edits: [
      {
        file: 'packages/raft/src/election.ts',
        find: '!core.hearsLeader &&\n    isUpToDate(message.lastLog, core.log.last)\n  );',
        replace: '!core.hearsLeader\n  );',
      },
    ],
  },
  {
    name: 'heartbeat-commit-unlimited',
    does: 'a heartbeat commits entries that nobody has compared',
    rule: '16',
    edits: [
      { file: round, find: 'minIndex(core.commit, progress.match)', replace: 'core.commit' },
      {
        file: follower,
        find: 'core.commitTo(minIndex(message.commit, core.verified));',
        replace: 'core.commitTo(minIndex(message.commit, core.log.last.index));',
      },
    ],
  },
  {
    name: 'equal-entries-truncated',
    does: 'a late append truncates entries that it agrees with',
    rule: 'thesis 3.5',
    edits: [
      {
        file: follower,
        find: 'if (own === entry.term) continue;',
        replace: '',
      },
    ],
  },
];
