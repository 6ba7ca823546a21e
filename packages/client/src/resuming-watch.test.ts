// Goal: whatever one stream does, all of them together give each change once and in order. Method:
// a list of scripted streams, of which each request gets the next, and a clock that the test moves.
import { emptyBytes, toText, utf8 } from '@holdfast/base/bytes';
import { ManualClock } from '@holdfast/base/manual-clock';
import { describe, expect, it } from 'vitest';

import { callerOn, scriptedCaller } from './caller.fixture.ts';
import { type HttpAnswer, type HttpPort, type HttpRequest, TransportFailure } from './http-port.ts';
import { resumingWatch } from './resuming-watch.ts';
import { overBoth } from './scripted-frames.fixture.ts';
import { answer, type Behaviour } from './scripted-http.fixture.ts';

/** The text of a stream, and whether it breaks, ends or falls silent after that. */
type Script = {
  readonly status?: number;
  readonly text: string;
  readonly after: 'break' | 'end' | 'silence';
};

class ScriptedStreams implements HttpPort {
  readonly paths: string[] = [];
  readonly #scripts: Script[];

  constructor(scripts: readonly Script[]) {
    this.#scripts = [...scripts];
  }

  async request({ endpoint, path, signal }: HttpRequest): Promise<HttpAnswer> {
    if (path === '/ping') return streamOf({ text: 'pong', after: 'end' }, endpoint, signal);
    this.paths.push(path);
    const script = this.#scripts.shift();
    if (script === undefined) return streamOf({ text: '', after: 'silence' }, endpoint, signal);
    return streamOf(script, endpoint, signal);
  }

  async close(): Promise<void> {}
}

const streamOf = (script: Script, endpoint: string, signal: AbortSignal): HttpAnswer => ({
  status: script.status ?? 200,
  headers: {},
  body: (async function* () {
    yield utf8(script.text);
    if (script.after === 'break') {
      throw new TransportFailure(endpoint, 'broke', { outcome: 'unknown', reason: 'X' });
    }
    if (script.after === 'silence') {
      await new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      });
    }
  })(),
  discard: () => undefined,
});

const started = (seen: number): string =>
  `id: ${seen}\nevent: started\ndata: {"revision":${seen}}\n\n`;
const part = (word: string): string => `event: change\ndata: "${word}"\n\n`;
const last = (word: string, revision: number): string => `id: ${revision}\n${part(word)}`;

/** Watches until `count` items came, and answers them with the paths that were asked. */
async function watch(scripts: readonly Script[], count: number, fromRevision?: number) {
  const clock = new ManualClock();
  const network = new ScriptedStreams(scripts);
  const ports = { clock, ...callerOn({ network, addresses: ['a', 'b'], clock }) };
  const options = { path: '/v1/watch?prefix=x', fromRevision, signal: undefined };
  const items: string[] = [];
  let isDone = false;
  const watching = (async () => {
    for await (const item of resumingWatch(options, ports)) {
      const inFrames = (item.events ?? []).map(({ kv }) => toText(kv?.key ?? emptyBytes));
      items.push(
        `${item.revision}:${item.frames.map(({ data }) => data).join('+')}${inFrames.join('+')}`,
      );
      if (items.length === count) break;
    }
  })().finally(() => {
    isDone = true;
  });
  watching.catch(() => undefined);
  for (let turn = 0; turn < 100 && !isDone; turn += 1) await clock.advanceAsync(1_000);
  await watching;
  expect(clock.pendingCount).toBe(0);
  return { items, starts: network.paths.map((path) => path.split('&')[1]) };
}

overBoth(() => {
  it('outlives any time without a majority, and goes on after it', async () => {
    const stale: Behaviour = async () =>
      answer(503, JSON.stringify({ code: 'stale-unknown', outcome: 'not-applied', detail: 'old' }));
    const { clock, network, ...world } = scriptedCaller({ a: stale, b: stale });
    const options = { path: '/v1/watch', fromRevision: 5, signal: undefined };
    const events = resumingWatch(options, { clock, ...world });
    const first = events.next();
    await clock.advanceAsync(10 * 60_000);
    const text = 'id: 7\nevent: change\ndata: "news"\n\n';
    network.set('a', async () => answer(200, text));
    network.set('b', async () => answer(200, text));
    await clock.advanceAsync(10_000);
    expect((await first).value).toMatchObject({ revision: 7 });
    await events.return();
    world.close();
  });

  describe('resumingWatch', () => {
    it('goes on after a break in the middle of a transaction, with all of it once', async () => {
      const { items, starts } = await watch(
        [
          { text: started(4) + last('a', 6) + part('b1') + part('b2'), after: 'break' },
          { text: started(6) + part('b1') + part('b2') + last('b3', 7), after: 'end' },
          { text: started(7) + last('c', 9), after: 'silence' },
        ],
        3,
      );
      expect(items).toEqual(['6:a', '7:b1+b2+b3', '9:c']);
      expect(starts).toEqual([undefined, 'revision=7', 'revision=8']);
    });

    it('resumes where it stood even before the first change', async () => {
      const { items, starts } = await watch(
        [
          { text: started(4), after: 'break' },
          { text: started(4) + last('a', 5), after: 'silence' },
        ],
        1,
      );
      expect(items).toEqual(['5:a']);
      expect(starts).toEqual([undefined, 'revision=5']);
    });

    it('drops what a stream repeats', async () => {
      const scripts: readonly Script[] = [
        { text: started(4) + last('a', 5), after: 'break' },
        { text: started(3) + last('old', 4) + last('a', 5) + last('b', 6), after: 'silence' },
      ];
      expect((await watch(scripts, 2)).items).toEqual(['5:a', '6:b']);
    });

    it('takes progress as what it says: below its revision nothing is owed', async () => {
      const progress = 'id: 9\nevent: progress\ndata: {"revision":9}\n\n';
      const { starts, items } = await watch(
        [
          { text: started(4) + progress, after: 'break' },
          { text: started(8) + last('a', 9), after: 'silence' },
        ],
        1,
      );
      expect(starts[1]).toBe('revision=9');
      expect(items).toEqual(['9:a']);
    });

    it('leaves a stream that shows no sign of life', async () => {
      const { items } = await watch(
        [
          { text: `${started(4)}: alive\n\n`, after: 'silence' },
          { text: started(4) + last('a', 5), after: 'silence' },
        ],
        1,
      );
      expect(items).toEqual(['5:a']);
    });

    it('waits while members refuse, and tells a gap, at once or on the way', async () => {
      const refusal = { code: 'unavailable', outcome: 'not-applied', detail: 'starting' };
      const gap = JSON.stringify({ code: 'compacted', detail: 'gone', compactRevision: 70 });
      const scripts: readonly Script[] = [
        { status: 503, text: JSON.stringify(refusal), after: 'end' },
        { status: 503, text: JSON.stringify(refusal), after: 'end' },
        { text: started(4) + last('a', 5), after: 'silence' },
      ];
      expect((await watch(scripts, 1, 5)).items).toEqual(['5:a']);
      const onTheWay = `${started(4)}event: gap\ndata: ${gap}\n\n`;
      for (const script of [
        { status: 410, text: gap, after: 'end' },
        { text: onTheWay, after: 'end' },
      ] as const) {
        await expect(watch([script], 1, 5)).rejects.toMatchObject({
          code: 'compacted',
          details: { compactRevision: 70 },
        });
      }
    });
  });
});
