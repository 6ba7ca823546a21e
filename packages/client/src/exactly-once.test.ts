// Goal: a write in a session is sent under one number until it is answered, and never in another
// session once it may have been applied. Method: a caller that answers as the test says, and a
// clock that the test moves.
import { HoldfastError, type Outcome } from '@holdfast/base/errors';
import { ManualClock } from '@holdfast/base/manual-clock';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { putRequest } from '@holdfast/domain/requests';
import { afterEach, describe, expect, it } from 'vitest';

import type { Call, Reply } from './caller.ts';
import { ExactlyOnce } from './exactly-once.ts';
import { writeFrame } from './frame-forms.ts';

type Answer = (call: Call) => Reply | HoldfastError | Promise<Reply>;

const ok = (afterUnknown = false): Reply => ({
  endpoint: 'a:1',
  status: 200,
  headers: {},
  body: new Uint8Array(),
  isRead: false,
  afterUnknown,
});

const failure = (code: HoldfastError['code'], outcome: Outcome = 'not-applied'): HoldfastError =>
  new HoldfastError(code, code, { outcome });

/** Answers registrations and keep-alives itself, and writes as it is told. */
class TestCaller {
  readonly calls: Call[] = [];
  readonly writes: Call[] = [];
  answers: Answer[] = [];
  readonly budget = { take: () => true };

  async call(call: Call): Promise<Reply> {
    this.calls.push(call);
    if (call.path.startsWith('/v1/sessions')) return ok();
    this.writes.push(call);
    const answer = await (this.answers.shift() ?? (() => ok()))(call);
    if (answer instanceof HoldfastError) throw answer;
    return answer;
  }

  /** Session and number of each write that was sent. */
  places(): readonly string[] {
    const ids = new Map<string, string>();
    return this.writes.map(({ headers = {} }) => {
      const id = headers['holdfast-session'] ?? '';
      ids.set(id, ids.get(id) ?? String.fromCharCode(97 + ids.size));
      return `${ids.get(id)}${headers['holdfast-sequence']}/${headers['holdfast-lowest-pending']}`;
    });
  }
}

const put: Call = { kind: 'once', method: 'PUT', path: '/v1/kv/a' };
let clock: ManualClock;
let once: ExactlyOnce;

function started(...answers: Answer[]): TestCaller {
  clock = new ManualClock();
  const caller = new TestCaller();
  caller.answers = answers;
  const ports = { caller, clock, random: new SeededRandom(1) };
  once = new ExactlyOnce({ ttlMs: 60_000, timeoutMs: 10_000 }, ports);
  return caller;
}

afterEach(async () => {
  await once.close();
  expect(clock.pendingCount).toBe(0);
});

async function settled<T>(promise: Promise<T>): Promise<T | HoldfastError> {
  let result: { readonly value: T | HoldfastError } | undefined;
  promise.then(
    (value) => {
      result = { value };
    },
    (error: HoldfastError) => {
      result = { value: error };
    },
  );
  while (result === undefined) await clock.advanceAsync(10);
  return result.value;
}

