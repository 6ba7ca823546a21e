// The door for our own clients' frames: it is given the connections that speak them, and ends what
// is left of them with the member.
import type { Socket } from 'node:net';

import type { Timer } from '@holdfast/base/clock';
import { SocketLink } from '@holdfast/transport/tcp-link';

import { actorNamed } from '../http/call-options.ts';
import { refusedCertificateOf, type TurnedAway } from '../http/certified-door.ts';
import type { HttpContext } from '../http/http-context.ts';
import { ClientConnection } from './client-connection.ts';

/** Between two looks at who reads nothing. */
const lookMs = 1000;

export class FrameDoor {
  readonly #context: HttpContext;
  readonly #onTurnedAway: TurnedAway;
  readonly #connections = new Set<ClientConnection>();
  #timer: Timer | undefined;

  constructor(context: HttpContext, onTurnedAway: TurnedAway) {
    this.#context = context;
    this.#onTurnedAway = onTurnedAway;
  }

  /** Of a paused socket of which nothing was read. */
  accept(socket: Socket): void {
    const connection = new ClientConnection({
      context: this.#context,
      link: new SocketLink(socket),
      actorOf: (named) => {
        const refusal = refusedCertificateOf(socket);
        if (refusal) throw refusal;
        return actorNamed(named === '' ? undefined : named, socket);
      },
      onOver: (over, reason) => {
        if (!this.#connections.delete(over) || reason === undefined) return;
        this.#onTurnedAway(over.remoteAddress, reason);
      },
    });
    this.#connections.add(connection);
    connection.open();
    socket.resume();
    this.#timer ??= this.#schedule();
  }

  /** Whoever was told something just now is told it before. */
  async close(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    for (const connection of [...this.#connections]) connection.close();
    this.#timer?.cancel();
  }

  #schedule(): Timer {
    return this.#context.clock.schedule(lookMs, () => {
      for (const connection of [...this.#connections]) connection.look();
      this.#timer = this.#connections.size > 0 ? this.#schedule() : undefined;
    });
  }
}
