// For tests: a network that counts what its links hand to the system, and that can freeze, as a
// process does that is stopped or whose machine loses power: sockets stay, nothing moves.
import type { Link, LinkHandler, LinkListener, LinkNetwork } from './link.ts';

export class ObservedNetwork implements LinkNetwork {
  sends = 0;
  #frozen = false;
  readonly #inner: LinkNetwork;

  constructor(inner: LinkNetwork) {
    this.#inner = inner;
  }

  freeze(): void {
    this.#frozen = true;
  }

  async dial(address: string, signal: AbortSignal): Promise<Link> {
    return this.#observe(await this.#inner.dial(address, signal));
  }

  listen(address: string, onLink: (link: Link) => void): Promise<LinkListener> {
    return this.#inner.listen(address, (link) => onLink(this.#observe(link)));
  }

  endOfTurn(action: () => void): void {
    this.#inner.endOfTurn(action);
  }

  afterEvent(action: () => void): void {
    this.#inner.afterEvent(action);
  }

  #observe(link: Link): Link {
    return {
      remoteAddress: link.remoteAddress,
      get pendingBytes() {
        return link.pendingBytes;
      },
      open: (handler) => link.open(this.#deaf(handler)),
      send: (parts) => {
        if (this.#frozen) return;
        this.sends += 1;
        link.send(parts);
      },
      close: () => link.close(),
      destroy: () => link.destroy(),
    };
  }

  #deaf(handler: LinkHandler): LinkHandler {
    return {
      onBytes: (bytes) => {
        if (!this.#frozen) handler.onBytes(bytes);
      },
      onEnd: (end) => handler.onEnd(end),
    };
  }
}
