// Goal: a dial learns within its pace of a way that is lit again, tells a refusal at once, and
// leaves nothing behind. Method: the memory network, which sends a lost request again as a kernel
// does.
import { ManualClock } from '@holdfast/base/manual-clock';
import { describe, expect, it } from 'vitest';
import { isRefused } from './link.ts';
import { MemoryNetwork } from './memory-link.ts';
import { type Dialled, dialSteadily } from './steady-dial.ts';

class Dialling {
  readonly clock = new ManualClock();
  readonly wires = new MemoryNetwork(this.clock, { retransmits: true, latencyMs: () => 1 });
  readonly end = new AbortController();
  accepted = 0;
  outcome: Dialled | { readonly error: unknown } | undefined;

  async listen(): Promise<void> {
    const host = this.wires.host('h2');
    await host.listen('h2:1', () => {
      this.accepted += 1;
    });
  }

  /** But those of the kernels. */
  get timers(): number {
    return this.clock.pendingCount - this.wires.sendingAgain;
  }

  dial(): void {
    const { clock } = this;
    const options = { network: this.wires.host('h1'), clock, address: 'h2:1', againMs: 1000 };
    dialSteadily({ ...options, signal: this.end.signal }).then(
      (dialled) => {
        this.outcome = dialled;
      },
      (error: unknown) => {
        this.outcome = { error };
      },
    );
  }
}

describe('a steady dial', () => {
  it('is answered by the first request where the way is lit', async () => {
    const world = new Dialling();
    await world.listen();
    world.dial();
    await world.clock.advanceAsync(5);
    expect(world.outcome).toMatchObject({ requests: 1, tookMs: 2 });
    expect(world.accepted).toBe(1);
    expect(world.timers).toBe(0);
  });

  it.each([500, 3200, 6100])(
    'hears of a way that was dark for %s ms within its pace',
    async (darkMs) => {
      const world = new Dialling();
      await world.listen();
      world.wires.block('h1', 'h2');
      world.dial();
      await world.clock.advanceAsync(darkMs);
      world.wires.unblock('h1', 'h2');
      await world.clock.advanceAsync(1005);
      expect(world.outcome).toMatchObject({ link: expect.anything() });
      expect(world.timers).toBe(0);
      // Whatever else was still on its way is let go of.
      await world.clock.advanceAsync(30_000);
      expect(world.accepted).toBe(1);
    },
  );

  it('is refused at once where nobody listens', async () => {
    const world = new Dialling();
    world.dial();
    await world.clock.advanceAsync(5);
    expect(isRefused((world.outcome as { error: unknown }).error)).toBe(true);
    expect(world.timers).toBe(0);
  });

  it('ends with its signal, and with it everything that was under way', async () => {
    const world = new Dialling();
    await world.listen();
    world.wires.block('h1', 'h2');
    world.dial();
    await world.clock.advanceAsync(2500);
    world.end.abort(new Error('enough'));
    await world.clock.advanceAsync(0);
    expect(world.outcome).toMatchObject({ error: new Error('enough') });
    world.wires.unblock('h1', 'h2');
    await world.clock.advanceAsync(30_000);
    expect([world.accepted, world.timers]).toEqual([0, 0]);
  });
});
