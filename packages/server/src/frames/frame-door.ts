// The door for our own clients' frames: it is given the connections that speak them, and ends what
// is left of them with the member.
import type { Socket } from 'node:net';

import type { Timer } from '@holdfast/base/clock';
import { SocketLink } from '@holdfast/transport/tcp-link';

import { refusedCertificateOf, type TurnedAway } from '../http/certified-door.ts';
import type { HttpContext } from '../http/http-context.ts';
import type { Figure } from '../metrics.ts';
import { callerOf } from './caller.ts';
import { ClientConnection } from './client-connection.ts';
import { RequestPace } from './request-pace.ts';
import { WatchCount } from './watch-count.ts';

/** Between two looks at who reads nothing. */
const lookMs = 1000;
/** Where others need the room, who has taken nothing for so long makes way for them. */
const makeWayMs = 2000;

export class FrameDoor {
  readonly #context: HttpContext;
  readonly #onTurnedAway: TurnedAway;
  readonly #connections = new Set<ClientConnection>();
  readonly #watchCount: WatchCount;
  readonly #pace = new RequestPace();
  #timer: Timer | undefined;

  constructor(context: HttpContext, onTurnedAway: TurnedAway) {
    this.#context = context;
    this.#onTurnedAway = onTurnedAway;
    this.#watchCount = new WatchCount(context.limits.watchesMax);
  }

  /** Of a paused socket of which nothing was read. */
  accept(socket: Socket): void {
    const connection = new ClientConnection({
      context: this.#context,
      watchCount: this.#watchCount,
      link: new SocketLink(socket),
      pace: this.#pace,
      reading: { pause: () => void socket.pause(), resume: () => void socket.resume() },
      callerOf: (hello) => {
        const refusal = refusedCertificateOf(socket);
        if (refusal) throw refusal;
        return callerOf(this.#context.access, hello, socket);
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

  close(): void {
    for (const connection of [...this.#connections]) connection.close();
    this.#timer?.cancel();
  }

  get figures(): readonly Figure[] {
    return [
      {
        name: 'frame_connections',
        help: 'Connections of clients that speak frames',
        read: () => this.#connections.size,
      },
      {
        name: 'frame_watches',
        help: 'Watches that are open on them',
        read: () => this.#watchCount.count,
      },
      {
        name: 'frame_unread_bytes',
        help: 'What was said to them and that nobody has read yet',
        read: () => this.#unreadBytes,
      },
    ];
  }

  get #unreadBytes(): number {
    let bytes = 0;
    for (const connection of this.#connections) bytes += connection.unreadBytes;
    return bytes;
  }

  #schedule(): Timer {
    return this.#context.clock.schedule(lookMs, () => {
      for (const connection of [...this.#connections]) connection.look();
      this.#makeRoom();
      this.#timer = this.#connections.size > 0 ? this.#schedule() : undefined;
    });
  }

  /**
   * Where all together leave too much unread, those go that read nothing, the one that leaves the
   * most first; at twice as much others as well.
   */
  #makeRoom(): void {
    const bytesMax = this.#context.limits.framesUnreadBytesMax;
    let bytes = this.#unreadBytes;
    if (bytes <= bytesMax) return;
    const all = [...this.#connections].sort((a, b) => b.unreadBytes - a.unreadBytes);
    for (const connection of all) {
      if (bytes <= bytesMax) return;
      if (connection.unreadMs < makeWayMs && bytes <= 2 * bytesMax) continue;
      bytes -= connection.unreadBytes;
      connection.giveUp();
    }
  }
}
