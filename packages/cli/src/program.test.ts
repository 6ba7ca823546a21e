// Goal: a wrong command line, an absent cluster and a refusal each end in a clear sentence on
// standard error and the right exit code. Method: the whole program, in this process.
import { spawnSync } from 'node:child_process';
import type { ErrorCode } from '@holdfast/base/errors';
import { HoldfastError } from '@holdfast/base/errors';

import { SystemClock } from '@holdfast/base/system-clock';
import { errorOf } from '@holdfast/client/errors';
import { errorTable } from '@holdfast/server/errors';
import { problemOf, problemText } from '@holdfast/server/problem';
import { describe, expect, it } from 'vitest';

import { parseEndpoints } from './context.ts';
import { runCommand, startTestServer } from './test-cluster.ts';

describe('a wrong command line', () => {
  it('is told with a suggestion, and exits with 2', async () => {
    for (const [args, words] of [
      [['confg'], 'Did you mean config?'],
      [['config', 'publsh'], 'Did you mean publish?'],
      [['kv', 'get', 'a', '--consistncy', 'stale'], 'Did you mean --consistency?'],
      [['kv', 'get'], "missing required argument 'key'"],
      [['kv', 'get', 'a', 'b'], 'too many arguments'],
      [['kv', 'get', 'a', '--consistency', 'fresh'], 'Allowed choices'],
      [['dev', '--nodes', 'many'], 'whole number'],
      [['--timeout', 'soon', 'status'], 'not a duration'],
      [['kv', 'get', 'a', '--endpoints', 'a:b:c'], 'is no endpoint'],
      [['simulate'], 'name --seeds COUNT, --seconds COUNT or --seed SEED'],
      [['service', 'list'], 'unknown command'],
    ] as const) {
      const { code, err, out } = await runCommand(args);
      expect(err).toContain(words);
      expect(code, args.join(' ')).toBe(2);
      expect(out).toBe('');
    }
  });

  it('is met by --help on every command, with an example', async () => {
    const { code, out } = await runCommand(['--help']);
    expect(code).toBe(0);
    expect(out).toContain('Examples:');
    for (const command of [
      'config publish',
      'config import',
      'kv txn',
      'start',
      'dev',
      'status',
      'connections evict',
    ]) {
      const help = await runCommand([...command.split(' '), '--help']);
      expect(help.code).toBe(0);
      expect(help.out, command).toMatch(/Examples?:\n/);
    }
  });
});

describe('an absent cluster', () => {
  it('is told at once, with what to do', async () => {
    const server = await startTestServer();
    await server.close();
    const clock = new SystemClock();
    const startMs = clock.monotonicMs();
    const { code, err } = await server.run('kv', 'get', 'a');
    expect(err).toContain('connection refused');
    expect(err).toContain('holdfast dev');
    expect(code).toBe(5);
    expect(clock.monotonicMs() - startMs).toBeLessThan(2_000);
    expect(err).not.toContain('--endpoints');
  });

  it('at the default endpoint is told with how others are named', async () => {
    const refused = new HoldfastError('unavailable', '127.0.0.1:4653: connection refused');
    const openClient = (): never => {
      throw refused;
    };
    const ports = { openClient };
    const { err } = await runCommand(['kv', 'get', 'a'], { ports });
    expect(err).toContain('`holdfast dev` starts a cluster on this machine.\n');
    expect(err).toContain('named by --endpoints, or the variable HOLDFAST_ENDPOINTS.');
    const named = await runCommand(['kv', 'get', 'a', '--endpoints', '127.0.0.1'], { ports });
    expect(named.err).not.toContain('--endpoints');
    const byVariable = await runCommand(['kv', 'get', 'a'], { ports, endpoints: '127.0.0.1:4653' });
    expect(byVariable.err).not.toContain('--endpoints');
  });
});

