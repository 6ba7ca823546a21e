// Where the doors find the engine. The doors listen before the engine stands: until then the slot
// answers with the phases of the start, afterwards with the engine, at the end with a refusal.
import { HoldfastError } from '@holdfast/base/errors';
import type { Engine, EngineStatus, RecoveryPhase } from '@holdfast/engine/engine';

type SlotState =
  | { readonly state: 'starting'; readonly phases: () => readonly RecoveryPhase[] }
  | { readonly state: 'serving'; readonly engine: Engine }
  | { readonly state: 'failed'; readonly reason: string }
  | { readonly state: 'closing'; readonly engine: Engine | undefined };

export class EngineSlot {
  readonly #phases: () => readonly RecoveryPhase[];
  #current: SlotState;

  /** `phases` is asked each time: what the start does right now. */
  constructor(phases: () => readonly RecoveryPhase[] = () => []) {
    this.#phases = phases;
    this.#current = { state: 'starting', phases };
  }

  /** The engine is started anew: calls are refused until it is there again. */
  restart(): void {
    this.#current = { state: 'starting', phases: this.#phases };
  }

  get state(): SlotState['state'] {
    return this.#current.state;
  }

  fill(engine: Engine): void {
    this.#current = { state: 'serving', engine };
  }

  /** The engine will not come; `reason` is a sentence for the operator. */
  fail(reason: string): void {
    this.#current = { state: 'failed', reason };
  }

  /** From now on new calls are refused; what was read of the status stays readable. */
  close(): void {
    const engine = this.#current.state === 'serving' ? this.#current.engine : undefined;
    this.#current = { state: 'closing', engine };
  }

  /** The engine, or `unavailable` with the phase of the start, or `shutting-down`. */
  get engine(): Engine {
    if (this.#current.state === 'serving') return this.#current.engine;
    throw new HoldfastError(
      this.#current.state === 'closing' ? 'shutting-down' : 'unavailable',
      this.#why(),
      {
        details: { phase: this.phaseName() },
      },
    );
  }

  /** Undefined as long as there is no engine. Never waits. */
  status(): EngineStatus | undefined {
    const { state } = this.#current;
    if (state === 'starting' || state === 'failed') return undefined;
    return this.#current.engine?.status();
  }

  phases(): readonly RecoveryPhase[] {
    if (this.#current.state === 'starting') return this.#current.phases();
    return this.status()?.recovery ?? [];
  }

  /** Why this member does not serve, in a sentence; undefined when it does. */
  notReadyReason(): string | undefined {
    if (this.#current.state !== 'serving') return this.#why();
    const status = this.#current.engine.status();
    return status.ready ? undefined : (status.notReadyReason ?? 'this member is not ready yet');
  }

  phaseName(): string {
    const running = this.phases().find((phase) => phase.state === 'running');
    return running?.name ?? (this.#current.state === 'starting' ? 'opening' : this.#current.state);
  }

  #why(): string {
    if (this.#current.state === 'closing') return 'this member is stopping';
    if (this.#current.state === 'failed') return this.#current.reason;
    return `this member is starting, phase ${this.phaseName()}; /v1/recovery shows how far it is`;
  }
}
