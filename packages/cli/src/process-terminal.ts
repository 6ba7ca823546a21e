// The terminal of this process: its three streams, and whether they are a person's.
import { once } from 'node:events';

import type { Terminal } from './terminal.ts';

export class ProcessTerminal implements Terminal {
  readonly isOutTty = process.stdout.isTTY === true;
  readonly isErrTty = process.stderr.isTTY === true;
  readonly isInputTty = process.stdin.isTTY === true;
  /** The convention of no-color.org: set and not empty means no colours. */
  readonly useColor = process.stdout.isTTY === true && !process.env['NO_COLOR'];

  get columns(): number {
    return process.stdout.columns ?? 100;
  }

  async out(content: string | Uint8Array): Promise<void> {
    if (!process.stdout.write(content)) await once(process.stdout, 'drain');
  }

  err(text: string): void {
    process.stderr.write(text);
  }

  input(): AsyncIterable<Uint8Array> {
    return process.stdin;
  }
}
