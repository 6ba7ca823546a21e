// A list of what is said to etcdctl, and what it printed, with everything that may differ between
// two clusters under names in the order in which it was met: equal things stay equal.
import { unreachable } from '@holdfast/base/assert';

import type { Area } from './area.ts';
import { Etcdctl, type Ran, type RunningEtcdctl } from './etcdctl.ts';

/** Arguments of etcdctl, with quotes as in a shell, and what was kept as `$name`. */
type Command = string;

export type Step =
  | Command
  | { readonly say: Command; readonly input: string }
  /** Keeps what a step prints, by its first group, for later ones. */
  | { readonly keep: string; readonly of: Command; readonly found: RegExp }
  /** Goes on beside the next ones, once it has printed so many lines. */
  | {
      readonly begin: Command;
      readonly as: string;
      readonly lines?: number;
      readonly input?: string;
    }
  | { readonly read: string; readonly lines: number }
  | { readonly stop: string }
  /** A line for each member, whose order is open. */
  | { readonly sorted: Command };

export type EtcdctlCase = Area & {
  readonly steps: readonly Step[];
  /** What is printed here is not what etcd prints: differences.ts says why. */
  readonly differs?: true;
};

/** Its words and all that was printed. */
export async function play(endpoints: readonly string[], steps: readonly Step[]): Promise<string> {
  const player = new Player(endpoints);
  try {
    for (const step of steps) await player.play(step);
    return player.told;
  } finally {
    await player.close();
  }
}

class Player {
  readonly #etcdctl: Etcdctl;
  readonly #endpoints: readonly string[];
  readonly #kept = new Map<string, string>();
  readonly #running = new Map<string, RunningEtcdctl>();
  #told = '';

  constructor(endpoints: readonly string[]) {
    this.#endpoints = endpoints;
    this.#etcdctl = new Etcdctl(endpoints);
  }

  get told(): string {
    return masked(this.#told, this.#endpoints);
  }

  async play(step: Step): Promise<void> {
    if (typeof step === 'string') this.#tell(step, await this.#run(step));
    else if ('say' in step) this.#tell(step.say, await this.#run(step.say, step.input));
    else if ('keep' in step) await this.#keep(step);
    else if ('begin' in step) await this.#begin(step);
    else if ('read' in step) await this.#named(step.read).hasPrinted(step.lines);
    else if ('stop' in step) await this.#stop(step.stop);
    else if ('sorted' in step)
      this.#tell(step.sorted, sorted(await this.#run(step.sorted), this.#endpoints));
    else unreachable(step);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#running.values()].map((one) => one.stop()));
  }

  #run(command: Command, input?: string): Promise<Ran> {
    return this.#etcdctl.run(this.#words(command), input);
  }

  async #keep({ keep, of, found }: Extract<Step, { keep: string }>): Promise<void> {
    const ran = await this.#run(of);
    this.#tell(of, ran);
    const [, value] = found.exec(ran.out) ?? [];
    if (value === undefined) throw new Error(`no ${found} in ${ran.out}${ran.err} of ${of}`);
    this.#kept.set(keep, value);
  }

  async #begin({ begin, as, lines, input }: Extract<Step, { begin: string }>): Promise<void> {
    const running = this.#etcdctl.start(this.#words(begin), input);
    this.#running.set(as, running);
    if (lines !== undefined) await running.hasPrinted(lines);
  }

  async #stop(name: string): Promise<void> {
    const running = this.#named(name);
    this.#running.delete(name);
    const { out, err } = await running.stop();
    // How it ends at Ctrl-C is its own matter.
    this.#tell(`(${name})`, { code: 0, out, err });
  }

  #named(name: string): RunningEtcdctl {
    const running = this.#running.get(name);
    if (!running) throw new Error(`nothing runs as ${name}`);
    return running;
  }

  #words(command: Command): string[] {
    const withKept = command.replace(/\$(\w+)/g, (_, name: string) => {
      const value = this.#kept.get(name);
      if (value === undefined) throw new Error(`${name} was not kept`);
      return value;
    });
    return [...withKept.matchAll(/'([^']*)'|(\S+)/g)].map((word) => word[1] ?? word[2] ?? '');
  }

  #tell(command: Command, { code, out, err }: Ran): void {
    // What its client library logs beside an error is no answer.
    const errors = err.split('\n').filter((line) => /^Error|is (un)?healthy/.test(line));
    const end = code === 0 ? '' : `exit ${code}\n`;
    this.#told += `$ ${command}\n${out}${errors.map((line) => `${line}\n`).join('')}${end}`;
  }
}

/** By the addresses of the members, which are told in the order in which they were given. */
function sorted(ran: Ran, endpoints: readonly string[]): Ran {
  const placeOf = (line: string): number => endpoints.findIndex((one) => line.includes(one));
  const inOrder = (text: string): string =>
    text
      .split('\n')
      .filter((line) => placeOf(line) >= 0)
      .sort((a, b) => placeOf(a) - placeOf(b))
      .map((line) => `${line}\n`)
      .join('');
  return { ...ran, out: inOrder(ran.out), err: inOrder(ran.err) };
}

/** Ids of members, clusters, leases and locks; addresses; times, terms and sizes. */
function masked(text: string, endpoints: readonly string[]): string {
  const names = new Map<string, string>();
  const nameOf = (kind: string, value: string): string => {
    const known = names.get(`${kind} ${value}`);
    if (known !== undefined) return known;
    const count = [...names.keys()].filter((key) => key.startsWith(`${kind} `)).length;
    const name = `<${kind} ${count + 1}>`;
    names.set(`${kind} ${value}`, name);
    return name;
  };
  let plain = text;
  for (const [at, endpoint] of endpoints.entries()) {
    plain = plain.replaceAll(endpoint, `<address ${at + 1}>`);
  }
  return plain
    .replace(/127\.0\.0\.1:\d+/g, '<peer>')
    .replace(/\b[0-9a-f]{14,16}\b/g, (id) => nameOf('id', id))
    .replace(/"(cluster_id|member_id)":\d+/g, '"$1":<id>')
    .replace(/"(ClusterID|MemberID|RaftTerm)" : \d+/g, '"$1" : <number>')
    .replace(/"raft_term":\d+/g, '"raft_term":<term>')
    .replace(/took = [\d.µa-z]+/g, 'took = <time>')
    .replace(/remaining\(\d+s\)/g, 'remaining(<seconds>)')
    .replace(/^(<address \d+>), (\d+)$/gm, (_, at: string, hash: string) => {
      return `${at}, ${nameOf('hash', hash)}`;
    })
    .replace(
      /, \d+\.\d+\.\d+, [\d.]+ [kMG]?B, (?:true|false), false, \d+, \d+, \d+, /g,
      ', <version>, <size>, <leads>, false, <term>, <index>, <applied>, ',
    );
}
