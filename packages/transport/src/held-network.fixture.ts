// For tests: the network of a process that stands still for a while, as SIGSTOP does it. Its kernel
// goes on accepting connections and bytes; the process hears of them, and what it says leaves,
// when it goes on.
import type { Link, LinkHandler, LinkListener, LinkNetwork } from './link.ts';

export class HeldNetwork implements LinkNetwork {
  readonly #inner: LinkNetwork;
  /** What waits, in order; undefined: it runs. */
  #waiting: (() => void)[] | undefined;

  constructor(inner: LinkNetwork) {
    this.#inner = inner;
  }

  hold(): void {
    this.#waiting = [];
  }

  release(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const deed of waiting) deed();
  }

  async dial(address: string, signal: AbortSignal): Promise<Link> {
    return this.#held(await this.#inner.dial(address, signal));
  }

  listen(address: string, onLink: (link: Link) => void): Promise<LinkListener> {
    return this.#inner.listen(address, (link) => this.#do(() => onLink(this.#held(link))));
  }

  endOfTurn(action: () => void): void {
    this.#inner.endOfTurn(action);
  }

  afterEvent(action: () => void): void {
    this.#inner.afterEvent(action);
  }

  #do(deed: () => void): void {
    if (this.#waiting) this.#waiting.push(deed);
    else deed();
  }

  #held(link: Link): Link {
    return {
      remoteAddress: link.remoteAddress,
      get pendingBytes() {
        return link.pendingBytes;
      },
      open: (handler) => link.open(this.#slow(handler)),
      send: (parts) => this.#do(() => link.send(parts)),
      close: () => this.#do(() => link.close()),
      destroy: () => link.destroy(),
    };
  }

  #slow(handler: LinkHandler): LinkHandler {
    return {
      onBytes: (bytes) => this.#do(() => handler.onBytes(bytes)),
      onEnd: (end) => this.#do(() => handler.onEnd(end)),
    };
  }
}
