// Broken access control: what may be done is judged too early, too late, or not again.
import type { Mutation } from './mutation.ts';

export const accessMutations: readonly Mutation[] = [
  {
    name: 'applied-by-other-rules',
    does: 'apply does not look by which access rules a command was allowed',
    rule: '24',
    edits: [
      {
        file: 'packages/mvcc/src/access-gate.ts',
        find: 'if (allowedAt === gate.revision || allowedAt < 0) return;',
        replace: 'if (allowedAt === gate.revision || allowedAt > -2) return;',
      },
    ],
  },
  {
    name: 'watch-judged-once',
    does: 'a watch is judged when it begins, and never again',
    rule: '24',
    edits: [
      {
        file: 'packages/engine/src/store-watch.ts',
        find: 'if (store.accessRevision === this.#judgedAt) return true;',
        replace: 'if (store.accessRevision >= 0) return true;',
      },
    ],
  },
  {
    name: 'read-judged-before-it-waits',
    does: 'a read is judged by the state before the one that it shows',
    rule: '24',
    edits: [
      {
        file: 'packages/engine/src/embedded-engine.ts',
        find: 'let ageMs = await this.#fresh.await(options);',
        replace:
          'this.#access.requireRead(request, options.subject);\n' +
          '    let ageMs = await this.#fresh.await(options);',
      },
      {
        file: 'packages/engine/src/embedded-engine.ts',
        find:
          '    this.#access.requireRead(request, options.subject);\n' +
          '    const body = this.store.range(request, options);',
        replace: '    const body = this.store.range(request, options);',
      },
    ],
  },
  {
    name: 'refused-by-an-old-state',
    does: 'a member that lags refuses what was granted, without a look at newer rules',
    rule: '24',
    edits: [
      {
        file: 'packages/engine/src/access-guard.ts',
        find: 'return this.#catchUp(signal).then(judge);',
        replace: 'throw error;',
      },
    ],
  },
];
