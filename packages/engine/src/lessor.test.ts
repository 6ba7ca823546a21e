// Goal: each sentence of safety.md 20 that the leader's memory is responsible for. Method: a lessor
// over a real store, with a leadership and a clock that the test moves; a round ends only when the
// test says how.
import { HoldfastError } from '@holdfast/base/errors';
import { type Index, index, next, type Term, term } from '@holdfast/base/ids';
import { ManualClock } from '@holdfast/base/manual-clock';
import { KvStore } from '@holdfast/mvcc/kv-store';
import { type CommandResult, MemberStanding } from '@holdfast/proto/internal';
import { describe, expect, it } from 'vitest';
import { knownVersion } from './cluster-version.ts';
import { type CommandRequest, encodeCommand } from './command-answer.ts';
import { defaultLessorSettings, Lessor } from './lessor.ts';

type Asked = { readonly term: Term | undefined; end(confirmed: boolean): void };

/** One store, and the members that lead it one after the other. */
class TestLog {
  readonly store = new KvStore({ yieldNow: () => Promise.resolve() });
  readonly requests: CommandRequest[] = [];

  constructor() {
    const member = { memberId: 1n, storeId: 1n, name: 'a', peerAddresses: [], clientAddresses: [] };
    const value = { ...member, version: knownVersion, standing: MemberStanding.JOINED };
    this.apply({ $case: 'bindMember', value }, term(1));
    this.apply(
      { $case: 'clusterVersion', value: { version: knownVersion, memberIds: [] } },
      term(1),
    );
  }

  apply(request: CommandRequest, inTerm: Term): CommandResult {
    const at: Index = next(index(this.store.appliedIndex));
    const payload = encodeCommand(request, { actor: 'test' }, 0n);
    this.requests.push(request);
    const [result] = this.store.apply([{ index: at, term: inTerm, kind: 'command', payload }]);
    return result as CommandResult;
  }

  kinds(): readonly string[] {
    return this.requests.slice(2).map(({ $case }) => $case);
  }
}

/** A member that believes to lead in its term until it is told otherwise. */
class TestLeader {
  readonly lessor: Lessor;
  readonly problems: unknown[] = [];
  readonly rounds: Asked[] = [];
  leads: Term | undefined;
  /** Rounds end at once, with success. */
  isConfirmed = true;
  refusal: HoldfastError | undefined;
  timersLateMs = 0;
  readonly #log: TestLog;

  constructor(log: TestLog, clock: ManualClock, inTerm: number) {
    this.#log = log;
    this.leads = term(inTerm);
    this.lessor = new Lessor({
      clock: {
        monotonicMs: () => clock.monotonicMs(),
        wallMs: () => clock.wallMs(),
        schedule: (delayMs, action) => clock.schedule(delayMs + this.timersLateMs, action),
      },
      leases: () => log.store.leases,
      leadership: {
        term: () => this.leads,
        confirm: () => this.#confirm(),
        propose: (proposedIn, request) => this.#propose(proposedIn, request),
      },
      settings: defaultLessorSettings,
      yieldNow: () => Promise.resolve(),
      onProblem: (_what, error) => this.problems.push(error),
    });
  }

  grant(id: bigint, ttlMs: number): void {
    this.#log.apply({ $case: 'leaseGrant', value: { id, ttlMs } }, this.leads as Term);
    this.lessor.granted(id);
  }

  /** Ends all rounds that wait. */
  endRounds(confirmed: boolean): void {
    for (const round of this.rounds.splice(0)) round.end(confirmed);
  }

  #confirm(): Promise<Term | undefined> {
    const asked = this.leads;
    if (this.isConfirmed) return Promise.resolve(asked);
    return new Promise((resolve) => {
      this.rounds.push({
        term: asked,
        end: (confirmed) => resolve(confirmed && this.leads === asked ? asked : undefined),
      });
    });
  }

  async #propose(proposedIn: Term, request: CommandRequest): Promise<void> {
    if (this.refusal) throw this.refusal;
    if (this.leads !== proposedIn) throw new HoldfastError('not-leader', 'it leads no more');
    this.#log.apply(request, proposedIn);
  }
}

function started(inTerm = 1) {
  const clock = new ManualClock();
  const log = new TestLog();
  const leader = new TestLeader(log, clock, inTerm);
  return { clock, log, leader, lessor: leader.lessor };
}

