// The one list of exceptions from the house rules. Each has a reason that a stranger can judge; one
// that nothing needs any more is itself a finding.

export type Exception = { readonly rule: string; readonly path: string; readonly reason: string };

export const exceptions: readonly Exception[] = [
  {
    rule: 'builtins',
    path: 'packages/base/src/crc32.ts',
    reason: 'A pure function, at a speed that nothing written in JavaScript reaches.',
  },
  {
    rule: 'builtins',
    path: 'packages/base/src/sha256.ts',
    reason: 'A pure function, at a speed that nothing written in JavaScript reaches.',
  },
  {
    rule: 'ambient',
    path: 'packages/raft/src/script.test.ts',
    reason: 'A variable of the environment asks it to rewrite the scripts instead of judging.',
  },
  {
    rule: 'marks',
    path: 'tools/tidy/rules/text.ts',
    reason: 'It names what it looks for.',
  },
  {
    rule: 'machine-paths',
    path: 'tools/tidy/rules/text.ts',
    reason: 'It names what it looks for.',
  },
  {
    rule: 'function-length',
    path: 'packages/replica/src/message-codec.ts',
    reason: 'One switch over the closed union of messages: a table, read a line at a time.',
  },
];
