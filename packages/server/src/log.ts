// A member's log: one line an event to standard error, JSON for machines, text for a terminal.
import { type DestinationStream, destination, type Logger, pino } from 'pino';

export type Log = Logger;

export type LogOptions = {
  readonly level: string;
  /** `auto`: text on a terminal. */
  readonly format: string;
  readonly name: string;
};

export function openLog(options: LogOptions): Log {
  const isText =
    options.format === 'text' || (options.format === 'auto' && process.stderr.isTTY === true);
  const sink: DestinationStream = isText
    ? { write: (line) => void process.stderr.write(textOf(line, process.stderr.isTTY === true)) }
    : // Written before the call returns: the last line before an end is the one that is needed.
      destination({ dest: 2, sync: true });
  return pino(
    {
      level: options.level,
      base: { member: options.name },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    sink,
  );
}

const colours: Readonly<Record<string, string>> = {
  trace: '\x1b[2m',
  debug: '\x1b[2m',
  warn: '\x1b[33m',
  error: '\x1b[31m',
  fatal: '\x1b[31;1m',
};

/** `12:00:01.123 warn  n1  message  key=value`. */
export function textOf(line: string, isColoured: boolean): string {
  const { level, time, msg, member, ...rest } = JSON.parse(line) as Record<string, unknown>;
  const facts = Object.entries(rest).map(([key, value]) => `${key}=${factOf(value)}`);
  const clock = String(time).slice(11, 23);
  const text = [clock, String(level).padEnd(5), member, msg, ...facts].join(' ');
  const colour = isColoured && process.env['NO_COLOR'] === undefined ? colours[String(level)] : '';
  return colour ? `${colour}${text}\x1b[0m\n` : `${text}\n`;
}

function factOf(value: unknown): string {
  if (typeof value === 'string') return /[\s="]/.test(value) ? JSON.stringify(value) : value;
  return JSON.stringify(value);
}