const outcome = (promise: Promise<unknown>) =>
  promise.then(
    () => 'kept',
    (error: HoldfastError) => error.code,
  );

describe('a lease', () => {
  it('is ended at its deadline and not before', async () => {
    const { clock, log, leader, lessor } = started();
    await lessor.attend();
    leader.grant(7n, 5000);
    clock.advance(4999);
    await lessor.attend();
    expect(log.store.leases.size).toBe(1);
    clock.advance(1);
    await lessor.attend();
    expect(log.store.leases.size).toBe(0);
    expect(lessor.size).toBe(0);
  });

  it('lives for its full time from the arrival of a keep-alive', async () => {
    const { clock, log, leader, lessor } = started();
    await lessor.attend();
    leader.grant(7n, 5000);
    clock.advance(4000);
    leader.isConfirmed = false;
    const kept = lessor.keepAlive(7n);
    clock.advance(500);
    leader.endRounds(true);
    expect(await kept).toEqual({ ttlMs: 5000, remainingMs: 4500 });
    leader.isConfirmed = true;
    clock.advance(4499);
    await lessor.attend();
    expect(log.store.leases.size).toBe(1);
    clock.advance(1);
    await lessor.attend();
    expect(log.store.leases.size).toBe(0);
  });

  it('that is unknown cannot be kept alive', async () => {
    const { lessor } = started();
    await expect(lessor.keepAlive(7n)).rejects.toMatchObject({ code: 'not-found' });
    await expect(lessor.timeToLive(7n)).rejects.toMatchObject({ code: 'not-found' });
  });

  it('that was revoked and granted anew has its new time, not the old one', async () => {
    const { clock, log, leader, lessor } = started();
    await lessor.attend();
    leader.grant(7n, 2000);
    log.apply({ $case: 'leaseRevoke', value: { id: 7n, judgedAt: 0 } }, term(1));
    clock.advance(1000);
    leader.grant(7n, 60_000);
    clock.advance(59_999);
    await lessor.attend();
    expect(log.store.leases.size).toBe(1);
    clock.advance(1);
    await lessor.attend();
    expect(log.store.leases.size).toBe(0);
  });

  it('that was granted anew while its end was about to be proposed lives', async () => {
    const { clock, log, leader, lessor } = started();
    await lessor.attend();
    leader.grant(7n, 2000);
    clock.advance(2000);
    leader.isConfirmed = false;
    const attending = lessor.attend();
    await clock.advanceAsync(0);
    log.apply({ $case: 'leaseRevoke', value: { id: 7n, judgedAt: 0 } }, term(1));
    leader.grant(7n, 5000);
    leader.endRounds(true);
    leader.isConfirmed = true;
    await attending;
    expect(log.kinds()).toContain('leaseExpire');
    expect(log.store.leases.size).toBe(1);
    clock.advance(5000);
    await lessor.attend();
    expect(log.store.leases.size).toBe(0);
  });

  it('that was revoked is forgotten long before its deadline, and no other one', async () => {
    const { clock, log, leader, lessor } = started();
    await lessor.attend();
    leader.grant(1n, 5000);
    for (let id = 2n; id < 10_010n; id += 1n) {
      leader.grant(id, 4_000_000);
      log.apply({ $case: 'leaseRevoke', value: { id, judgedAt: 0 } }, term(1));
    }
    await lessor.attend();
    expect(lessor.size).toBe(1);
    clock.advance(4999);
    await lessor.attend();
    expect(log.store.leases.size).toBe(1);
    clock.advance(1);
    await lessor.attend();
    expect(log.store.leases.size).toBe(0);
  });

  it('tells the time that is left', async () => {
    const { clock, leader, lessor } = started();
    await lessor.attend();
    leader.grant(7n, 5000);
    clock.advance(1200);
    expect(await lessor.timeToLive(7n)).toEqual({ ttlMs: 5000, remainingMs: 3800 });
  });
});

