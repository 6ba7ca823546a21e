// Whether a history of client operations can be explained by one register a key, each operation
// taking effect at one moment between its call and its return (Herlihy and Wing 1990). The search
// is Wing and Gong's with Lowe's cache, a key at a time, as in porcupine.
//
// Unknown outcomes make that search exponential, so they are bounded first: values are unique,
// hence an unknown write took effect before the first answer that shows its value, and one that no
// answer shows can be left out (every answer here shows a whole value, so nothing else can tell).
import type { Register, RegisterOperation } from '../history.ts';
import { stepRegister, writtenValue } from './register-model.ts';
import { Violation } from './violation.ts';

/** Throws unless the operations of every key are linearizable. */
export function judgeLinearizability(operations: readonly RegisterOperation[]): void {
  for (const [key, ofKey] of groupByKey(operations)) {
    const stuck = explainRegister(ofKey);
    if (stuck) throw new Violation('linearizability', `key ${key}: ${stuck}`);
  }
}

/** Undefined if the operations of one key are linearizable, else where the search got stuck. */
export function explainRegister(operations: readonly RegisterOperation[]): string | undefined {
  const bounded = boundUnknown(operations).sort((a, b) => a.calledAt - b.calledAt);
  return new RegisterSearch(bounded).run();
}

function groupByKey(operations: readonly RegisterOperation[]): Map<string, RegisterOperation[]> {
  const groups = new Map<string, RegisterOperation[]>();
  for (const operation of operations) {
    const group = groups.get(operation.key);
    if (group) group.push(operation);
    else groups.set(operation.key, [operation]);
  }
  return groups;
}

/** The value that the answer of `operation` proves to have been there. */
function provenBefore({ action, result }: RegisterOperation): Register {
  if (result?.type === 'observed') return result.before;
  return action.type === 'compare-and-set' ? action.expected : undefined;
}

function boundUnknown(operations: readonly RegisterOperation[]): RegisterOperation[] {
  const known = operations.filter(({ result }) => result !== undefined);
  const unknown = operations.filter(({ result }) => result === undefined);
  const certain = [...known, ...observedWrites(known, unknown)];
  // A compare-and-set that took effect on an absent key saw the absence, whoever saw its value.
  const absenceSeen = certain.some(
    ({ result }) => result?.type === 'observed' && result.before === undefined,
  );
  const deletes = unknown.filter(({ action }) => action.type === 'delete' && absenceSeen);
  return [...certain, ...deletes];
}

/** Unknown writes whose value somebody saw, each returning no later than who saw it. */
function observedWrites(
  known: readonly RegisterOperation[],
  unknown: readonly RegisterOperation[],
): RegisterOperation[] {
  const writerOf = new Map(
    unknown.flatMap((operation) => {
      const value = writtenValue(operation);
      return value === undefined ? [] : [[value, operation] as const];
    }),
  );
  const found = new Map<RegisterOperation, RegisterOperation>();
  const open = [...known];
  for (let seer = open.pop(); seer; seer = open.pop()) {
    const value = provenBefore(seer);
    const writer = value === undefined ? undefined : writerOf.get(value);
    if (!writer || (found.get(writer)?.returnedAt ?? Infinity) <= seer.returnedAt) continue;
    const bounded = { ...writer, returnedAt: seer.returnedAt, result: effectOf(writer) };
    found.set(writer, bounded);
    open.push(bounded);
  }
  return [...found.values()];
}

/** A compare-and-set whose value was seen must have found what it expected. */
const effectOf = ({ action }: RegisterOperation): RegisterOperation['result'] =>
  action.type === 'compare-and-set'
    ? { type: 'observed', before: action.expected }
    : { type: 'done' };

type Frame = {
  readonly before: Register;
  /** The highest position taken before this frame, or -1. */
  readonly highest: number;
  readonly candidates: readonly number[];
  /** The next candidate to try. */
  at: number;
  /** The one that is taken now, or -1. */
  taken: number;
};

/** The depth-first search over one key's operations, sorted by call. */
class RegisterSearch {
  readonly #operations: readonly RegisterOperation[];
  /** Doubly linked list of what is not yet taken; position `length` is its head. */
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #seen = new Set<string>();
  #required: number;
  #deepest = -1;
  #stuckAt = '';