describe('a refusal', () => {
  it('lists the missing voters, and says that nothing was written', async () => {
    await using server = await startTestServer();
    server.engine.refusal = new HoldfastError('no-quorum', 'two of three voters are away', {
      details: { missingVoters: ['n2', 'n3'] },
    });
    const { code, err } = await server.run('kv', 'put', 'a', '1');
    expect(err).toContain('two of three voters are away [no-quorum]');
    expect(err).toContain('These voters cannot be reached: n2, n3.');
    expect(err).toContain('--consistency stale');
    expect(code).toBe(5);
    const json = await server.run('kv', 'put', 'a', '1', '--output', 'json');
    expect(JSON.parse(json.err).error).toMatchObject({
      code: 'no-quorum',
      outcome: 'not-applied',
      details: { missingVoters: ['n2', 'n3'] },
    });
  });

  it('of unknown outcome says so', async () => {
    await using server = await startTestServer();
    server.engine.refusal = new HoldfastError('leadership-lost', 'the leader changed', {
      outcome: 'unknown',
    });
    const { err } = await server.run('kv', 'put', 'a', '1');
    expect(err).toContain('Whether the write took effect is not known');
  });
});

describe('the table of errors', () => {
  it('comes back from the wire as it was thrown, for every code and outcome', () => {
    for (const code of Object.keys(errorTable) as ErrorCode[]) {
      for (const outcome of ['not-applied', 'applied', 'unknown'] as const) {
        const details = { line: 3, missingVoters: ['n2'] };
        const thrown = new HoldfastError(code, 'what happened', { outcome, details });
        const problem = problemOf(thrown);
        const back = errorOf(problem.status, new TextEncoder().encode(problemText(problem)));
        expect(back).toMatchObject({ code, outcome, details, message: 'what happened' });
        expect(back.retryable).toBe(problem.retryable);
      }
    }
  });
});

describe('holdfast simulate', () => {
  it('hands what it was told to the simulator, and its exit code back', async () => {
    const told: (readonly string[])[] = [];
    const runSimulator = async (args: readonly string[]): Promise<number> => {
      told.push(args);
      return 1;
    };
    const ports = { runSimulator };
    const many = ['simulate', '--seeds', '5', '--first-seed', '7'];
    expect((await runCommand(many, { ports })).code).toBe(1);
    await runCommand(['simulate', '--seed', '9', '--trace', '--world', 'raft'], { ports });
    const timed = ['--seconds', '9', '--scenario', 'reconnects', '--times', '3', '--keep', 'd'];
    await runCommand(['simulate', ...timed], { ports });
    expect(told).toEqual([
      ['--seeds', '5', '--first-seed', '7', '--world', 'cluster'],
      ['--seed', '9', '--trace', '--world', 'raft'],
      [
        ...['--seconds', '9', '--first-seed', '1', '--scenario', 'reconnects', '--times', '3'],
        ...['--keep', 'd', '--world', 'cluster'],
      ],
    ]);
  });
});

describe('holdfast completion', () => {
  it('completes commands and options in bash, past options and their values', async () => {
    const { out } = await runCommand(['completion', 'bash']);
    const complete = (...words: readonly string[]): readonly string[] => {
      const list = ['holdfast', ...words].map((word) => `'${word}'`).join(' ');
      const script = `${out}\nCOMP_WORDS=(${list}); COMP_CWORD=${words.length}; _holdfast
        printf '%s\\n' "\${COMPREPLY[@]}"`;
      return spawnSync('bash', ['-c', script]).stdout.toString().trim().split('\n');
    };
    expect(complete('con')).toEqual(['config', 'connections']);
    expect(complete('config', '')).toContain('publish');
    expect(complete('--endpoints', 'a:1', 'config', 'pub')).toEqual(['publish']);
    expect(complete('kv', 'get', '--cons')).toEqual(['--consistency']);
  });
});

describe('parseEndpoints', () => {
  it('takes lists, bare hosts, addresses of both kinds and URLs', () => {
    expect(parseEndpoints('a, b:1,[::1]:2,http://c:3/')).toEqual([
      'a:4653',
      'b:1',
      '[::1]:2',
      'c:3',
    ]);
  });
});
