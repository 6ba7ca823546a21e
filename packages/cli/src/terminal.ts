// Where a command speaks and listens, as a port: commands run in tests against a captured one. The
// real one is process-terminal.ts.

export interface Terminal {
  /** Answers: what a pipe behind the command wants to read. Resolves when the pipe took it. */
  out(content: string | Uint8Array): Promise<void>;
  /** Everything else: progress, notices, failures. */
  err(text: string): void;
  input(): AsyncIterable<Uint8Array>;
  readonly isOutTty: boolean;
  readonly isErrTty: boolean;
  readonly isInputTty: boolean;
  /** Characters a line. */
  readonly columns: number;
  readonly useColor: boolean;
}

/** All of the input, up to `bytesMax`, and one byte more where there is more. */
export async function readInput(terminal: Terminal, bytesMax: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of terminal.input()) {
    parts.push(part);
    length += part.length;
    if (length > bytesMax) break;
  }
  return Buffer.concat(parts).subarray(0, bytesMax + 1);
}