  constructor(operations: readonly RegisterOperation[]) {
    this.#operations = operations;
    const { length } = operations;
    this.#next = Int32Array.from({ length: length + 1 }, (_, at) => (at === length ? 0 : at + 1));
    this.#previous = Int32Array.from({ length: length + 1 }, (_, at) =>
      at === 0 ? length : at - 1,
    );
    this.#required = operations.filter(({ result }) => result !== undefined).length;
  }

  run(): string | undefined {
    if (this.#required === 0) return undefined;
    const stack: Frame[] = [this.#frame(undefined, -1)];
    for (let frame = stack.at(-1); frame; frame = stack.at(-1)) {
      if (frame.taken >= 0) this.#putBack(frame);
      const state = this.#takeNext(frame);
      if (state === 'exhausted') {
        this.#noteStuck(frame, stack.length);
        stack.pop();
      } else if (this.#required === 0) return undefined;
      else stack.push(this.#frame(state.state, Math.max(frame.highest, frame.taken)));
    }
    return this.#stuckAt;
  }

  #frame(before: Register, highest: number): Frame {
    return { before, highest, candidates: this.#candidates(), at: 0, taken: -1 };
  }

  /** Operations that may be next: called before any that is still open has returned. */
  #candidates(): number[] {
    const certain: number[] = [];
    const uncertain: number[] = [];
    const head = this.#operations.length;
    let earliestReturn = Infinity;
    for (let at = this.#nextOf(head); at !== head; at = this.#nextOf(at)) {
      const operation = this.#operationAt(at);
      if (operation.calledAt > earliestReturn) break;
      earliestReturn = Math.min(earliestReturn, operation.returnedAt);
      (operation.result ? certain : uncertain).push(at);
    }
    return [...certain, ...uncertain];
  }

  #takeNext(frame: Frame): { readonly state: Register } | 'exhausted' {
    while (frame.at < frame.candidates.length) {
      const at = frame.candidates[frame.at] as number;
      frame.at += 1;
      const operation = this.#operationAt(at);
      const after = stepRegister(frame.before, operation);
      if (after === 'refuted') continue;
      this.#unlink(at);
      if (this.#isNew(after.state, Math.max(frame.highest, at))) {
        frame.taken = at;
        if (operation.result) this.#required -= 1;
        return after;
      }
      this.#link(at);
    }
    return 'exhausted';
  }

  #putBack(frame: Frame): void {
    this.#link(frame.taken);
    if (this.#operationAt(frame.taken).result) this.#required += 1;
    frame.taken = -1;
  }

  /** Whether this state with this set of taken operations was not tried before (Lowe). The set is
   * named by its highest position and what is left below it: few, since few calls overlap. */
  #isNew(state: Register, highest: number): boolean {
    let name = `${state ?? '\u0000'}|${highest}`;
    for (let at = this.#next[this.#operations.length] as number; at < highest; ) {
      name += `,${at}`;
      at = this.#nextOf(at);
    }
    if (this.#seen.has(name)) return false;
    this.#seen.add(name);
    return true;
  }

  #noteStuck(frame: Frame, depth: number): void {
    if (depth <= this.#deepest) return;
    this.#deepest = depth;
    const tried = frame.candidates.map((at) => formatOperation(this.#operationAt(at)));
    const state = frame.before ?? 'absent';
    const found = `after ${depth - 1} operations the register is ${state}`;
    this.#stuckAt = [`${found}, and none fits of:`, ...tried].join('\n  ');
  }

  #operationAt(at: number): RegisterOperation {
    return this.#operations[at] as RegisterOperation;
  }

  #nextOf(at: number): number {
    return this.#next[at] as number;
  }

  #unlink(at: number): void {
    const before = this.#previous[at] as number;
    const after = this.#nextOf(at);
    this.#next[before] = after;
    this.#previous[after] = before;
  }

  #link(at: number): void {
    this.#next[this.#previous[at] as number] = at;
    this.#previous[this.#nextOf(at)] = at;
  }
}

function formatOperation({
  client,
  action,
  result,
  calledAt,
  returnedAt,
}: RegisterOperation): string {
  const input =
    action.type === 'compare-and-set'
      ? `${action.expected ?? 'absent'} -> ${action.value}`
      : action.type === 'put'
        ? action.value
        : '';
  const seen = result?.type === 'observed' ? `saw ${result.before ?? 'absent'}` : 'done';
  const output = result ? seen : 'unknown';
  return `client ${client} ${action.type} ${input}: ${output} [${calledAt}, ${returnedAt}]`;
}
