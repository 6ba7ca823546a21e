// A member of a cluster: one data directory, one engine, its doors. Put together here and nowhere
// else. `start` reads downwards: what is refused early has touched nothing.
import { resolve } from 'node:path';
import type { Clock } from '@holdfast/base/clock';
import { HoldfastError, messageOf } from '@holdfast/base/errors';
import type { MemberId } from '@holdfast/base/ids';
import { version } from '@holdfast/base/product-version';
import type { Random } from '@holdfast/base/random';
import { RecentCounts } from '@holdfast/base/recent-counts';
import { TaskGroup } from '@holdfast/base/task-group';
import type { EmbeddedEngine } from '@holdfast/engine/embedded-engine';
import type { RecoveryPhase } from '@holdfast/engine/engine';
import type { MemberChange } from '@holdfast/engine/member-plan';
import { StoreGuard } from '@holdfast/engine/store-guard';
import { lockDirectory, makeRoot, NodeDisk } from '@holdfast/storage/node-disk';
import type { FastifyInstance } from 'fastify';
import { Access } from './access/access.ts';
import { type BackupSchedule, scheduleOf } from './backup-schedule.ts';
import { standForVoter } from './candidacy.ts';
import { ContentChecker } from './content-checker.ts';
import { watchDirectory } from './directory-watch.ts';
import { DiskWatch } from './disk-watch.ts';
import { EngineLife } from './engine-life.ts';
import { EngineMaker } from './engine-maker.ts';
import { EngineSlot } from './engine-slot.ts';
import { operatorOptions } from './etcd/etcd-operator.ts';
import { HomeKeeper } from './home.ts';
import { backupRoutes } from './http/backup-routes.ts';
import { configRoutes } from './http/config-routes.ts';
import { diagnosisRoutes } from './http/diagnosis-routes.ts';
import { listenHttp, probeAddress } from './http/http-listener.ts';
import { buildHttpApp, failuresWindowMs } from './http/http-server.ts';
import { integrityRoutes } from './http/integrity-routes.ts';
import { linkRoutes } from './http/link-routes.ts';
import { memberRoutes } from './http/member-routes.ts';
import { settingRoutes } from './http/setting-routes.ts';
import { Joining } from './joining.ts';
import { linkMetrics } from './link-metrics.ts';
import { LiveSettings } from './live-settings.ts';
import type { Log } from './log.ts';
import { MemberReports } from './member-reports.ts';
import { loggedWatch, type MemberWatch } from './member-watch.ts';
import { Metrics } from './metrics.ts';
import { PeerLog } from './peer-log.ts';
import { tellReadiness } from './readiness-log.ts';
import type { MemberSettings } from './settings.ts';
import { watchStart } from './start-watch.ts';
import { identifyFile, measureSpace } from './system-files.ts';
import { Certificates } from './tls/certificates.ts';
import { peerNetworkOf } from './tls/peer-network.ts';

export type MemberOptions = {
  readonly settings: MemberSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** For tests: memory can be spoiled over the door (flip-route.ts). */
  readonly canFlipMemory?: boolean;
};

const restartText =
  'this member starts its engine anew, to find all that is damaged, and repairs it from the others';

