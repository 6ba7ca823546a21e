// The backup of the whole cluster over `/v1/backup`: one stream from one member, which nobody else
// can go on with. What came of it when it breaks is worth nothing.
import type { Clock, Timer } from '@holdfast/base/clock';
import { startDeadline } from '@holdfast/base/deadline';
import { HoldfastError } from '@holdfast/base/errors';

import type { BackupApi, BackupOptions, BackupStream } from './backup-api.ts';
import type { HttpAnswer } from './http-port.ts';
import { freshness, queryText } from './query.ts';
import type { Session } from './session.ts';

export class HttpBackups implements BackupApi {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async open(options: BackupOptions = {}): Promise<BackupStream> {
    const { caller, clock, settings } = this.#session;
    const path = `/v1/backup${queryText(freshness(options))}`;
    const open = caller.calls.begin(options.signal);
    const life = new AbortController();
    const { timeoutMs = settings().timeoutMs } = options;
    const wait = startDeadline(clock, timeoutMs, open.signal);
    const onEnd = (): void => life.abort(wait.signal.reason);
    wait.signal.addEventListener('abort', onEnd, { once: true });
    const end = (): void => {
      open.signal.removeEventListener('abort', onClose);
      open.end();
    };
    const onClose = (): void => life.abort(open.signal.reason);
    try {
      const call = { kind: 'read', method: 'GET', path } as const;
      const answer = await caller.open(call, life.signal);
      open.signal.addEventListener('abort', onClose, { once: true });
      const { endpoint } = answer;
      const silence = { clock, silenceMs: settings().streamSilenceMs, endpoint };
      return {
        endpoint,
        revision: numberOf(answer, 'x-holdfast-revision'),
        storeBytes: numberOf(answer, 'x-holdfast-store-bytes'),
        pieces: piecesOf(answer, { life, end, silence }),
      };
    } catch (error) {
      end();
      throw error;
    } finally {
      wait.signal.removeEventListener('abort', onEnd);
      wait.dispose();
    }
  }
}

type Reading = {
  readonly life: AbortController;
  readonly end: () => void;
  readonly silence: {
    readonly clock: Clock;
    readonly silenceMs: number;
    readonly endpoint: string;
  };
};

/** Ends everything, however it is left. A dark connection is noticed by its silence. */
async function* piecesOf(
  answer: HttpAnswer,
  { life, end, silence }: Reading,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { clock, silenceMs, endpoint } = silence;
  const listen = (): Timer =>
    clock.schedule(silenceMs, () => {
      const message = `${endpoint} sent nothing of the backup for ${silenceMs / 1000} s`;
      life.abort(new HoldfastError('unavailable', message));
    });
  let timer = listen();
  try {
    for await (const piece of answer.body) {
      timer.cancel();
      yield piece;
      timer = listen();
    }
  } finally {
    timer.cancel();
    life.abort(new HoldfastError('cancelled', 'the backup was read, or left'));
    end();
  }
}

function numberOf({ headers }: HttpAnswer, name: string): number | undefined {
  const text = headers[name];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}
