// Goal: the log names the peer and the reason when a peer is given up, taken back or set aside, and
// when a connection ends, and no flapping peer can fill it. Method: notes told one by one to
// a log that keeps them, on a clock of the test's.
import { memberId } from '@holdfast/base/ids';
import { ManualClock } from '@holdfast/base/manual-clock';
import type { LinkNote } from '@holdfast/transport/link-note';
import { describe, expect, it } from 'vitest';

import type { Log } from './log.ts';
import { PeerLog } from './peer-log.ts';

const peer = memberId(2n);
const reason = '3 pings in a row without an answer';
const healthy = { name: 'healthy' } as const;
const degraded = { name: 'degraded', failures: 1, reason: '1 pings without an answer' } as const;
const dead = { name: 'dead', failures: 3, reason, sinceMs: 7 } as const;
const closed = { name: 'closed', failures: 0, reason: undefined } as const;
const open = { name: 'open', sinceMs: 7, reason } as const;
const halfOpen = { name: 'half-open', sinceMs: 7, reason, probeSinceMs: undefined } as const;

function started() {
  const told: unknown[] = [];
  const clock = new ManualClock();
  const level = (name: string) => (facts: object, text: string) => told.push([name, facts, text]);
  const log = { debug: level('debug'), info: level('info'), warn: level('warn') };
  const members = [{ memberId: peer, name: 'n2', peerAddress: '10.0.0.2:4654' }];
  const peerLog = new PeerLog({ clock, log: log as unknown as Log, members: () => members });
  return { peerLog, clock, told };
}

describe('what the log says of peers', () => {
  it('names a peer and the reason as it dies, is set aside, and comes back', () => {
    const { peerLog, told } = started();
    const notes: readonly LinkNote[] = [
      { type: 'health', peer, from: healthy, to: degraded, silentMs: 5500.4 },
      { type: 'health', peer, from: degraded, to: dead, silentMs: 7500 },
      { type: 'breaker', of: 'silence', peer, from: closed, to: open },
      { type: 'breaker', of: 'silence', peer, from: open, to: halfOpen },
      { type: 'health', peer, from: dead, to: healthy, silentMs: 0 },
      { type: 'breaker', of: 'silence', peer, from: halfOpen, to: closed },
    ];
    for (const note of notes) peerLog.note(note);
    const first = { reason: degraded.reason, failures: 1, silentMs: 5500 };
    expect(told).toEqual([
      ['warn', { peer: 'n2', ...first }, 'a peer is degraded'],
      ['warn', { peer: 'n2', reason, failures: 3, silentMs: 7500 }, 'a peer is dead'],
      ['warn', { peer: 'n2', reason }, 'a breaker has opened: the peer is set aside'],
      ['debug', { peer: 'n2', reason }, 'a breaker is half-open'],
      ['info', { peer: 'n2' }, 'a peer is healthy again'],
      ['info', { peer: 'n2', was: reason }, 'a breaker has closed: calls to the peer go on'],
    ]);
  });

  it.each([
    ['dead', 'warn'],
    ['failures', 'warn'],
    ['stale', 'warn'],
    ['breaker', 'warn'],
    ['operator', 'info'],
    ['idle', 'debug'],
  ] as const)('says of a connection that was ended as %s, at level %s, why', (why, level) => {
    const { peerLog, told } = started();
    peerLog.note({ type: 'evicted', peer, purpose: 'log', reason: why, why: 'in words' });
    const facts = { peer: 'n2', purpose: 'log', reason: why, why: 'in words' };
    expect(told).toEqual([[level, facts, 'a connection to a peer was ended']]);
  });

  it('says of a peer that comes and goes all the time once in ten seconds, with a count', () => {
    const { peerLog, clock, told } = started();
    for (let second = 0; second <= 10; second += 1) {
      peerLog.note({ type: 'health', peer, from: healthy, to: dead, silentMs: 0 });
      peerLog.note({ type: 'health', peer, from: dead, to: healthy, silentMs: 0 });
      clock.advance(1000);
    }
    const line = { peer: 'n2', reason, failures: 3, silentMs: 0 };
    expect(told).toEqual([
      ['warn', line, 'a peer is dead'],
      ['info', { peer: 'n2' }, 'a peer is healthy again'],
      ['warn', { ...line, unsaid: 9 }, 'a peer is dead'],
      ['info', { peer: 'n2', unsaid: 9 }, 'a peer is healthy again'],
    ]);
  });

  it('names one that the settings do not list by its id', () => {
    const { peerLog } = started();
    expect([peerLog.nameOf(peer), peerLog.nameOf(memberId(9n))]).toEqual([
      'n2',
      '0000000000000009',
    ]);
    expect(peerLog.absenceOf(peer)).toBe('n2 (10.0.0.2:4654): not heard of yet');
    peerLog.unreachable(peer, 'refused');
    expect(peerLog.absenceOf(peer)).toBe('n2 (10.0.0.2:4654): refused');
  });
});