describe('a leader that is cut off', () => {
  it('acknowledges no keep-alive', async () => {
    const { clock, leader, lessor } = started();
    await lessor.attend();
    leader.grant(7n, 5000);
    leader.isConfirmed = false;
    const answer = outcome(lessor.keepAlive(7n));
    await clock.advanceAsync(0);
    expect(leader.rounds).toHaveLength(1);
    leader.endRounds(false);
    expect(await answer).toBe('not-leader');
  });

  it('ends nothing, however long its deadlines have passed', async () => {
    const { clock, log, leader, lessor } = started();
    await lessor.attend();
    leader.grant(7n, 5000);
    leader.isConfirmed = false;
    clock.advance(60_000);
    const attending = lessor.attend();
    await clock.advanceAsync(0);
    expect(log.store.leases.size).toBe(1);
    leader.endRounds(false);
    await attending;
    expect(log.kinds()).toEqual(['leaseGrant']);
    // It is confirmed again: nobody led meanwhile.
    leader.isConfirmed = true;
    clock.advance(1000);
    await lessor.attend();
    expect(log.store.leases.size).toBe(0);
  });

  it('counts a round only that began after the deadline had passed', async () => {
    const { clock, log, leader, lessor } = started();
    await lessor.attend();
    leader.grant(7n, 5000);
    clock.advance(4000);
    leader.isConfirmed = false;
    await lessor.attend(); // Nothing is overdue: no round is asked for that could serve later.
    expect(leader.rounds).toHaveLength(0);
    clock.advance(1000);
    const attending = lessor.attend();
    await clock.advanceAsync(0);
    expect(leader.rounds).toHaveLength(1);
    expect(log.store.leases.size).toBe(1);
    leader.endRounds(true);
    await attending;
    expect(log.store.leases.size).toBe(0);
  });
});

describe('a leader that slept', () => {
  it('ends nothing that its successor keeps alive', async () => {
    const { clock, log, leader: old, lessor } = started(1);
    await lessor.attend();
    old.grant(7n, 5000);
    clock.advance(4000);
    const successor = new TestLeader(log, clock, 2);
    await successor.lessor.attend();
    await successor.lessor.keepAlive(7n);
    clock.advance(3000);
    // The old one wakes: still sure to lead, but no majority confirms it.
    old.isConfirmed = false;
    const attending = lessor.attend();
    await clock.advanceAsync(0);
    old.endRounds(false);
    await attending;
    expect(log.store.leases.size).toBe(1);
    expect(await successor.lessor.timeToLive(7n)).toMatchObject({ remainingMs: 2000 });
  });

  it('has no effect even with an entry that it had proposed before', async () => {
    const { clock, log, leader } = started(1);
    leader.grant(7n, 5000);
    clock.advance(6000);
    const grantedAt = [BigInt(log.store.leases.get(7n)?.grantedAt ?? 0)];
    const value = { ids: [7n], term: term(1), grantedAt };
    log.apply({ $case: 'leaseExpire', value }, term(2));
    expect(log.store.leases.size).toBe(1);
  });

  it('hears the keep-alives that wait in its sockets first', async () => {
    const { clock, log, leader, lessor } = started();
    const stop = new AbortController();
    const running = lessor.run(stop.signal);
    await clock.advanceAsync(400);
    leader.grant(7n, 1000);
    // The process stands still for longer than the lease lives: its next timer fires that late.
    leader.timersLateMs = 10_000;
    await clock.advanceAsync(200);
    leader.timersLateMs = 0;
    await clock.advanceAsync(10_200);
    expect(log.store.leases.size).toBe(1);
    expect(await lessor.keepAlive(7n)).toMatchObject({ remainingMs: 1000 });
    await clock.advanceAsync(999);
    expect(log.store.leases.size).toBe(1);
    await clock.advanceAsync(400);
    expect(log.store.leases.size).toBe(0);
    stop.abort();
    await running;
    expect(leader.problems).toEqual([]);
  });
});

describe('a new leader', () => {
  it('gives every lease its full time', async () => {
    const { clock, log, leader: old, lessor } = started(1);
    await lessor.attend();
    for (let id = 1n; id <= 2500n; id += 1n) old.grant(id, 5000);
    clock.advance(4999);
    const successor = new TestLeader(log, clock, 2);
    await successor.lessor.attend();
    expect(successor.lessor.size).toBe(2500);
    clock.advance(4999);
    await successor.lessor.attend();
    expect(log.store.leases.size).toBe(2500);
    clock.advance(1);
    await successor.lessor.attend();
    expect(log.store.leases.size).toBe(0);
    // Five entries and more: none ends too many at once.
    const sizes = log.requests.flatMap((request) =>
      request.$case === 'leaseExpire' ? [request.value.ids.length] : [],
    );
    expect(sizes).toEqual([500, 500, 500, 500, 500]);
  });

  it('keeps no deadline of a term in which it led before', async () => {
    const { clock, log, leader, lessor } = started(1);
    await lessor.attend();
    leader.grant(7n, 5000);
    clock.advance(4000);
    leader.leads = undefined;
    clock.advance(500);
    leader.leads = term(3);
    await lessor.attend();
    clock.advance(4999);
    await lessor.attend();
    expect(log.store.leases.size).toBe(1);
  });
});

