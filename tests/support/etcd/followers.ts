// Programs written for etcd that watch a key and keep a lease alive while members are killed, each
// in the way of its own library.
import { Etcd3 } from 'etcd3';

import type { ProcessMember } from '../process-cluster.ts';
import { Etcdctl } from './etcdctl.ts';
import { base64, Gateway, next, plain } from './gateway.ts';
import { noEtcdctl, noPython } from './installed.ts';
import { PythonProgram } from './python.ts';

const ttlSeconds = 4;

/**
 * For so long a program may keep away from a member that is back after a second or two: npm's etcd3
 * opens a breaker for 5 s, and gRPC tries again within 1.6 times the time that it was gone. Where
 * the only other member is killed before, the program is cut off, and its lease may run out.
 */
export const trustedAgainMs = 6000;

/** All of them watch it. */
export const followed = 'followed';

export type Follower = AsyncDisposable & {
  /** The key that stands as long as its lease. */
  readonly leased: string;
  /** Every value that it was told of, in order. */
  told(): readonly string[];
  /** What the program says of itself where it has gone wrong. */
  trouble?(): string;
};

export type Where = {
  /** Those of them that are killed in turn, for whoever knows more than one member. */
  readonly killed: readonly [ProcessMember, ProcessMember];
  /** For whoever knows one alone. */
  readonly spared: ProcessMember;
};

type Start = (where: Where) => Promise<Follower>;

export const followers: readonly { readonly name: string; readonly start: Start }[] = [
  ...(noEtcdctl === undefined ? [{ name: 'etcdctl', start: followWithEtcdctl }] : []),
  { name: 'etcd3 of npm', start: followWithNode },
  ...(noPython === undefined ? [{ name: 'etcd3 of Python', start: followWithPython }] : []),
  { name: 'plain HTTP', start: followWithHttp },
];

async function followWithEtcdctl({ killed }: Where): Promise<Follower> {
  const etcdctl = new Etcdctl(killed.map(({ place }) => place.client));
  const leased = 'leased/etcdctl';
  const granted = await etcdctl.run(['lease', 'grant', String(ttlSeconds)]);
  const [, lease = ''] = /lease ([0-9a-f]+) /.exec(granted.out) ?? [];
  await etcdctl.run(['put', leased, 'x', `--lease=${lease}`]);
  const kept = etcdctl.start(['lease', 'keep-alive', lease]);
  await kept.hasPrinted(1);
  const watch = etcdctl.start(['watch', followed, '--rev=1']);
  return {
    leased,
    // Of each event it prints the kind, the key and the value.
    trouble: () => watch.err + kept.err,
    told: () => watch.out.split('\n').filter((_, at) => at % 3 === 2),
    async [Symbol.asyncDispose]() {
      await Promise.all([kept.stop(), watch.stop()]);
    },
  };
}

async function followWithNode({ killed }: Where): Promise<Follower> {
  const etcd = new Etcd3({ hosts: killed.map(({ url }) => url) });
  const leased = 'leased/node';
  const lease = etcd.lease(ttlSeconds);
  await lease.put(leased).value('x');
  const told: string[] = [];
  const watcher = await etcd.watch().key(followed).create();
  watcher.on('put', ({ value }) => told.push(value.toString()));
  return {
    leased,
    told: () => told,
    async [Symbol.asyncDispose]() {
      lease.release(); // It lasts until its time is over.
      etcd.close();
    },
  };
}

async function followWithPython({ spared }: Where): Promise<Follower> {
  const program = new PythonProgram(spared, ['follow']);
  const told: string[] = [];
  await program.says();
  const listen = async (): Promise<void> => {
    for (;;) told.push(...((await program.says()).told ?? []));
  };
  void listen().catch(() => undefined); // Until it is ended.
  return {
    leased: 'leased/python',
    told: () => told,
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}

async function followWithHttp({ spared }: Where): Promise<Follower> {
  const gateway = new Gateway(spared);
  const leased = 'leased/http';
  const { ID: lease } = await gateway.post('lease/grant', { TTL: ttlSeconds });
  await gateway.post('kv/put', { key: base64(leased), lease });
  const watch = gateway.stream('watch', { create_request: { key: base64(followed) } });
  await next(watch);
  const told: string[] = [];
  const listen = async (): Promise<void> => {
    for await (const { events } of watch) {
      for (const { kv } of events ?? []) told.push(plain(kv.value));
    }
  };
  void listen().catch(() => undefined); // Until it is ended.
  const timer = setInterval(() => {
    void gateway.post('lease/keepalive', { ID: lease }).catch(() => undefined); // Nobody leads.
  }, 500);
  return {
    leased,
    told: () => told,
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await gateway.post('kv/put', { key: base64(followed), value: base64('end') });
      await watch.return();
    },
  };
}
