// What the answer to a command would come to, before anything is done: an answer is made in one
// turn, on whichever member applies the command, and travels to another one in one frame. Whoever
// asks for more is refused, and is to ask in parts.
import { HoldfastError } from '@holdfast/base/errors';
import { visitVisible } from './range-reader.ts';
import type { StoreState } from './store-state.ts';
import type { ResolvedOp } from './txn-path.ts';

/** From this version of the cluster on every member refuses them. */
const answersVersion = 8;
const noBytes = new Uint8Array(0);

/** As applied: members of before would do it. Throws as `checkAnswer`. */
export function checkAppliedAnswer(
  state: StoreState,
  ops: readonly ResolvedOp[],
  bytesMax: number,
): void {
  if (state.members.clusterVersion >= answersVersion) checkAnswer(state, ops, bytesMax);
}

/** Throws `too-large` where the answer had more than `bytesMax`, records as they are kept. */
export function checkAnswer(state: StoreState, ops: readonly ResolvedOp[], bytesMax: number): void {
  const scale = new Scale(state, bytesMax);
  for (const op of ops) scale.weigh(op);
}

class Scale {
  readonly #state: StoreState;
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(state: StoreState, bytesMax: number) {
    this.#state = state;
    this.#bytesMax = bytesMax;
  }

  weigh(op: ResolvedOp): void {
    if (op.$case === 'txn') for (const inner of op.value.ops) this.weigh(inner);
    else if (op.$case === 'range') this.#range(op.value);
    else if (!op.value.prevKv) return;
    else if (op.$case === 'deleteRange') this.#records({ ...op.value, revision: 0 });
    else this.#records({ ...op.value, rangeEnd: noBytes, revision: 0 });
  }

  #range(request: Extract<ResolvedOp, { $case: 'range' }>['value']): void {
    if (!request.countOnly) this.#records(request, request.limit > 0 ? request.limit : Infinity);
  }

  /** Ends as soon as it is too much. */
  #records(of: Parameters<typeof visitVisible>[1], most = Infinity): void {
    let found = 0;
    visitVisible(this.#state, of, (address) => {
      this.#add(address);
      found += 1;
      return found < most;
    });
  }

  #add(address: number): void {
    this.#bytes += this.#state.heap.sizeOf(address);
    if (this.#bytes <= this.#bytesMax) return;
    throw new HoldfastError(
      'too-large',
      `the answer would have more than ${this.#bytesMax} bytes, and nothing was done: ask for ` +
        'less at a time, or read with a range of its own',
    );
  }
}