describe('a keep-alive and an expiry', () => {
  it('that meet: the one that arrived before the entry is proposed saves the lease', async () => {
    const { clock, log, leader, lessor } = started();
    await lessor.attend();
    leader.grant(7n, 5000);
    clock.advance(5000);
    leader.isConfirmed = false;
    const attending = lessor.attend();
    await clock.advanceAsync(0);
    const answer = outcome(lessor.keepAlive(7n));
    leader.endRounds(true);
    await attending;
    expect(await answer).toBe('kept');
    expect(log.store.leases.size).toBe(1);
  });

  it('that meet: after the entry is proposed it is refused', async () => {
    const { clock, leader, lessor } = started();
    await lessor.attend();
    leader.grant(7n, 5000);
    clock.advance(5000);
    leader.refusal = new HoldfastError('leadership-lost', 'lost', { outcome: 'unknown' });
    await expect(lessor.attend()).rejects.toMatchObject({ code: 'leadership-lost' });
    // The entry may be in the log: its effect is not known, so nobody is told that the lease lives.
    expect(await outcome(lessor.keepAlive(7n))).toBe('not-found');
  });

  it('that meet: one that was certainly not written binds nobody, and is tried again', async () => {
    const { clock, log, leader, lessor } = started();
    await lessor.attend();
    leader.grant(7n, 5000);
    leader.grant(8n, 5000);
    clock.advance(5000);
    leader.refusal = new HoldfastError('resource-exhausted', 'too much at once');
    await expect(lessor.attend()).rejects.toMatchObject({ code: 'resource-exhausted' });
    expect(await outcome(lessor.keepAlive(7n))).toBe('kept');
    leader.refusal = undefined;
    clock.advance(defaultLessorSettings.tickMs);
    await lessor.attend();
    expect([...log.store.leases.ids()]).toEqual([7n]);
  });
});

describe('the remaining time of a long lease', () => {
  const longMs = 60 * 60 * 1000;
  const everyMs = defaultLessorSettings.checkpointMs;

  async function checkpointed() {
    const world = started(1);
    await world.lessor.attend();
    world.leader.grant(7n, longMs);
    world.leader.grant(8n, everyMs);
    world.clock.advance(everyMs - 1);
    await world.lessor.keepAlive(8n);
    world.clock.advance(1);
    await world.lessor.attend();
    return world;
  }

  it('is written to the log now and then; that of a short one is not', async () => {
    const { log } = await checkpointed();
    expect(log.store.leases.get(7n)).toMatchObject({
      ttlMs: longMs,
      remainingMs: longMs - everyMs,
    });
    expect(log.store.leases.get(8n)).toMatchObject({ remainingMs: everyMs });
  });

  it('is what a new leader begins with', async () => {
    const { clock, log } = await checkpointed();
    const successor = new TestLeader(log, clock, 2);
    await successor.lessor.attend();
    expect(await successor.lessor.timeToLive(7n)).toMatchObject({ remainingMs: longMs - everyMs });
  });

  it('is put right in the log before a keep-alive is acknowledged', async () => {
    const { clock, log, lessor } = await checkpointed();
    await lessor.keepAlive(7n);
    expect(log.store.leases.get(7n)).toMatchObject({ remainingMs: longMs });
    const successor = new TestLeader(log, clock, 2);
    await successor.lessor.attend();
    clock.advance(longMs - 1);
    await successor.lessor.keepAlive(8n).catch(() => undefined);
    await successor.lessor.attend();
    expect(log.store.leases.get(7n)).toBeDefined();
  });

  it('that could not be put right leaves the keep-alive unacknowledged', async () => {
    const { leader, lessor } = await checkpointed();
    leader.refusal = new HoldfastError('leadership-lost', 'lost', { outcome: 'unknown' });
    expect(await outcome(lessor.keepAlive(7n))).toBe('leadership-lost');
  });
});
