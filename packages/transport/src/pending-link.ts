// An accepted connection of which it is not settled yet whether it is encrypted, and by whom. For
// its owner it is a link from the first moment on: it can be counted, timed and ended. Little is
// said on it until then, and that waits.
import type { Socket } from 'node:net';
import { formatAddress } from './address.ts';
import type { CertificateVerdict } from './certificate-verdict.ts';
import type { Link, LinkEnd, LinkHandler } from './link.ts';

/** A preface; who sends more before the handshake is done has a fault. */
const waitingBytesMax = 64 * 1024;

export class PendingLink implements Link {
  readonly remoteAddress: string;
  readonly #raw: Socket;
  #settled: Link | undefined;
  #handler: LinkHandler | undefined;
  #waiting: (readonly Uint8Array[])[] = [];
  #waitingBytes = 0;
  #end: LinkEnd | undefined;

  constructor(raw: Socket) {
    this.#raw = raw;
    const { remoteAddress: host = 'gone', remotePort: port = 0 } = raw;
    this.remoteAddress = formatAddress({ host, port });
    raw.on('error', () => undefined); // Its close follows.
    raw.once('close', () => this.fail({ type: 'ended' }));
  }

  get verdict(): CertificateVerdict | undefined {
    return this.#settled?.verdict;
  }

  get pendingBytes(): number {
    return this.#settled?.pendingBytes ?? this.#waitingBytes;
  }

  /** With the first byte that comes, all of which stay to be read. */
  onFirst(heed: (first: number | undefined) => void): void {
    this.#raw.once('data', (bytes) => {
      this.#raw.pause();
      this.#raw.unshift(bytes);
      heed(bytes[0]);
    });
  }

  /** It is settled what the connection is; what waited goes over it. */
  become(link: Link): void {
    if (this.#end) {
      link.destroy();
      return;
    }
    this.#settled = link;
    if (this.#handler) link.open(this.#handler);
    for (const parts of this.#waiting.splice(0)) link.send(parts);
  }

  /** It will never be settled. */
  fail(end: LinkEnd): void {
    if (this.#settled || this.#end) return;
    this.#end = end;
    this.#raw.destroy();
    this.#handler?.onEnd(end);
  }

  open(handler: LinkHandler): void {
    this.#handler = handler;
    if (this.#settled) this.#settled.open(handler);
    else if (this.#end) handler.onEnd(this.#end);
  }

  send(parts: readonly Uint8Array[]): void {
    if (this.#settled) {
      this.#settled.send(parts);
      return;
    }
    this.#waitingBytes += parts.reduce((sum, { length }) => sum + length, 0);
    if (this.#waitingBytes <= waitingBytesMax) this.#waiting.push(parts);
    else this.fail({ type: 'failed', reason: 'too much was said before the TLS handshake' });
  }

  close(): void {
    if (this.#settled) this.#settled.close();
    else this.fail({ type: 'closed' });
  }

  destroy(): void {
    this.#end ??= { type: 'closed' };
    this.#handler = undefined;
    this.#settled?.destroy();
    this.#raw.destroy();
  }
}
