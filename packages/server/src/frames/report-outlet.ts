// The way out for all that one connection's watches tell. Reports of one event of the event loop
// leave together. It says where much waits to be read: what watches say must not keep the answers
// of other requests from a client, nor cost more memory than that.
import { emptyBytes } from '@holdfast/base/bytes';
import { type WatchReport, WatchReports } from '@holdfast/proto/client';
import { encode } from '@holdfast/proto/encode';

/** While so much waits, no watch says more: a millisecond or two on a usual network. */
const waitingBytesMax = 256 * 1024;
/** Reports that leave in one frame, before another one is begun. */
const frameBytesAim = 256 * 1024;

export type ReportOutletOptions = {
  /** Bytes that wait in the link. */
  readonly pendingBytes: () => number;
  /** False: they certainly did not leave; the connection ends. */
  readonly send: (payload: Uint8Array) => boolean;
};

export class ReportOutlet {
  readonly #options: ReportOutletOptions;
  #reports: Uint8Array[] = [];
  #bytes = 0;
  #isOver = false;

  constructor(options: ReportOutletOptions) {
    this.#options = options;
  }

  /** Where there is none, there will be when something has left. */
  get hasRoom(): boolean {
    return this.#bytes + this.#options.pendingBytes() < waitingBytesMax;
  }

  tell(id: number, report: WatchReport['report']): void {
    this.#add(encode(WatchReports, { reports: [{ id, report }] }));
  }

  /** As `tell` of events, without copying them twice. */
  tellEvents(id: number, events: Uint8Array): void {
    this.#add(reportOfEvents(id, events));
  }

  /** What was said leaves now. */
  flush(): void {
    const reports = this.#reports;
    this.#reports = [];
    let from = 0;
    let bytes = 0;
    for (const [at, { length }] of reports.entries()) {
      if (at > from && bytes + length > frameBytesAim) {
        if (!this.#send(reports.slice(from, at), bytes)) return;
        [from, bytes] = [at, 0];
      }
      bytes += length;
    }
    if (from < reports.length) this.#send(reports.slice(from), bytes);
  }

  /** Nobody is told anything any more. */
  close(): void {
    this.#isOver = true;
    this.#reports = [];
  }

  #add(report: Uint8Array): void {
    if (this.#isOver) return;
    this.#bytes += report.length;
    this.#reports.push(report);
    if (this.#reports.length === 1) process.nextTick(() => this.flush());
  }

  #send(reports: readonly Uint8Array[], bytes: number): boolean {
    this.#bytes -= bytes;
    return this.#options.send(joined(reports, bytes));
  }
}

function joined(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  const [only] = parts;
  if (parts.length === 1) return only ?? emptyBytes;
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Tags of protobuf: WatchReports.reports, WatchReport.id, WatchReport.events. */
const [reportsTag, idTag, eventsTag] = [0x0a, 0x08, 0x1a];

/** By hand, as the writer would: a crowd is told the same, and only its numbers differ. */
function reportOfEvents(id: number, events: Uint8Array): Uint8Array {
  const inner = 2 + varintBytes(id) + varintBytes(events.length) + events.length;
  const bytes = new Uint8Array(1 + varintBytes(inner) + inner);
  let at = writeVarint(bytes, tag(bytes, 0, reportsTag), inner);
  at = writeVarint(bytes, tag(bytes, at, idTag), id);
  at = writeVarint(bytes, tag(bytes, at, eventsTag), events.length);
  bytes.set(events, at);
  return bytes;
}

function tag(bytes: Uint8Array, at: number, value: number): number {
  bytes[at] = value;
  return at + 1;
}

function varintBytes(value: number): number {
  let count = 1;
  for (let left = value; left >= 0x80; left = Math.floor(left / 0x80)) count += 1;
  return count;
}

function writeVarint(bytes: Uint8Array, from: number, value: number): number {
  let at = from;
  let left = value;
  while (left >= 0x80) {
    bytes[at] = (left % 0x80) | 0x80;
    at += 1;
    left = Math.floor(left / 0x80);
  }
  bytes[at] = left;
  return at + 1;
}
