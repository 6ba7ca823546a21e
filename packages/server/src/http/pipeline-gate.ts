// Requests that a client sends before it has its answers (HTTP pipelining). Node starts all of them
// at once, so that a few kilobytes on one connection become a thousand answers in memory and in one
// turn of the event loop. Here a few small ones run at a time and the others wait for their turn,
// in order; whoever waits is forgotten with its connection.
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Small requests of one connection that run beside the one whose turn it is. */
const besideMax = 32;
/**
 * Reading stops while so many wait. It goes on before, as only who reads notices that the client
 * has gone, and works for nobody otherwise.
 */
const readWhileWaiting = 64;
/** What one read brings beyond that fits easily: more are an attack. */
const waitingMax = 8192;

type Exchange = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse<IncomingMessage>;
};

/** Around a server's listener. A connection that asks one thing at a time pays nothing for it. */
export function gatePipelines(listener: RequestListener): RequestListener {
  const lanes = new WeakMap<Socket, Lane>();
  return (request, response) => {
    // Node gives a response its socket when those before it have ended.
    if (response.socket !== null) {
      listener(request, response);
      return;
    }
    const { socket } = request;
    const lane = lanes.get(socket) ?? new Lane(socket, listener);
    lanes.set(socket, lane);
    lane.take({ request, response });
  };
}

/** The requests of one connection whose turn has not come. */
class Lane {
  readonly #socket: Socket;
  readonly #listener: RequestListener;
  #beside = 0;
  #isStopping = false;
  #waiting: Exchange[] = [];

  constructor(socket: Socket, listener: RequestListener) {
    this.#socket = socket;
    this.#listener = listener;
  }

  take(exchange: Exchange): void {
    if (this.#waiting.length === 0 && this.#mayRunBeside(exchange)) {
      this.#runBeside(exchange);
    } else if (this.#waiting.length < waitingMax) {
      this.#waiting.push(exchange);
      exchange.response.once('socket', () => this.#turnOf(exchange));
      this.#stopReading();
    } else this.#socket.destroy();
  }

  #mayRunBeside({ request }: Exchange): boolean {
    return this.#beside < besideMax && isSmall(request);
  }

  #runBeside({ request, response }: Exchange): void {
    this.#beside += 1;
    response.once('close', () => {
      this.#beside -= 1;
      this.#goOn();
    });
    this.#listener(request, response);
  }

  /** Everything before it is answered; those that already run beside it were asked before it. */
  #turnOf(exchange: Exchange): void {
    if (this.#waiting[0] !== exchange) return; // It ran beside others.
    if (this.#socket.destroyed) {
      this.#waiting = []; // Nobody is there to be answered.
      return;
    }
    this.#waiting.shift();
    this.#listener(exchange.request, exchange.response);
    this.#goOn();
  }

  #goOn(): void {
    while (this.#waiting[0] && this.#mayRunBeside(this.#waiting[0])) {
      this.#runBeside(this.#waiting.shift() as Exchange);
    }
    if (this.#waiting.length < readWhileWaiting) this.#socket.resume();
    else this.#stopReading();
  }

  /** Node reads on by itself after each request, in its next ticks: this comes right after them. */
  #stopReading(): void {
    if (this.#isStopping || this.#waiting.length < readWhileWaiting) return;
    this.#isStopping = true;
    queueMicrotask(() => {
      this.#isStopping = false;
      if (this.#waiting.length >= readWhileWaiting) this.#socket.pause();
    });
  }
}

/**
 * One key: its answer is one value at most, which the store holds anyway. A list, a transaction or
 * a value as JSON is made for the answer, and may be megabytes.
 */
const isSmall = ({ url = '' }: IncomingMessage): boolean =>
  url.startsWith('/v1/kv/') && !url.includes('format=');
