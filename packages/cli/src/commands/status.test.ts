// Goal: whoever asks for the status of a cluster without a leader learns what to do, and is not
// sent to the command that was just typed. Method: the whole program over the real HTTP door, on an
// engine in memory whose status says so.
import { memberId } from '@holdfast/base/ids';
import type { EngineStatus, PeerStatus } from '@holdfast/engine/engine';
import { MemoryEngine } from '@holdfast/engine/memory-engine';
import { describe, expect, it } from 'vitest';

import { startTestServer } from '../test-cluster.ts';

/** A follower of three voters that hears all but these, and no leader. */
class LeaderlessEngine extends MemoryEngine {
  readonly #missing: readonly string[];

  constructor(missing: readonly string[]) {
    super();
    this.#missing = missing;
  }

  override status(): EngineStatus {
    const peers = ['n1', 'n2', 'n3'].map((name, at) => this.#peer(name, at));
    const missingVoters = peers.filter((one) => !one.reachable).map((one) => one.memberId);
    const own = { role: 'follower', leader: undefined, ready: false } as const;
    return { ...super.status(), ...own, peers, missingVoters };
  }

  #peer(name: string, at: number): PeerStatus {
    return {
      memberId: memberId(BigInt(at + 1)),
      name,
      peerAddresses: [],
      clientAddresses: [],
      role: 'unknown',
      reachable: !this.#missing.includes(name),
      lastContactMs: undefined,
      lag: undefined,
      match: undefined,
    };
  }
}

describe('holdfast status without a leader', () => {
  it('says without a majority what kv get says there', async () => {
    await using server = await startTestServer(new LeaderlessEngine(['n2', 'n3']));
    const { code, out, err } = await server.run('status');
    expect(out).toContain('Not reachable: n2, n3.');
    expect(err).toContain('[no-quorum]');
    expect(err).toContain('Bring the missing members back.');
    expect(err).not.toContain('holdfast status');
    expect(code).toBe(5);
  });

  it('says with a majority that an election is soon over', async () => {
    await using server = await startTestServer(new LeaderlessEngine(['n3']));
    const { code, err } = await server.run('status');
    expect(err).toContain('the cluster has no leader [no-leader]');
    expect(err).toContain('An election takes about a second');
    expect(err).not.toContain('holdfast status');
    expect(code).toBe(5);
  });
});
