// A relay in a machine that makes it answer late, and the rules that lead connections to it. They
// apply to connections that arrive over the card, so the relay's own, which do not, are let
// through.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Machine } from './machine.ts';
import { inNamespace } from './system.ts';

const relayScript = new URL('./relay.mjs', import.meta.url).pathname;
const relayPortsFrom = 20_000;

export type Lateness = {
  /** Each way, so an answer is late by twice of it. */
  readonly delayMs: number;
  readonly ports: readonly number[];
};

export class LateDoor {
  readonly #machine: Machine;
  readonly #relay: ChildProcess;

  private constructor(machine: Machine, relay: ChildProcess) {
    this.#machine = machine;
    this.#relay = relay;
  }

  /** New connections to these ports are late from then on; those that stand stay as they are. */
  static async open(machine: Machine, { delayMs, ports }: Lateness): Promise<LateDoor> {
    const doors = ports.map((port, at) => ({ port, relayPort: relayPortsFrom + at }));
    const pairs = doors.map(({ port, relayPort }) => `${relayPort}:${port}`);
    const args = [relayScript, String(delayMs), machine.address, ...pairs];
    const relay = machine.spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    await once(relay.stdout as NodeJS.ReadableStream, 'data');
    const rules = doors.map(
      ({ port, relayPort }) => `iifname "eth0" tcp dport ${port} redirect to :${relayPort}`,
    );
    const hook = 'type nat hook prerouting priority dstnat; policy accept;';
    const chain = ['chain arrive {', hook, ...rules, '}'];
    await nft(machine, ['table ip late {', ...chain, '}'].join('\n'));
    return new LateDoor(machine, relay);
  }

  /** Connections that went through it break, and what dials again is on time. */
  async close(): Promise<void> {
    const exited = once(this.#relay, 'exit');
    this.#relay.kill('SIGKILL');
    await exited;
    // Only now: the relay's last words to its callers had to be translated as well.
    await nft(this.#machine, 'delete table ip late');
  }
}

const nft = (machine: Machine, rules: string): Promise<string> =>
  inNamespace(machine.plan.namespace, ['nft', '-f', '-'], `${rules}\n`);
