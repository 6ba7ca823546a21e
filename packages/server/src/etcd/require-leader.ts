// What etcd's clients ask for with `hasleader: true` (WithRequireLeader): a member that knows no
// leader refuses their calls at once, and ends their streams once it has known none for a while, so
// that they go elsewhere instead of waiting for events that this member can not hear of. A stream
// that is opened in the middle of an election has that while as well: etcd refuses it at once, and
// a watch of its Go client, which comes from the member that just died, is over with that.
import type { Clock, Timer } from '@holdfast/base/clock';
import type { Engine } from '@holdfast/engine/engine';

import type { GrpcCaller, GrpcMethod, GrpcMethods, StreamCall } from '../grpc/method.ts';
import { etcdStatus } from './etcd-status.ts';

export type RequireLeaderOptions = {
  readonly engine: () => Engine;
  readonly clock: Clock;
  /** Between two looks for the leader of streams that are open. */
  readonly electionMs: number;
};

/** Looks in a row that find no leader, and end the streams (etcd's figure). */
const leaderlessMax = 3;

/** The methods, heeding that wish. */
export function requiringLeader(
  methods: GrpcMethods,
  { engine, clock, electionMs }: RequireLeaderOptions,
): GrpcMethods {
  const streams = new LeaderStreams({ clock, electionMs, engine });
  const heeding = (method: GrpcMethod): GrpcMethod =>
    method.kind === 'unary'
      ? {
          ...method,
          handle: (message, call) => {
            if (requiresLeader(call)) demandLeader(engine());
            return method.handle(message, call);
          },
        }
      : {
          ...method,
          open: (call) => {
            if (requiresLeader(call)) streams.add(call);
            return method.open(call);
          },
        };
  return new Map([...methods].map(([path, method]) => [path, heeding(method)]));
}

const requiresLeader = (call: GrpcCaller): boolean => call.header('hasleader') === 'true';

/** Throws a GrpcStatus. */
function demandLeader(engine: Engine): void {
  if (engine.leader() === undefined) throw etcdStatus('noLeader');
}

class LeaderStreams {
  readonly #options: RequireLeaderOptions;
  readonly #calls = new Set<StreamCall>();
  #timer: Timer | undefined;
  /** Looks in a row. */
  #leaderless = 0;

  constructor(options: RequireLeaderOptions) {
    this.#options = options;
  }

  /** Throws where there is no engine. */
  add(call: StreamCall): void {
    this.#options.engine();
    this.#calls.add(call);
    call.signal.addEventListener('abort', () => this.#remove(call), { once: true });
    this.#timer ??= this.#lookLater();
  }

  #remove(call: StreamCall): void {
    this.#calls.delete(call);
    if (this.#calls.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#leaderless = 0;
  }

  #lookLater(): Timer {
    const { clock, electionMs } = this.#options;
    return clock.schedule(electionMs, () => this.#look());
  }

  #look(): void {
    this.#timer = this.#lookLater();
    this.#leaderless = this.#hasLeader ? 0 : this.#leaderless + 1;
    if (this.#leaderless < leaderlessMax) return;
    for (const call of [...this.#calls]) call.end(etcdStatus('noLeader'));
  }

  get #hasLeader(): boolean {
    try {
      return this.#options.engine().leader() !== undefined;
    } catch {
      return false; // A member that starts anew knows nobody.
    }
  }
}
