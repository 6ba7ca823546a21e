// Runs a protocol script on a TestCluster and writes it again with the output that really came.
// Lines that begin with "> " are commands; the lines below one, up to the next command or empty
// line, are its output; everything else is prose and stays.
import { HoldfastError } from '@holdfast/base/errors';
import { memberId } from '@holdfast/base/ids';
import { formatLogId } from './entry.ts';
import type { AppendEntriesResponse, Message } from './message.ts';
import { TestCluster } from './test-cluster.ts';

type Arguments = {
  readonly words: readonly string[];
  readonly options: ReadonlyMap<string, string>;
};

export class ScriptRunner {
  #cluster = new TestCluster({ voters: 3 });
  #roles = new Map<bigint, string>();
  #seen = { sent: 0, answers: 0, reads: 0 };

  run(text: string): string {
    const out: string[] = [];
    let isOutput = false;
    for (const line of text.split('\n')) {
      if (line.startsWith('> ')) {
        out.push(line, ...this.#command(line.slice(2)));
        isOutput = true;
      } else if (line === '' || !isOutput) {
        out.push(line);
        isOutput = false;
      }
    }
    return out.join('\n');
  }

  #command(line: string): readonly string[] {
    const [name = '', ...rest] = line.split(/\s+/);
    const given = parse(rest);
    const shown = this.#execute(name, given);
    return [...this.#news(), ...shown];
  }

  #execute(name: string, given: Arguments): readonly string[] {
    const [first = '0'] = given.words;
    if (name === 'state') return this.#state(first);
    if (name === 'cluster') this.#start(given);
    else if (name === 'quietly') this.#quietly(given);
    else if (!this.#move(name, given) && !this.#act(name, given)) {
      throw new HoldfastError('invalid-argument', `no such command: ${name}`);
    }
    return [];
  }

  #quietly(given: Arguments): void {
    const [name = '', ...words] = given.words;
    this.#execute(name, { words, options: given.options });
    this.#skipNews();
  }

  /** Time, network and disks; answers whether it knows the command. */
  #move(name: string, given: Arguments): boolean {
    const cluster = this.#cluster;
    const member = Number(given.words[0] ?? 0);
    const moves: Record<string, () => void> = {
      timeout: () => cluster.timeOut(member),
      deliver: () => void cluster.deliver(matching(given)),
      drop: () => {
        cluster.network = cluster.network.filter((one) => !matching(given)(one));
      },
      settle: () => cluster.settle(),
      run: () => cluster.run(member),
      isolate: () => cluster.isolate(member),
      heal: () => cluster.heal(),
      'hold-syncs': () => cluster.holdSyncs(member),
      'release-syncs': () => cluster.releaseSyncs(member),
      crash: () => cluster.crash(member),
      restart: () => cluster.restart(member, { repairing: isYes(given, 'repairing') }),
      compact: () => cluster.compact(member),
    };
    moves[name]?.();
    return name in moves;
  }

  /** What clients and peers do; answers whether it knows the command. */
  #act(name: string, given: Arguments): boolean {
    const cluster = this.#cluster;
    const [first = '0', second = '0'] = given.words;
    const member = Number(first);
    const peer = memberId(BigInt(second));
    const acts: Record<string, () => void> = {
      propose: () => void cluster.propose(member, Number(given.options.get('count') ?? 1)),
      read: () => void cluster.read(member),
      change: () => cluster.change(member, list(given, 'voters'), list(given, 'learners')),
      transfer: () => cluster.step(member, { type: 'transfer-leadership', to: peer }),
      unreachable: () => {
        const refused = isYes(given, 'refused');
        cluster.step(member, { type: 'peer-unreachable', peer, refused });
      },
    };
    acts[name]?.();
    return name in acts;
  }

  #start(given: Arguments): void {
    const logs = given.options.get('logs');
    this.#cluster = new TestCluster({
      voters: Number(given.options.get('voters') ?? 3),
      learners: Number(given.options.get('learners') ?? 0),
      settings: {
        appendCountMax: Number(given.options.get('append') ?? 64),
        inflightCountMax: Number(given.options.get('inflight') ?? 8),
      },
      ...(logs
        ? { logs: logs.split('/').map((one) => one.split(',').filter(Boolean).map(Number)) }
        : {}),
    });
    this.#skipNews();
  }

  #state(which: string): readonly string[] {
    const members = [...this.#cluster.members.values()];
    const shown = which === '0' ? members : members.filter((one) => one.id === BigInt(which));
    return shown.flatMap((one) => [
      `${one.id}: ${one.isDown ? 'down' : one.raft.describe()}`,
      ...(one.isDown ? [] : one.raft.describeProgress().map((line) => `     ${line}`)),
    ]);
  }

  /** What happened since the last command. */
  #news(): readonly string[] {
    const { sent, answers, reads } = this.#cluster;
    const lines = [
      ...this.#roleChanges(),
      ...sent.slice(this.#seen.sent).map(describe),
      ...answers.slice(this.#seen.answers),
      ...reads
        .slice(this.#seen.reads)
        .map((one) => `read ${one.id} at ${one.member}: ${one.index ?? 'not confirmed'}`),
    ];
    this.#seen = { sent: sent.length, answers: answers.length, reads: reads.length };
    return lines;
  }

  #skipNews(): void {
    const { sent, answers, reads } = this.#cluster;
    this.#roles = new Map();
    this.#roleChanges();
    this.#seen = { sent: sent.length, answers: answers.length, reads: reads.length };
  }

  #roleChanges(): readonly string[] {
    const lines: string[] = [];
    for (const { id, raft } of this.#cluster.members.values()) {
      const now = `${raft.role} term=${raft.term}`;
      const before = this.#roles.get(id);
      if (before !== undefined && before !== now) lines.push(`${id} becomes ${now}`);
      this.#roles.set(id, now);
    }
    return lines;
  }
}

