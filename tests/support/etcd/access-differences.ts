// What differs from etcd in users, roles and permissions (differences.ts).
import type { Difference } from './differences.ts';

export const accessDifferences: readonly Omit<Difference, 'part'>[] = [
  {
    what: 'tokens',
    etcd: 'simple: five minutes after their last use; known to the members',
    holdfast:
      'a day (`token-life-ms`), however they are used; signed, so that no member has to know ' +
      'them; they end with the password, the user, or access control',
    shown: [
      'packages/server/src/access/access.test.ts',
      'ends with its password, its user, and with access control',
    ],
  },
  {
    what: 'a write that was permitted by rules that were changed meanwhile',
    etcd: 'refused with `revision of auth store is old`',
    holdfast: 'judged again, and refused so only where the rules keep changing',
    shown: [
      'packages/engine/src/access-cluster.test.ts',
      'has a write applied that is still allowed, without a word to its client',
    ],
  },
  {
    what: 'a watch whose reader loses its permission',
    etcd: 'goes on',
    holdfast: 'is cancelled with `permission denied`',
    shown: [
      'packages/server/src/etcd/watch-access.test.ts',
      'is told nothing after its permission was taken, and why',
    ],
  },
  {
    what: '`Compact`, and to set an alarm',
    etcd: "any user's, and anybody's",
    holdfast: "root's",
    shown: [
      'packages/server/src/etcd/auth-service.test.ts',
      'has the KV service refuse what is not permitted',
    ],
  },
  {
    what: '`Status`',
    etcd: "root's (from 3.6 on)",
    holdfast: "anybody's",
    shown: ['tests/etcd-auth.test.ts', 'holds over HTTP, and for those who only look'],
  },
  {
    what: 'a user with an empty password; `hashedPassword`',
    etcd: 'taken',
    holdfast: 'refused: `no_password` makes a user that a certificate alone proves',
    shown: ['packages/server/src/etcd/auth-service.test.ts', 'refuses in the words of etcd'],
  },
  {
    what: 'the name of a user or role',
    etcd: 'any that is not empty',
    holdfast: 'up to 256 bytes, without control characters',
    shown: [
      'packages/engine/src/access-service.test.ts',
      'have names that can be written down, as roles have',
    ],
  },
  {
    what: 'another password for a user that has none',
    etcd: 'nothing happens',
    holdfast: 'refused',
    shown: ['packages/server/src/etcd/auth-service.test.ts', 'refuses in the words of etcd'],
  },
  {
    what: 'the auth revision',
    etcd: 'counts changes',
    holdfast: 'is the revision of the store at the last change',
    shown: [
      'packages/engine/src/access-service.test.ts',
      'moves its revision with every change, and has none while it is off',
    ],
  },
];
