// Runs a protocol script on a TestCluster and writes it again with the output that really came. Lines
// that begin with "> " are commands; the lines below one, up to the next command or empty line, are its
// output; everything else is prose and stays.
import { HoldfastError } from '@holdfast/base/errors';
import { memberId } from '@holdfast/base/ids';
import { formatLogId } from './entry.ts';
import type { Message } from './message.ts';
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
    const cluster = this.#cluster;
    const [first = '0', second = '0'] = given.words;
    switch (name) {
      case 'cluster':
        this.#start(given);
        return [];
      case 'timeout':
        cluster.timeOut(Number(first));
        return [];
      case 'deliver':
        cluster.deliver(matching(given));
        return [];
      case 'drop':
        cluster.network = cluster.network.filter((one) => !matching(given)(one));
        return [];
      case 'settle':
        cluster.settle();
        return [];
      case 'run':
        cluster.run(Number(first));
        return [];
      case 'quietly':
        this.#execute(first, { words: given.words.slice(1), options: given.options });
        this.#skipNews();
        return [];
      case 'propose':
        cluster.propose(Number(first), Number(given.options.get('count') ?? 1));
        return [];
      case 'read':
        cluster.read(Number(first));
        return [];
      case 'change':
        cluster.change(Number(first), list(given, 'voters'), list(given, 'learners'));
        return [];
      case 'transfer':
        cluster.step(Number(first), { type: 'transfer-leadership', to: memberId(BigInt(second)) });
        return [];
      case 'unreachable':
        cluster.step(Number(first), {
          type: 'peer-unreachable',
          peer: memberId(BigInt(second)),
          refused: given.options.get('refused') === 'yes',
        });
        return [];
      case 'isolate':
        cluster.isolate(Number(first));
        return [];
      case 'heal':
        cluster.heal();
        return [];
      case 'hold-syncs':
        cluster.holdSyncs(Number(first));
        return [];
      case 'release-syncs':
        cluster.releaseSyncs(Number(first));
        return [];
      case 'crash':
        cluster.crash(Number(first));
        return [];
      case 'restart':
        cluster.restart(Number(first), { repairing: given.options.get('repairing') === 'yes' });
        return [];
      case 'compact':
        cluster.compact(Number(first));
        return [];
      case 'state':
        return this.#state(first);
      default:
        throw new HoldfastError('invalid-argument', `no such command: ${name}`);
    }
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
      const { previous, entries, commit, repairTarget } = message;
      const what = entries.map(
        (one) => `${formatLogId(one)}${one.kind === 'command' ? '' : `:${one.kind}`}`,
      );
      const repair = repairTarget === undefined ? '' : ` repair-target=${repairTarget}`;
      return `after=${formatLogId(previous)} [${what.join(' ')}] commit=${commit}${repair}`;
    }
    case 'append-entries-response':
      return message.result === 'rejected'
        ? `rejected after=${formatLogId(message.previous)} hint=${message.conflictFirst}@${message.conflictTerm} last=${message.last}`
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