function parse(words: readonly string[]): Arguments {
  const options = new Map<string, string>();
  const plain: string[] = [];
  for (const word of words) {
    const [key = '', value] = word.split('=');
    if (value === undefined) plain.push(word);
    else options.set(key, value);
  }
  return { words: plain, options };
}

const isYes = (given: Arguments, name: string): boolean => given.options.get(name) === 'yes';

const list = (given: Arguments, name: string): readonly number[] =>
  (given.options.get(name) ?? '').split(',').filter(Boolean).map(Number);

const matching =
  (given: Arguments) =>
  (message: Message): boolean => {
    const from = given.options.get('from');
    const to = given.options.get('to');
    const type = given.options.get('type');
    return (
      (from === undefined || message.from === BigInt(from)) &&
      (to === undefined || message.to === BigInt(to)) &&
      (type === undefined || message.type === type)
    );
  };

function describe(message: Message): string {
  const head = `${message.from} -> ${message.to} ${message.type} term=${message.term}`;
  const tail = details(message);
  return tail === '' ? head : `${head} ${tail}`;
}

function rejection(message: AppendEntriesResponse & { readonly result: 'rejected' }): string {
  const { previous, conflictFirst, conflictTerm, last } = message;
  const hint = `${conflictFirst}@${conflictTerm}`;
  return `rejected after=${formatLogId(previous)} hint=${hint} last=${last}`;
}

function details(message: Message): string {
  switch (message.type) {
    case 'pre-vote-request':
      return `last=${formatLogId(message.lastLog)}`;
    case 'vote-request':
      return `last=${formatLogId(message.lastLog)}${message.transfer ? ' transfer' : ''}`;
    case 'pre-vote-response':
    case 'vote-response':
      return message.granted ? 'granted' : 'refused';
    case 'append-entries': {
      const { previous, entries, commit, isNotice, repairTarget } = message;
      const what = entries.map(
        (one) => `${formatLogId(one)}${one.kind === 'command' ? '' : `:${one.kind}`}`,
      );
      const repair = repairTarget === undefined ? '' : ` repair-target=${repairTarget}`;
      const more = `${repair}${isNotice ? ' notice' : ''}`;
      return `after=${formatLogId(previous)} [${what.join(' ')}] commit=${commit}${more}`;
    }
    case 'append-entries-response':
      return message.result === 'rejected'
        ? rejection(message)
        : `${message.result} match=${message.match}`;
    case 'heartbeat':
      return `commit=${message.commit} round=${message.round}`;
    case 'heartbeat-response':
      return `round=${message.round}`;
    case 'install-snapshot':
      return `last=${formatLogId(message.snapshot.last)}`;
    case 'read-index-response':
      return `index=${message.readIndex ?? 'none'}`;
    default:
      return '';
  }
}
