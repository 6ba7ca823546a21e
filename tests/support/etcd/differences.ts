// What is different from etcd on purpose, and the test that shows it: docs/etcd-compatibility.md is
// written from it, and tests/etcd-compatibility.test.ts holds it to that.
import { accessDifferences } from './access-differences.ts';

export type Difference = {
  readonly part: 'everywhere' | 'access' | 'members' | 'locks' | 'gateway';
  readonly what: string;
  readonly etcd: string;
  readonly holdfast: string;
  /** A file and the title of the test or case in it; nothing where there is nothing to be shown. */
  readonly shown?: readonly [file: string, title: string];
};

const differences: readonly Difference[] = [
  {
    part: 'everywhere',
    what: 'what a client sees',
    etcd: 'all keys',
    holdfast: 'the keys of `/v1/kv`; configurations are out of its reach',
    shown: ['tests/support/etcd/http-cases.ts', 'sees the keys of /v1/kv, and no configuration'],
  },
  {
    part: 'everywhere',
    what: 'a range that is sorted by something else than its keys, with a limit and no order',
    etcd: 'sorts what the limit left',
    holdfast: 'sorts all, then cuts',
    shown: [
      'tests/support/etcd/key-cases.ts',
      'sorts by something else than keys, with a limit and no order',
    ],
  },
  {
    part: 'everywhere',
    what: 'transactions within each other, and keys, that are taken',
    etcd: 'as many as have 128 operations on any way down; keys as long as a request',
    holdfast:
      'those 128, and eight transactions deep; keys of 16 KiB; two within one may not put and ' +
      'delete the same key',
    shown: [
      'packages/server/src/etcd/kv-service.test.ts',
      'goes eight transactions deep, writes each key once, and takes keys of 16 KiB',
    ],
  },
  {
    part: 'everywhere',
    what: 'what a transaction, or a delete with `prev_kv`, may answer',
    etcd: 'as much as there is',
    holdfast: '16 MiB, before a sort and its limit; more is refused, and nothing is done',
    shown: [
      'packages/mvcc/src/kv-store.test.ts',
      'is given where it is not: keys counted, a limit, a delete that tells nothing',
    ],
  },
  {
    part: 'everywhere',
    what: '`--max-request-bytes`',
    etcd: '1.5 MiB',
    holdfast: "1.5 MiB, or the member's bound on bodies where that is more",
    shown: [
      'tests/gateway.test.ts',
      'reads and writes through any member, and tells what etcd tells',
    ],
  },
  {
    part: 'everywhere',
    what: 'streams of one connection at a time',
    etcd: 'any number',
    holdfast: '4,096; more wait',
    shown: [
      'tests/hostile-grpc.test.ts',
      'by opening 10,200 calls, three times over, and saying nothing',
    ],
  },
  {
    part: 'everywhere',
    what: 'calls of one connection that are given up, or break, before they are answered',
    etcd: 'any number',
    holdfast:
      '1,000, and 100 more a second; one for each that is answered. More end the connection with ' +
      '`ENHANCE_YOUR_CALM`',
    shown: [
      'packages/server/src/http2/wrong-connection.test.ts',
      'for calls that it %s without an end',
    ],
  },
  {
    part: 'everywhere',
    what: 'compressed messages',
    etcd: 'gzip is taken',
    holdfast: 'refused with `UNIMPLEMENTED`; no client of etcd sends them unasked',
    shown: [
      'packages/server/src/grpc/message-parser.test.ts',
      'refuses what is compressed, and what is too long before it has come',
    ],
  },
  {
    part: 'everywhere',
    what: 'a write is answered',
    etcd: 'when the member that was asked has applied it',
    holdfast:
      'when the leader has: a follower that passed it on may know of it a moment later, as ' +
      'serializable reads and watches there do; linearizable reads wait',
    shown: [
      'packages/server/src/etcd/maintenance-service.test.ts',
      'wait for a revision that the leader has told of, and that is not applied here yet',
    ],
  },
  {
    part: 'members',
    what: '`MemberAdd`',
    etcd: 'the member counts from then on, under an id that etcd chooses',
    holdfast:
      'it is announced: it is listed without a name, and counts for nothing. The machine ' +
      'joins with `holdfast start --join`, under an id of its own, votes as soon as it has ' +
      'caught up, and is found under both ids. A machine that nobody has announced may ' +
      'join as well',
    shown: [
      'tests/etcd-operators.test.ts',
      'machines are announced, join as they were announced, vote when told, and go',
    ],
  },
  {
    part: 'members',
    what: '`MemberAdd` as a learner',
    etcd: 'started as a learner',
    holdfast:
      'the machine that joins from one of the announced addresses stays an observer until ' +
      '`MemberPromote`',
    shown: [
      'packages/server/src/etcd/cluster-service.test.ts',
      'lets the machine know that it is to be a learner, as often as it asks',
    ],
  },
  {
    part: 'members',
    what: '`MemberUpdate`',
    etcd: 'moves a member',
    holdfast:
      'moves what was only announced; of a member `FAILED_PRECONDITION`: it says itself ' +
      'where it is when it starts, and the others learn it',
    shown: [
      'packages/server/src/etcd/cluster-service.test.ts',
      'leaves members where they say they are',
    ],
  },
  {
    part: 'members',
    what: '`MemberRemove`, `MemberPromote` of a machine that does not answer, or lags',
    etcd: "refused by rules of etcd's own",
    holdfast:
      "refused by ours ([membership.md](membership.md)), in etcd's words; learners may be " +
      'any number',
    shown: [
      'packages/server/src/etcd/cluster-service.test.ts',
      'refuses what would cost the majority, and whom nobody knows',
    ],
  },
  {
    part: 'members',
    what: '`Alarm`',
    etcd: 'raised and kept until it is disarmed',
    holdfast:
      "what is the case: `NOSPACE` while a member's disk or quota is full, `CORRUPT` of a " +
      'member in quarantine, of member 0 where states differ and nobody can tell which is ' +
      'right. Disarming ends none that still holds; activating one is `UNIMPLEMENTED`',
    shown: [
      'packages/server/src/etcd/maintenance-service.test.ts',
      'is neither raised nor ended by hand',
    ],
  },
  {
    part: 'members',
    what: '`Status`',
    etcd: '`dbSize` is the file of the database',
    holdfast:
      'the memory of the store; `dbSizeInUse`: of what is not compacted. `errors` holds ' +
      "sentences of ours behind etcd's",
    shown: [
      'packages/server/src/etcd/maintenance-service.test.ts',
      'says who this is and how far, and how large',
    ],
  },
  {
    part: 'members',
    what: '`Defragment`',
    etcd: 'rewrites the file, and holds up the member',
    holdfast: 'compacted memory is given back by itself, a slice at a time: it waits for that',
    shown: [
      'packages/server/src/etcd/maintenance-service.test.ts',
      'ends when what was compacted is given back',
    ],
  },
  {
    part: 'members',
    what: '`Hash`, `HashKV`',
    etcd: "CRC-32 of etcd's own records",
    holdfast: 'equal among our members alone; of all keyspaces',
    shown: [
      'packages/server/src/etcd/maintenance-service.test.ts',
      'are equal where the state is, and differ where it does',
    ],
  },
  {
    part: 'members',
    what: '`Snapshot`',
    etcd: 'a bbolt file',
    holdfast:
      'our backup: `holdfast verify` and `holdfast restore` read what `etcdctl snapshot ' +
      'save` has kept; `snapshot status` and `snapshot restore` of etcd do not. ' +
      '`remaining_bytes` is about right until it is 0',
    shown: [
      'tests/etcd-operators.test.ts',
      'states are compared, a snapshot is taken and restored, and leadership is moved',
    ],
  },
  {
    part: 'members',
    what: '`Downgrade`',
    etcd: 'to the version before',
    holdfast: '`UNIMPLEMENTED`; `CANCEL`: there is none',
    shown: ['packages/server/src/etcd/maintenance-service.test.ts', 'is refused'],
  },
  {
    part: 'members',
    what: 'version that is told',
    etcd: 'its own',
    holdfast: '3.5.21: whose API this is',
    shown: [
      'packages/server/src/etcd/health.test.ts',
      "names a version of etcd's API that its clients take for new enough",
    ],
  },
  {
    part: 'locks',
    what: 'a lease that ends while its call waits',
    etcd: 'noticed when its turn has come; a campaign is won all the same',
    holdfast: '`mutex: session is expired`, `election: not leader`, at once',
    shown: [
      'packages/server/src/etcd/lock-service.test.ts',
      'hears at once that its own lease is gone',
    ],
  },
  {
    part: 'locks',
    what: 'a call that waits, at a member that stops',
    etcd: 'its key is left',
    holdfast: 'the same: asked again elsewhere with its lease, it keeps its place',
    shown: [
      'packages/server/src/etcd/lock-service.test.ts',
      'keeps its place when the member stops, and finds it at another one',
    ],
  },
  {
    part: 'gateway',
    what: 'pages of browsers from another origin',
    etcd: "answered by default (`--cors '*'`)",
    holdfast: 'refused with 403: they need no content type that would make a browser ask first',
    shown: [
      'packages/server/src/gateway/gateway.test.ts',
      'are not answered where they come from elsewhere',
    ],
  },
  {
    part: 'gateway',
    what: 'WebSockets for streams',
    etcd: 'taken',
    holdfast: 'not taken',
  },
  {
    part: 'gateway',
    what: 'a body with more than one message where one is wanted',
    etcd: 'the first counts',
    holdfast: 'refused with 400',
    shown: [
      'packages/server/src/gateway/gateway-streams.test.ts',
      'takes one message where the method takes one, an empty body among them',
    ],
  },
  {
    part: 'gateway',
    what: 'a broken message on a stream',
    etcd: 'the first: 500; a later one ends what is read, silently',
    holdfast: 'ends the stream with code 3',
    shown: [
      'packages/server/src/gateway/gateway-streams.test.ts',
      'ends where a message is none, and its method is told that nobody is there',
    ],
  },
  {
    part: 'gateway',
    what: 'a field in both spellings, or two of a oneof',
    etcd: 'one counts (3.5), or refused (3.6)',
    holdfast: 'refused with 400',
    shown: [
      'packages/server/src/gateway/message-json.test.ts',
      'is refused where lists, objects or one of several are wanted',
    ],
  },
  {
    part: 'gateway',
    what: 'base64 for URLs, or without padding',
    etcd: 'refused (3.5), taken (3.6)',
    holdfast: 'taken',
    shown: [
      'packages/server/src/gateway/message-json.test.ts',
      'take bytes in either base64, padded or not, with line breaks',
    ],
  },
  {
    part: 'gateway',
    what: 'JSON within JSON',
    etcd: '10,000 deep',
    holdfast: '500 deep: more than the transactions within each other that are taken',
    shown: ['packages/server/src/gateway/json-splitter.test.ts', 'goes no deeper than it may'],
  },
  {
    part: 'gateway',
    what: 'a message on a stream that is begun',
    etcd: 'may be finished at any time',
    holdfast: 'within 30 s',
    shown: [
      'packages/server/src/gateway/gateway-streams.test.ts',
      'is not held open by a message that is begun and not finished',
    ],
  },
  {
    part: 'gateway',
    what: 'an answer of more than 256 MiB',
    etcd: 'sent',
    holdfast: 'refused with 429; ask with a limit',
    shown: [
      'packages/server/src/gateway/gateway-streams.test.ts',
      'ends where an answer is too large to be text',
    ],
  },
];

export const allDifferences: readonly Difference[] = [
  ...differences,
  ...accessDifferences.map((one) => ({ part: 'access' as const, ...one })),
];
