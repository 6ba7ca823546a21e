// The command's process: streams, signals and variables come in here, and the exit code goes out.
import { setMaxListeners } from 'node:events';
import { isatty } from 'node:tty';
import { fileURLToPath } from 'node:url';

import { SystemClock } from '@holdfast/base/system-clock';
import { SystemRandom } from '@holdfast/base/system-random';
import { HoldfastClient } from '@holdfast/client/holdfast-client';

import type { CliContext, GlobalOptions } from './context.ts';
import { Interrupted } from './failure.ts';
import { ProcessTerminal } from './process-terminal.ts';
import { runProgram } from './program.ts';

/** One Ctrl-C may arrive twice: from the terminal, and from npm, which hands it on to its child. */
const sameInterruptMs = 2_000;

const clock = new SystemClock();
const interrupt = new AbortController();
// Signals end whatever runs under them, be it a hundred calls or tasks: no sign of a leak.
setMaxListeners(1_000);
setMaxListeners(0, interrupt.signal);
let interruptedAtMs = Number.POSITIVE_INFINITY;
const startedOnTerminal = isatty(2);
let isMember = false;

/**
 * A member reads its settings anew at SIGHUP; one that was started on a terminal ends when that is
 * gone, and says so by the same signal.
 */
const isForMember = (name: string): boolean =>
  name === 'SIGHUP' && isMember && !(startedOnTerminal && !isatty(2));

for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => {
    if (isForMember(name)) return;
    const nowMs = clock.monotonicMs();
    // Whoever asks again after a while does not want to wait any longer.
    if (nowMs - interruptedAtMs > sameInterruptMs) process.exit(130);
    if (interrupt.signal.aborted) return;
    interruptedAtMs = nowMs;
    interrupt.abort(new Interrupted(name));
  });
}
// A reader that has seen enough (`| head`) closes the pipe: that is its right, and our end.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

const context: CliContext = {
  terminal: new ProcessTerminal(),
  clock,
  random: new SystemRandom(),
  env: process.env,
  signal: interrupt.signal,
  selfArgs: [...process.execArgv, process.argv[1] ?? fileURLToPath(import.meta.url)],
  openClient: ({ endpoints, timeoutMs, tls, user }: GlobalOptions) =>
    new HoldfastClient({ endpoints, timeoutMs, tls, user, ...actorOf(process.env) }),
  runMember: async (flags, signal) => {
    // Loaded only here: the commands that ask a member need none of what a member is made of.
    const { runMember } = await import('@holdfast/server/run-member');
    isMember = true;
    return runMember(flags, process.env, signal);
  },
  runSimulator: async (args) => {
    const { runCommand } = await import('@holdfast/simulator/main');
    const write = (line: string): void => void process.stdout.write(`${line}\n`);
    // Ends after the run at hand, and tells what it has seen until then.
    return runCommand(args, write, interrupt.signal);
  },
  exitCode: 0,
};

/** Who publishes, as the history shows it; unverified, unless --user or --cert prove somebody. */
function actorOf(env: NodeJS.ProcessEnv): { actor?: string } {
  const name = env['HOLDFAST_ACTOR'] ?? env['USER'] ?? '';
  return /^[\x21-\x7e]{1,64}$/.test(name) ? { actor: name } : {};
}

const exitCode = await runProgram(process.argv.slice(2), context);
// A member's listeners and a broken connection's remains must not hold a command that has ended.
process.stdout.write('', () => process.exit(exitCode));
