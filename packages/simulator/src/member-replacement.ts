// A member gives way to another one, as an operator does it (docs/membership.md): the newcomer asks
// to be taken in as it starts, catches up as an observer, and votes when it may. The old one leaves
// at once where it is gone, else in the step that makes the newcomer a voter. Owns how far this has
// come; what the cluster refuses is asked for again.
import type { Clock } from '@holdfast/base/clock';
import { sleep } from '@holdfast/base/clock';
import { isHoldfastError } from '@holdfast/base/errors';
import type { MemberId } from '@holdfast/base/ids';
import type { EmbeddedEngine } from '@holdfast/engine/embedded-engine';
import type { MemberChange, Newcomer } from '@holdfast/engine/member-plan';
import type { KnownMember } from '@holdfast/engine/membership';
import type { EventQueue } from './event-queue.ts';

export type MemberReplacementOptions = {
  readonly queue: EventQueue;
  readonly old: MemberId;
  readonly next: MemberId;
  /** The old one is no use any more: it leaves before the newcomer votes. */
  readonly isGone: boolean;
  /** Whatever member the operator happens to ask; undefined where that one is down. */
  readonly door: () => EmbeddedEngine | undefined;
  readonly onOver: () => void;
  readonly onFailure: (error: unknown) => void;
};

const retryMs = 300;
/** An operator tries again when so long nothing is heard. */
const patienceMs = 4000;

export class MemberReplacement {
  readonly #options: MemberReplacementOptions;
  #isOver = false;
  #asked = 0;

  constructor(options: MemberReplacementOptions) {
    this.#options = options;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** In the newcomer's process, whose clock it is: resolves when the cluster expects it. */
  async admit(newcomer: Newcomer, clock: Clock): Promise<readonly KnownMember[]> {
    const { old, isGone, door } = this.#options;
    const removal: readonly MemberChange[] = isGone ? [{ kind: 'remove', id: old }] : [];
    for (;;) {
      const engine = door();
      if (engine && (await this.#isDone(engine, [...removal, { kind: 'add', newcomer }]))) {
        return engine.membership.members();
      }
      await sleep(clock, retryMs);
    }
  }

  /** From now on, again and again, until the newcomer votes. */
  promote(): void {
    const { queue, old, next, isGone, door, onOver, onFailure } = this.#options;
    const removal: readonly MemberChange[] = isGone ? [] : [{ kind: 'remove', id: old }];
    const engine = door();
    const asking = engine && this.#isDone(engine, [{ kind: 'promote', id: next }, ...removal]);
    asking
      ?.then((isDone) => {
        if (!isDone || this.#isOver) return;
        this.#isOver = true;
        onOver();
      })
      .catch(onFailure);
    queue.after(retryMs, () => {
      if (!this.#isOver) this.promote();
    });
  }

  /** Whether it stands; what is refused, and what nobody answers, may be asked for again. */
  #isDone(engine: EmbeddedEngine, changes: readonly MemberChange[]): Promise<boolean> {
    const { queue } = this.#options;
    this.#asked += 1;
    return new Promise((resolve, reject) => {
      const timer = queue.after(patienceMs, () => resolve(false));
      engine.membership
        .change(changes)
        .then(() => resolve(true))
        .catch((error: unknown) => (isHoldfastError(error) ? resolve(false) : reject(error)))
        .finally(() => timer.cancel());
    });
  }

  /** Changes that were asked for. */
  get asked(): number {
    return this.#asked;
  }
}