export class Member {
  readonly #options: MemberOptions;
  readonly #home: HomeKeeper;
  readonly #slot: EngineSlot;
  readonly #metrics = new Metrics({ process: true });
  readonly #tasks: TaskGroup;
  readonly #guard: StoreGuard;
  readonly #peerLog: PeerLog;
  readonly #reports: MemberReports;
  readonly #schedule: BackupSchedule | undefined;
  readonly #watch: MemberWatch;
  readonly #failures: RecentCounts;
  readonly #maker: EngineMaker;
  readonly #live: LiveSettings;
  readonly #certificates: Certificates;
  /** What was opened, to be closed in the opposite order. */
  readonly #closers: (() => Promise<void>)[] = [];
  /** Settles only when the member can not go on: a broken invariant, a disk that failed. */
  readonly failed: Promise<never>;
  #fail: (error: unknown) => void = () => undefined;
  readonly #life: EngineLife<EmbeddedEngine>;
  #clientAddress: string;
  /** Aborts what a start waits for outside of this machine. */
  readonly #ending = new AbortController();
  #starting: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: MemberOptions) {
    const { settings } = options;
    this.#options = options;
    const { clock, log } = options;
    const { tls, name: memberName } = settings;
    this.#certificates = new Certificates({ settings: tls, memberName, clock, log });
    this.#peerLog = new PeerLog({
      clock,
      log,
      members: () => this.#home.home?.members ?? [],
    });
    this.#slot = new EngineSlot(() => this.#phases());
    this.#clientAddress = settings.advertiseClient ?? settings.listenClient;
    this.failed = new Promise<never>((_, reject) => {
      this.#fail = reject;
    });
    // Whoever started the member may not look at `failed` before it has settled.
    this.failed.catch(() => undefined);
    this.#tasks = new TaskGroup((error) => this.#fail(error));
    this.#guard = new StoreGuard({
      disk: new NodeDisk(this.#root),
      tasks: this.#tasks,
      onUnsaved: (error) =>
        log.warn({ reason: messageOf(error) }, 'the list of members was not saved'),
    });
    this.#home = this.#newHome();
    this.#failures = new RecentCounts(clock, failuresWindowMs);
    this.#maker = new EngineMaker({
      ...options,
      peerLog: this.#peerLog,
      guard: this.#guard,
      root: this.#root,
      home: this.#home,
      certificates: this.#certificates,
      clientAddress: () => this.#clientAddress,
      onAsk: (from, body) => this.#reports.answer(from, body),
      connections: () => this.#live.current.connections,
      onRemoved: (reason) => this.#fail(new HoldfastError('removed', reason)),
    });
    const engine = () => (this.#slot.state === 'serving' ? this.#life.engine : undefined);
    this.#schedule = scheduleOf({ ...options, root: this.#root, engine, metrics: this.#metrics });
    this.#reports = this.#newReports();
    this.#watch = loggedWatch(options, () => this.#reports.askAll());
    this.#live = this.#newLive();
    this.#metrics.show({
      name: 'snapshots_bad_total',
      help: 'Snapshots that this process could not use',
      read: () => this.#maker.snapshotsBad,
    });
    this.#metrics.showFamilies(() =>
      linkMetrics(this.#maker.transport?.status, (id) => this.#peerLog.nameOf(id)),
    );
    this.#metrics.showFamilies(() => this.#certificates.families);
    this.#life = this.#newLife();
  }

  /** HOST:PORT as clients reach it. */
  get clientAddress(): string {
    return this.#clientAddress;
  }

  /**
   * Applies what may change live of settings that were read anew, and says in the log what has
   * changed and what waits for a restart. Throws `invalid-argument`, and then nothing has.
   */
  reread(settings: MemberSettings): void {
    const result = this.#live.reread(settings);
    this.#certificates.look(true);
    this.#options.log.info(result, 'the settings were read anew');
  }

  /** Resolves when this member takes part in its cluster, which may be before it is ready. */
  async start(): Promise<void> {
    this.#starting ??= this.#start();
    try {
      await this.#starting;
    } catch (error) {
      this.#slot.fail(messageOf(error));
      await this.close();
      throw error;
    }
  }

  /**
   * Answers what is under way, then ends in the opposite order of the start. In the middle of a
   * start it breaks that off: its start() rejects with `shutting-down`. Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #start(): Promise<void> {
    await this.#step(() => this.#lock());
    await this.#step(() => this.#openDoor());
    await this.#step(() => this.#probePeerPort());
    this.#closers.push(() => this.#home.close());
    this.#closers.push(() => this.#guard.close());
    this.#closers.push(() => this.#life.close());
    this.#watchStart();
    await this.#step(() => this.#life.start());
    this.#watchDisk();
    this.#tasks.run((signal) => this.#watch.run(signal));
    this.#tasks.run((signal) => this.#certificates.run(signal));
    this.#tasks.run(async (signal) => this.#schedule?.run(signal));
  }

  #watchStart(): void {
    const { clock, log, settings } = this.#options;
    const phases = (): readonly RecoveryPhase[] => this.#phases();
    const options = { clock, log, phases, budgetMs: settings.startPhaseMs };
    this.#tasks.run((signal) => watchStart(options, signal));
  }

  /** From when the directory has all its files. */
  #watchDisk(): void {
    const { clock, log } = this.#options;
    const root = this.#root;
    const watch = new DiskWatch({ clock, log, measure: () => measureSpace(root) });
    this.#metrics.show(...watch.figures);
    this.#tasks.run((signal) => watch.run(signal));
    this.#tasks.run((signal) => watchDirectory({ root, clock, identify: identifyFile }, signal));
  }

  #newHome(): HomeKeeper {
    const { settings, clock, random, log } = this.#options;
    const { join: address } = settings;
    return new HomeKeeper({
      disk: new NodeDisk(this.#root),
      random,
      settings,
      tasks: this.#tasks,
      log,
      joining:
        address === undefined
          ? undefined
          : new Joining({
              ...{ address, clock, log, tls: this.#certificates.client },
              user: settings.joinUser,
              peers: peerNetworkOf(this.#certificates),
            }),
      onUnsaved: (error) =>
        log.warn({ reason: messageOf(error) }, 'the list of peers was not saved'),
    });
  }

  /** One that has joined asks for its vote, until it has it. */
  #stand(engine: EmbeddedEngine): void {
    if (!this.#home.home?.isCandidate) return;
    const { clock, log } = this.#options;
    const options = {
      clock,
      log,
      status: () => engine.status(),
      change: (changes: readonly MemberChange[], signal: AbortSignal) =>
        engine.membership.change(changes, { signal }),
      onPromoted: () => this.#home.promoted(),
    };
    this.#tasks.run((signal) => standForVoter(options, signal));
  }

  #newReports(): MemberReports {
    const { clock } = this.#options;
    return new MemberReports({
      clock,
      status: () => this.#slot.status(),
      transport: () => this.#maker.transport,
      failures: this.#failures,
      certificates: () => this.#certificates,
      backup: () => this.#schedule?.report(),
      isLeaving: () => this.#slot.state === 'closing',
      onLeaving: (peer) => this.#watch.leaves(peer),
    });
  }

  #newLive(): LiveSettings {
    const { settings, log } = this.#options;
    return new LiveSettings({
      settings,
      apply: (now, before) => {
        if (now.logLevel !== before.logLevel) log.level = now.logLevel;
        this.#maker.transport?.changeSettings(now.connections);
      },
    });
  }

  #newLife(): EngineLife<EmbeddedEngine> {
    const { clock, random, log } = this.#options;
    return new EngineLife({
      clock,
      random,
      open: async (onFatal) => {
        const home = await this.#home.settle(this.#ending.signal);
        return await this.#maker.open(home, onFatal);
      },
      onStarted: (engine) => {
        this.#slot.fill(engine);
        this.#stand(engine);
        const options = { clock, log, absenceOf: (id: MemberId) => this.#peerLog.absenceOf(id) };
        const client = this.#clientAddress;
        const isCurrent = (): boolean => this.#life.engine === engine;
        this.#tasks.run((signal) => tellReadiness(options, { engine, client, isCurrent }, signal));
      },
      onRestart: (error) => {
        this.#slot.restart();
        log.error({ code: error.code, ...error.details }, `${error.message}; ${restartText}`);
      },
      onEnd: (error) => this.#fail(error),
    });
  }

  /** A step that ends after somebody asked for the end is the last one. */
  async #step<T>(work: () => Promise<T>): Promise<T> {
    const result = await work();
    if (!this.#closing) return result;
    throw new HoldfastError('shutting-down', 'this member was told to end while it started');
  }

  /** New calls are refused from here on, and the others know that this is no failure. */
  async #leave(): Promise<void> {
    this.#slot.close();
    await this.#reports.sayGoodbye();
  }

  async #close(): Promise<void> {
    this.#ending.abort(new HoldfastError('shutting-down', 'this member was told to end'));
    if (this.#slot.state === 'serving') await this.#leave();
    // Breaks off what the engine reads; whatever step is under way, no other one follows.
    else await this.#life.close();
    await this.#starting?.catch(() => undefined);
    await this.#tasks.close();
    this.#metrics.close();
    for (const close of this.#closers.reverse()) await close();
    this.#options.log.info('stopped');
  }

  /** A second process in the same directory would ruin it. */
  async #lock(): Promise<void> {
    const root = this.#root;
    makeRoot(root);
    const lock = await lockDirectory(root, process.pid);
    this.#closers.push(() => lock.close());
  }

  /** Before the engine: a member that recovers for minutes says so, and is not taken for dead. */
  async #openDoor(): Promise<void> {
    const { settings, log } = this.#options;
    const app = this.#buildDoor();
    this.#closers.push(() => app.close());
    const bound = await listenHttp(app, settings.listenClient);
    this.#clientAddress = settings.advertiseClient ?? bound;
    log.info({ client: bound, dataDir: this.#root, version }, 'listening for clients');
  }

  /** Before the directory gets an identity, which holds the peer address for ever. */
  async #probePeerPort(): Promise<void> {
    const { listenPeer } = this.#options.settings;
    await probeAddress(listenPeer, '--listen-peer');
  }

  #buildDoor(): FastifyInstance {
    const { settings, clock, log } = this.#options;
    const contents = new ContentChecker({ clock });
    const nameOf = (id: MemberId): string => this.#peerLog.nameOf(id);
    const { canFlipMemory } = this.#options;
    const engine = (): EmbeddedEngine | undefined => this.#life.engine;
    const integrity = { engine, log, canFlipMemory };
    const links = { links: () => this.#maker.transport, nameOf, log };
    return buildHttpApp({
      slot: this.#slot,
      clock,
      access: new Access({ slot: this.#slot, clock, tokenLifeMs: settings.tokenLifeMs }),
      version,
      metrics: this.#metrics,
      etcd: settings.etcd,
      clientAddress: () => this.#clientAddress,
      tls: this.#certificates.door,
      onTurnedAway: (from, reason) => this.#peerLog.client(from, reason),
      routes: [
        configRoutes({ historyMax: settings.configVersionsMax, contents }),
        diagnosisRoutes(this.#reports, this.#watch),
        (app, context) => linkRoutes(app, context, links),
        (app, context) => memberRoutes(app, context, { engine, log }),
        (app) => settingRoutes(app, { settings: this.#live, log }),
        (app, context) => integrityRoutes(app, context, integrity),
        (app, context) => backupRoutes(app, context, { engine, log }),
      ],
      operator: operatorOptions({ ...this.#options, engine, reports: this.#reports }),
      failures: this.#failures,
      onFault: (error, where) => log.error({ err: error, where }, 'a request met a fault'),
      limits: {
        bodyBytesMax: settings.valueBytesMax,
        headersTimeoutMs: settings.headersTimeoutMs,
        requestTimeoutMs: settings.requestTimeoutMs,
        callTimeoutMs: settings.callTimeoutMs,
        connectionsMax: settings.connectionsMax,
        watchesMax: settings.etcd.watchersMax,
        framesUnreadBytesMax: settings.etcd.watchUnreadBytesMax,
      },
    });
  }

  #phases(): readonly RecoveryPhase[] {
    return this.#life.engine?.status().recovery ?? [];
  }

  get #root(): string {
    return resolve(this.#options.settings.dataDir);
  }
}