describe('a write in a session', () => {
  it('registers the session first, and is numbered', async () => {
    const caller = started();
    await settled(once.write(put));
    await settled(once.write(put));
    expect(caller.calls.map(({ path }) => path)).toEqual(['/v1/sessions', put.path, put.path]);
    expect(caller.places()).toEqual(['a1/1', 'a2/2']);
  });

  it('has the same place in frames as over HTTP, each time that it is sent', async () => {
    const caller = started(() => failure('unavailable', 'unknown'));
    const request = putRequest({ keyspace: 0, key: new Uint8Array(1) }, new Uint8Array());
    const frame = writeFrame({ $case: 'put', value: request });
    await settled(once.write({ ...put, frame }));
    await settled(once.write({ ...put, frame }));
    const places = caller.writes.map((call) => {
      const sent = call.frame === 'ping' ? undefined : call.frame;
      return [sent?.session, sent?.request?.value === request];
    });
    const { id } = (places[0]?.[0] ?? {}) as { id: bigint };
    expect(places).toEqual([
      [{ id, sequence: 1n, lowestPending: 1n }, true],
      [{ id, sequence: 1n, lowestPending: 1n }, true],
      [{ id, sequence: 2n, lowestPending: 2n }, true],
    ]);
    expect(caller.writes[0]?.headers).toMatchObject({ 'holdfast-session': String(id) });
    const [registration] = caller.calls;
    expect(registration?.frame).toMatchObject({ request: { value: { id, ttlMs: 60_000 } } });
    expect(frame.session).toBeUndefined();
  });

  it('whose outcome is unknown is sent again under its number until it is answered', async () => {
    const unknown = (): HoldfastError => failure('unavailable', 'unknown');
    const caller = started(
      unknown,
      unknown,
      () => failure('no-leader'),
      () => ok(true),
    );
    expect(await settled(once.write(put))).toMatchObject({ status: 200, afterUnknown: false });
    expect(caller.places()).toEqual(['a1/1', 'a1/1', 'a1/1', 'a1/1']);
  });

  it('waits with that until its client may ask again', async () => {
    const caller = started(() => failure('unavailable', 'unknown'));
    caller.budget.take = () => clock.monotonicMs() >= 5000;
    expect(await settled(once.write(put))).toMatchObject({ status: 200 });
    expect(clock.monotonicMs()).toBeGreaterThanOrEqual(5000);
    expect(caller.places()).toEqual(['a1/1', 'a1/1']);
  });

  it('that is refused after an unknown try was refused by that very try', async () => {
    started(
      () => failure('unavailable', 'unknown'),
      () => failure('failed-precondition', 'unknown'),
    );
    expect(await settled(once.write(put))).toMatchObject({
      code: 'failed-precondition',
      outcome: 'not-applied',
    });
  });

  it('is not sent in another session once it may have been applied', async () => {
    const caller = started(
      () => failure('unavailable', 'unknown'),
      () => failure('session-expired'),
    );
    expect(await settled(once.write(put))).toMatchObject({
      code: 'session-expired',
      outcome: 'unknown',
    });
    expect(caller.places()).toEqual(['a1/1', 'a1/1']);
    // The next write begins a session of its own.
    await settled(once.write(put));
    expect(caller.places().at(-1)).toBe('b1/1');
  });

  it('is sent in another session where it certainly was not applied', async () => {
    const caller = started(() => failure('session-expired'));
    expect(await settled(once.write(put))).toMatchObject({ status: 200 });
    expect(caller.places()).toEqual(['a1/1', 'b1/1']);
  });

  it('that lost to another one is tried under another number', async () => {
    const caller = started(() => failure('conflict'));
    expect(await settled(once.write(put))).toMatchObject({ status: 200 });
    expect(caller.places()).toEqual(['a1/1', 'a2/2']);
  });

  it('ends with its deadline, its outcome unknown', async () => {
    const caller = started(...Array<Answer>(200).fill(() => failure('unavailable', 'unknown')));
    expect(await settled(once.write(put))).toMatchObject({ outcome: 'unknown' });
    expect(new Set(caller.places())).toEqual(new Set(['a1/1']));
  });

  it('waits while 64 are in flight, counted from the oldest', async () => {
    let release = (): void => undefined;
    const stuck = new Promise<Reply>((resolve) => {
      release = () => resolve(ok());
    });
    const caller = started(() => stuck);
    const all = Array.from({ length: 70 }, () => once.write(put));
    await clock.advanceAsync(100);
    expect(caller.writes).toHaveLength(64);
    release();
    await settled(Promise.all(all));
    expect(caller.writes).toHaveLength(70);
    for (const place of caller.places()) {
      const [number, lowest] = place.slice(1).split('/').map(Number) as [number, number];
      expect(number - lowest).toBeLessThan(64);
    }
  });

  it('that is not sent, because no session can be had, has not been applied', async () => {
    const caller = started();
    caller.call = async () => {
      throw failure('no-quorum', 'unknown');
    };
    expect(await settled(once.write(put))).toMatchObject({
      code: 'no-quorum',
      outcome: 'not-applied',
    });
  });
});

describe('an idle session', () => {
  it('is kept alive, and closed at the end', async () => {
    const caller = started();
    await settled(once.write(put));
    await clock.advanceAsync(60_000);
    const kept = caller.calls.filter(({ path }) => path.endsWith('/keep-alive'));
    expect(kept.length).toBeGreaterThanOrEqual(2);
    await once.close();
    expect(caller.calls.at(-1)).toMatchObject({ method: 'DELETE' });
  });
});
