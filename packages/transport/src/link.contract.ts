// What every Link must do, as a test suite: run on sockets and on the memory twin (link.test.ts).
import { utf8 } from '@holdfast/base/bytes';
import type { HoldfastError } from '@holdfast/base/errors';
import { describe, expect, it } from 'vitest';
import { isRefused, type Link, type LinkEnd, type LinkListener, type LinkNetwork } from './link.ts';

export type LinkWorld = {
  readonly dialler: LinkNetwork;
  readonly listener: LinkNetwork;
  /** To listen on; port 0. */
  readonly listenAddress: string;
};

type Pair = {
  readonly near: Link;
  readonly far: Link;
  readonly listening: LinkListener;
  readonly close: () => Promise<void>;
};

const never = new AbortController().signal;

/** One side of a link: what came, and its end as a promise. */
class Side {
  readonly ended: Promise<LinkEnd>;
  received = 0;
  readonly chunks: Uint8Array[] = [];
  ends = 0;
  #wake: (() => void) | undefined;

  constructor(link: Link) {
    this.ended = new Promise((resolve) => {
      link.open({
        onBytes: (bytes) => {
          this.chunks.push(bytes);
          this.received += bytes.length;
          this.#wake?.();
        },
        onEnd: (end) => {
          this.ends += 1;
          resolve(end);
        },
      });
    });
  }

  async bytes(count: number): Promise<Buffer> {
    while (this.received < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return Buffer.concat(this.chunks);
  }
}

async function connect(world: LinkWorld): Promise<Pair> {
  let onFar: (link: Link) => void = () => undefined;
  const accepted = new Promise<Link>((resolve) => {
    onFar = resolve;
  });
  const listening = await world.listener.listen(world.listenAddress, (link) => onFar(link));
  const near = await world.dialler.dial(listening.address, never);
  const far = await accepted;
  const close = async (): Promise<void> => {
    near.destroy();
    far.destroy();
    await listening.close();
  };
  return { near, far, listening, close };
}

export function linkContract(name: string, newWorld: () => LinkWorld): void {
  describe(`link contract: ${name}`, () => {
    it('carries bytes in order, both ways, whatever the parts', async () => {
      const { near, far, close } = await connect(newWorld());
      const [nearSide, farSide] = [new Side(near), new Side(far)];
      near.send([utf8('one '), utf8('two ')]);
      near.send([Buffer.from('three')]);
      far.send([Buffer.from('answer')]);
      expect((await farSide.bytes(13)).toString()).toBe('one two three');
      expect((await nearSide.bytes(6)).toString()).toBe('answer');
      expect(Object.getPrototypeOf(farSide.chunks[0])).toBe(Uint8Array.prototype);
      await close();
    });

    it('keeps what came before open()', async () => {
      const { near, far, close } = await connect(newWorld());
      const nearSide = new Side(near);
      near.send([Buffer.from('early')]);
      near.close();
      far.send([Buffer.from('x')]);
      await nearSide.bytes(1);
      const farSide = new Side(far);
      expect((await farSide.bytes(5)).toString()).toBe('early');
      expect(await farSide.ended).toEqual({ type: 'ended' });
      await close();
    });

    it('close() delivers what was sent, then both sides end once', async () => {
      const { near, far, close } = await connect(newWorld());
      const [nearSide, farSide] = [new Side(near), new Side(far)];
      const block = Buffer.alloc(1024 * 1024, 7);
      near.send([block, block]);
      near.close();
      near.send([Buffer.from('too late')]);
      expect(await farSide.ended).toEqual({ type: 'ended' });
      expect(farSide.received).toBe(2 * block.length);
      expect(await nearSide.ended).toEqual({ type: 'closed' });
      near.close();
      near.destroy();
      expect([nearSide.ends, farSide.ends]).toEqual([1, 1]);
      await close();
    });

    it('says when what had to wait has left', async () => {
      const { near, far, close } = await connect(newWorld());
      const farSide = new Side(far);
      const block = new Uint8Array(8 * 1024 * 1024);
      let drained = (): void => undefined;
      const draining = new Promise<void>((resolve) => {
        drained = resolve;
      });
      const onDrain = (): void => {
        expect(near.pendingBytes).toBe(0);
        drained();
      };
      near.open({ onBytes: () => undefined, onEnd: () => undefined, onDrain });
      near.send([block]);
      expect(near.pendingBytes).toBeGreaterThan(0);
      await Promise.all([draining, farSide.bytes(block.length)]);
      await close();
    });

    it('destroy() is heard by the other side alone', async () => {
      const { near, far, close } = await connect(newWorld());
      const [nearSide, farSide] = [new Side(near), new Side(far)];
      near.destroy();
      near.destroy();
      expect(['ended', 'failed']).toContain((await farSide.ended).type);
      expect(nearSide.ends).toBe(0);
      await close();
    });

    it('tells a refused dial from one that hangs', async () => {
      const world = newWorld();
      const { listening, close } = await connect(world);
      await close();
      const error = await world.dialler.dial(listening.address, never).catch((e: unknown) => e);
      expect(isRefused(error)).toBe(true);
      expect((error as HoldfastError).code).toBe('unavailable');
    });

    it('a dial ends with its signal', async () => {
      const world = newWorld();
      const reason = new Error('enough');
      const dialled = world.dialler.dial('a:1', AbortSignal.abort(reason));
      await expect(dialled).rejects.toBe(reason);
    });

    it('refuses an address that is taken', async () => {
      const world = newWorld();
      const { listening, close } = await connect(world);
      const second = world.listener.listen(listening.address, () => undefined);
      await expect(second).rejects.toMatchObject({ code: 'failed-precondition' });
      await close();
    });

    it('runs actions at the end of the turn', async () => {
      const { dialler } = newWorld();
      const order: string[] = [];
      await new Promise<void>((resolve) => {
        dialler.endOfTurn(() => {
          order.push('end of turn');
          resolve();
        });
        order.push('turn');
      });
      expect(order).toEqual(['turn', 'end of turn']);
    });
  });
}
