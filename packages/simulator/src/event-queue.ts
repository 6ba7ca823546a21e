// Simulated time. Owns the only order in which anything happens: by due time, then by the order of
// making. It never reads a real clock, so a run is decided by what was put in.
import { assert, violated } from '@holdfast/base/assert';
import type { Timer } from '@holdfast/base/clock';

type QueuedEvent = { readonly atMs: number; readonly order: number; action: Action | undefined };
type Action = () => void;

/** Resolves when every promise reaction that can run without a new event has run. */
export type Drain = () => Promise<void>;

/** So many events at one moment are a loop that waits for nothing. */
const standstillMax = 100_000;

export class EventQueue {
  #heap: QueuedEvent[] = [];
  #cancelled = 0;
  #order = 0;
  #nowMs = 0;
  #fired = 0;
  #firedNow = 0;

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Events that wait, without the cancelled ones. */
  get pendingCount(): number {
    return this.#heap.length - this.#cancelled;
  }

  /** Events that have run since the beginning. */
  get firedCount(): number {
    return this.#fired;
  }

  /** Runs `action` at `atMs`, or now if that has passed. */
  at(atMs: number, action: Action): Timer {
    if (!Number.isFinite(atMs)) violated(`an event has a finite time (${atMs})`);
    const event: QueuedEvent = { atMs: Math.max(atMs, this.#nowMs), order: this.#order, action };
    this.#order += 1;
    this.#heap.push(event);
    siftUp(this.#heap, this.#heap.length - 1);
    return { cancel: () => this.#cancel(event) };
  }

  after(delayMs: number, action: Action): Timer {
    return this.at(this.#nowMs + Math.max(0, delayMs), action);
  }

  /** Fires everything due until `endMs`, for worlds without promises. */
  run(endMs: number): void {
    for (let event = this.#take(endMs); event; event = this.#take(endMs)) this.#fire(event);
    this.#nowMs = Math.max(this.#nowMs, endMs);
  }

  /** As `run`, and lets promise reactions run to their end after each event. */
  async runDrained(endMs: number, drain: Drain): Promise<void> {
    await drain();
    for (let event = this.#take(endMs); event; event = this.#take(endMs)) {
      this.#fire(event);
      await drain();
    }
    this.#nowMs = Math.max(this.#nowMs, endMs);
  }

  #fire(event: QueuedEvent): void {
    const { action } = event;
    event.action = undefined;
    this.#firedNow = event.atMs > this.#nowMs ? 0 : this.#firedNow + 1;
    assert(this.#firedNow < standstillMax, 'time moves on');
    this.#nowMs = event.atMs;
    this.#fired += 1;
    action?.();
  }

  #take(endMs: number): QueuedEvent | undefined {
    for (let top = this.#heap[0]; top && top.atMs <= endMs; top = this.#heap[0]) {
      removeTop(this.#heap);
      if (top.action) return top;
      this.#cancelled -= 1;
    }
    return undefined;
  }

  #cancel(event: QueuedEvent): void {
    if (!event.action) return;
    event.action = undefined;
    this.#cancelled += 1;
    if (this.#cancelled > 64 && this.#cancelled * 2 > this.#heap.length) this.#compact();
  }

  /** Cancelled deadlines would otherwise stay until their time, and be most of the heap. */
  #compact(): void {
    this.#heap = this.#heap.filter((event) => event.action).sort(byTime);
    this.#cancelled = 0;
  }
}

const byTime = (a: QueuedEvent, b: QueuedEvent): number => a.atMs - b.atMs || a.order - b.order;

function siftUp(heap: QueuedEvent[], from: number): void {
  const event = heap[from] as QueuedEvent;
  let at = from;
  while (at > 0) {
    const parentAt = (at - 1) >> 1;
    const parent = heap[parentAt] as QueuedEvent;
    if (byTime(parent, event) <= 0) break;
    heap[at] = parent;
    at = parentAt;
  }
  heap[at] = event;
}

function removeTop(heap: QueuedEvent[]): void {
  const event = heap.pop() as QueuedEvent;
  const { length } = heap;
  if (length === 0) return;
  let at = 0;
  for (;;) {
    let childAt = 2 * at + 1;
    if (childAt >= length) break;
    const right = childAt + 1;
    if (right < length && byTime(heap[right] as QueuedEvent, heap[childAt] as QueuedEvent) < 0) {
      childAt = right;
    }
    const child = heap[childAt] as QueuedEvent;
    if (byTime(event, child) <= 0) break;
    heap[at] = child;
    at = childAt;
  }
  heap[at] = event;
}
