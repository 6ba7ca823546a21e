// `holdfast start`: a member from its flags and variables until it is told to end or can not go on.
// SIGHUP has it read its settings file anew.
// The only catcher of what ends a member: it says one clear sentence, and answers the exit code.
import { onBug } from '@holdfast/base/bug-log';
import { HoldfastError, messageOf } from '@holdfast/base/errors';
import { SystemClock } from '@holdfast/base/system-clock';
import { SystemRandom } from '@holdfast/base/system-random';

import { collector } from './collector.ts';
import { exitCodeOf } from './errors.ts';
import { flipVariable } from './http/flip-route.ts';
import { type Log, openLog } from './log.ts';
import { Member } from './member.ts';
import { ProcessFaults } from './process-faults.ts';
import type { Flags, Variables } from './setting-sources.ts';
import { type MemberSettings, readSettings } from './settings.ts';

/** Exit code of a member that met a fault: a broken invariant (sysexits: EX_SOFTWARE). */
const brokenExitCode = 70;
/** A member that failed has this long to close what still works. */
const closeAfterFailureMs = 3000;

/**
 * Resolves with the exit code: 0 after `signal` has aborted and everything was closed. Throws only
 * what is wrong with the settings (`invalid-argument`), before anything was opened.
 */
export async function runMember(
  flags: Flags,
  variables: Variables,
  signal: AbortSignal,
): Promise<number> {
  const settings = readSettings(flags, variables);
  const { logLevel: level, logFormat: format, name } = settings;
  const log = openLog({ level, format, name });
  onBug((report) => log.error(report, 'this should not happen'));
  const clock = new SystemClock();
  const stopFollowing = collector.follow(clock);
  const member = new Member({
    settings,
    clock,
    random: new SystemRandom(),
    log,
    canFlipMemory: variables[flipVariable] === '1',
  });
  const faults = new ProcessFaults(process);
  const reread = (): void => rereadSettings(member, log, () => readSettings(flags, variables));
  process.on('SIGHUP', reread);
  try {
    await Promise.race([live(member, log, signal), faults.first]);
    return 0;
  } catch (error) {
    tellEnd(log, error);
    // What it did last can not be trusted: nothing more is written, not even an orderly end.
    if (!(error instanceof HoldfastError)) return brokenExitCode;
    // What does not close any more has been told with the failure itself.
    const closing = member.close().catch((late: unknown) => log.debug({ err: late }, 'closing'));
    await Promise.race([closing, elapsed(closeAfterFailureMs)]);
    return exitCodeOf(error);
  } finally {
    process.off('SIGHUP', reread);
    faults.close();
    stopFollowing();
    onBug(undefined);
  }
}

/** A file with a mistake in it changes nothing, and ends nobody. */
function rereadSettings(member: Member, log: Log, read: () => MemberSettings): void {
  try {
    member.reread(read());
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    log.error(error.details, `the settings stay as they are: ${error.message}`);
  }
}

async function live(member: Member, log: Log, signal: AbortSignal): Promise<void> {
  const stop = aborted(signal);
  // A start may read for minutes: whoever asks for the end in the middle of it need not wait.
  const started = await Promise.race([member.start().then(() => true), stop.then(() => false)]);
  if (started) await Promise.race([stop, member.failed]);
  log.info({ reason: messageOf(signal.reason) }, started ? 'stopping' : 'stopping in mid-start');
  await member.close();
}

/**
 * An operating error needs no stack: its sentence says what to do. Anything else needs all of it.
 */
function tellEnd(log: Log, error: unknown): void {
  if (error instanceof HoldfastError) {
    log.fatal({ code: error.code, ...error.details }, error.message);
  } else log.fatal({ err: error }, `this member ends: ${messageOf(error)}`);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

const elapsed = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
