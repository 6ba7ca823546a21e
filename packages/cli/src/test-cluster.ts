// For the tests of the command line: the real HTTP door on an engine in memory, listening on a free
// port of loopback, and a terminal that keeps what it was told.
import { RecentCounts } from '@holdfast/base/recent-counts';
import { SystemClock } from '@holdfast/base/system-clock';
import { SystemRandom } from '@holdfast/base/system-random';
import { HoldfastClient } from '@holdfast/client/holdfast-client';
import { MemoryEngine } from '@holdfast/engine/memory-engine';
import { configRoutes } from '@holdfast/server/config-routes';
import { diagnosisRoutes } from '@holdfast/server/diagnosis-routes';
import { EngineSlot } from '@holdfast/server/engine-slot';
import { buildHttpApp, type HttpAppOptions } from '@holdfast/server/http-server';
import { MemberReports } from '@holdfast/server/member-reports';

import type { CliContext, GlobalOptions } from './context.ts';
import { runProgram } from './program.ts';
import type { Terminal } from './terminal.ts';

export class CapturedTerminal implements Terminal {
  readonly isOutTty = false;
  readonly isErrTty = false;
  readonly isInputTty = false;
  readonly columns = 100;
  readonly useColor = false;
  readonly #out: Uint8Array[] = [];
  #err = '';
  readonly #given: Uint8Array;
  readonly #onOut: (text: string) => void;

  constructor(input: Uint8Array, onOut: (text: string) => void = () => undefined) {
    this.#given = input;
    this.#onOut = onOut;
  }

  get outBytes(): Uint8Array {
    return Buffer.concat(this.#out);
  }

  get outText(): string {
    return Buffer.concat(this.#out).toString('utf8');
  }

  get errText(): string {
    return this.#err;
  }

  async out(content: string | Uint8Array): Promise<void> {
    this.#out.push(typeof content === 'string' ? Buffer.from(content) : content);
    this.#onOut(this.outText);
  }

  err(text: string): void {
    this.#err += text;
  }

  input(): AsyncIterable<Uint8Array> {
    return onePart(this.#given);
  }
}

async function* onePart(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

export type Outcome = {
  readonly code: number;
  readonly out: string;
  readonly outBytes: Uint8Array;
  readonly err: string;
};

export type RunOptions = {
  readonly input?: string | Uint8Array;
  readonly signal?: AbortSignal;
  readonly onOut?: (text: string) => void;
  readonly endpoints?: string;
  readonly ports?: Partial<CliContext>;
};

/** Runs one command line to its end, against these endpoints unless it names its own. */
export async function runCommand(
  args: readonly string[],
  options: RunOptions = {},
): Promise<Outcome> {
  const terminal = new CapturedTerminal(Buffer.from(options.input ?? ''), options.onOut);
  const context: CliContext = {
    terminal,
    clock: new SystemClock(),
    random: new SystemRandom(),
    env: { HOLDFAST_ENDPOINTS: options.endpoints },
    signal: options.signal ?? new AbortController().signal,
    selfArgs: [],
    openClient: ({ endpoints, timeoutMs, tls, user }: GlobalOptions) =>
      new HoldfastClient({ endpoints, timeoutMs, tls, user, actor: 'tester' }),
    runMember: async () => 0,
    runSimulator: async () => 0,
    exitCode: 0,
    ...options.ports,
  };
  const code = await runProgram(args, context);
  return { code, out: terminal.outText, outBytes: terminal.outBytes, err: terminal.errText };
}

export type TestServer = AsyncDisposable & {
  readonly engine: MemoryEngine;
  /** `host:port`. */
  readonly endpoint: string;
  run(...args: readonly string[]): Promise<Outcome>;
  runWith(options: RunOptions, ...args: readonly string[]): Promise<Outcome>;
  close(): Promise<void>;
};

/** A door on a free port; several of them may stand on one engine, as members do on one log. */
export async function startTestServer(
  shared?: MemoryEngine,
  address = '127.0.0.1:0',
  more: NonNullable<HttpAppOptions['routes']> = [],
): Promise<TestServer> {
  const clock = new SystemClock();
  const engine = shared ?? new MemoryEngine();
  const slot = new EngineSlot();
  slot.fill(engine);
  const reports = new MemberReports({
    clock,
    status: () => engine.status(),
    transport: () => undefined,
    failures: new RecentCounts(clock, 60_000),
    isLeaving: () => false,
    onLeaving: () => undefined,
  });
  const diagnosis = diagnosisRoutes(reports, { verdictOn: () => undefined });
  const routes = [configRoutes(), diagnosis, ...more];
  const app = buildHttpApp({ slot, clock, version: '0.1.0', routes });
  const [host = '', port] = address.split(':');
  await app.listen({ host, port: Number(port) });
  const endpoint = `${host}:${(app.server.address() as { port: number }).port}`;
  const close = async (): Promise<void> => {
    await app.close();
  };
  return {
    engine,
    endpoint,
    run: (...args) => runCommand(args, { endpoints: endpoint }),
    runWith: (options, ...args) => runCommand(args, { endpoints: endpoint, ...options }),
    close,
    [Symbol.asyncDispose]: close,
  };
}
