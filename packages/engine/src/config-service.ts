// The configuration centre over any Engine: runs the plans of `domain` and decodes what comes back.
// It owns no state: everything is in the engine, and any number of services on any members may work
// at once. Names and contents are checked here, so that no door can forget it.
import type { Clock } from '@holdfast/base/clock';
import { HoldfastError, isHoldfastError } from '@holdfast/base/errors';
import type { Revision } from '@holdfast/base/ids';
import { sha256 } from '@holdfast/base/sha256';
import type { ConfigCondition } from '@holdfast/domain/config-condition';
import {
  type ConfigFilter,
  type ConfigKey,
  configKey,
  describeConfigKey,
} from '@holdfast/domain/config-key';
import {
  type ChangeBase,
  type ConfigPlan,
  historyDefault,
  planDelete,
  planPublish,
  planRollback,
  pruneRange,
} from '@holdfast/domain/config-plan';
import {
  type ConfigState,
  type Configuration,
  configurationOf,
  type PlacedVersion,
} from '@holdfast/domain/config-record';
import { type ConfigFormat, contentBytesMax, detectFormat } from '@holdfast/domain/format';
import { txnRequest } from '@holdfast/domain/requests';
import type { TxnRequest } from '@holdfast/proto/internal';
import { AppliedBefore } from './applied-before.ts';
import { ConfigChanges } from './config-changes.ts';
import {
  type ConfigContent,
  type ConfigHistory,
  type ConfigList,
  ConfigReader,
} from './config-reader.ts';
import { ConfigWatch, type ConfigWatchRequest } from './config-watch.ts';
import { type ContentCheck, checkHere } from './content-check.ts';
import type {
  Answer,
  Consistency,
  Engine,
  ReadOptions,
  ResponseHeader,
  WriteOptions,
} from './engine.ts';
import { KeyedLanes } from './keyed-lanes.ts';

export type ConfigServiceOptions = {
  readonly engine: Engine;
  /** Its wall clock stands in the records (for display); nothing else is timed by it. */
  readonly clock: Clock;
  /** Versions kept of each configuration; default 100. */
  readonly historyMax?: number;
  /** Default 1 MiB. */
  readonly contentBytesMax?: number;
  /** Default: in this thread. */
  readonly checkContent?: ContentCheck | undefined;
};

export type PublishRequest = {
  readonly key: ConfigKey;
  readonly content: Uint8Array;
  /** Default: see `detectFormat` (name, media type, what it was before). */
  readonly format?: ConfigFormat | undefined;
  readonly mediaType?: string | undefined;
  readonly comment?: string | undefined;
  readonly condition?: ConfigCondition | undefined;
  /** A new version even if content and format are those that are there. */
  readonly force?: boolean | undefined;
};

export type RollbackRequest = {
  readonly key: ConfigKey;
  readonly version: number;
  readonly comment?: string | undefined;
  readonly condition?: ConfigCondition | undefined;
};

export type DeleteRequest = {
  readonly key: ConfigKey;
  readonly comment?: string | undefined;
  readonly condition?: ConfigCondition | undefined;
};

/** `changed` false: it was so already, and nothing was written. */
export type ConfigChange = { readonly item: Configuration; readonly changed: boolean };

/** A change that others keep getting in the way of gives up after so many. */
/** Changes of one configuration that wait on this member for those before. */
const changesWaitingMax = 4096;
const attemptsMax = 64;
export const listLimitMax = 1000;

const stale: Consistency = { level: 'stale' };
const latest: Consistency = { level: 'linearizable' };

type Planner = (base: ChangeBase) => Promise<ConfigPlan>;
type Change = Answer<{ readonly placed: PlacedVersion; readonly changed: boolean }>;

export class ConfigService {
  readonly contentBytesMax: number;
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #historyMax: number;
  readonly #checkContent: ContentCheck;
  readonly #lanes = new KeyedLanes(changesWaitingMax);
  readonly #reader: ConfigReader;
  readonly #changes: ConfigChanges;

  constructor(options: ConfigServiceOptions) {
    this.#engine = options.engine;
    this.#clock = options.clock;
    this.#historyMax = Math.max(1, options.historyMax ?? historyDefault);
    this.contentBytesMax = options.contentBytesMax ?? contentBytesMax;
    this.#checkContent = options.checkContent ?? checkHere;
    this.#reader = new ConfigReader(options.engine);
    this.#changes = new ConfigChanges(this.#reader);
  }

  /**
   * Publishes a content. The same content in the same format again is no change, unless `force` is
   * set: a repeated publication is harmless. Throws `invalid-argument` (with line and column),
   * `too-large`, `failed-precondition` (a condition does not hold), and whatever the engine refuses
   * with.
   */
  async publish(request: PublishRequest, options: WriteOptions): Promise<Answer<ConfigChange>> {
    const { key, content, format, mediaType } = checked(request);
    const hinted = detectFormat({ format, name: key.name, mediaType });
    const check = { bytesMax: this.contentBytesMax, signal: options.signal };
    await this.#checkContent(content, hinted ?? 'text', check);
    const facts = { content, contentHash: sha256(content), force: request.force ?? false };
    let passed = hinted ?? 'text';
    const { header, body } = await this.#change(request, options, async (base) => {
      const wanted = hinted ?? base.state?.latest.format ?? 'text';
      if (wanted !== passed) await this.#checkContent(content, wanted, check);
      passed = wanted;
      return planPublish({ ...base, ...facts, format: wanted });
    });
    return { header, body: { item: publishedItem(key, body.placed), changed: body.changed } };
  }

  /** Publishes the content of an older version again. Also brings a deleted configuration back. */
  async rollback(request: RollbackRequest, options: WriteOptions): Promise<Answer<ConfigChange>> {
    const { key, version } = checked(request);
    const { header, body } = await this.#change(request, options, async (base) => {
      const target = await this.#reader.versions(
        key,
        { lo: version, hi: version + 1 },
        { ...options, consistency: stale, ...atLeast(base.state) },
      );
      if (target[0]) return planRollback({ ...base, target: target[0] });
      throw new HoldfastError(
        'not-found',
        `${describeConfigKey(key)} has no version ${version} (any more)`,
      );
    });
    return { header, body: { item: publishedItem(key, body.placed), changed: body.changed } };
  }

  /** Ends a configuration; its history stays. Throws `not-found`, `failed-precondition`. */
  async delete(request: DeleteRequest, options: WriteOptions): Promise<Answer<PlacedVersion>> {
    checked(request);
    const { header, body } = await this.#change(request, options, async (base) => planDelete(base));
    return { header, body: body.placed };
  }

  /** The present content; throws `not-found`. */
  get(key: ConfigKey, options: ReadOptions): Promise<Answer<ConfigContent>> {
    return this.#reader.content(checkedKey(key), options);
  }

  /** As `get`, without the content. */
  head(key: ConfigKey, options: ReadOptions): Promise<Answer<Configuration>> {
    return this.#reader.head(checkedKey(key), options);
  }

  /** The content that a version had; throws `not-found`, also for a delete. */
  getVersion(
    key: ConfigKey,
    version: number,
    options: ReadOptions,
  ): Promise<Answer<ConfigContent>> {
    return this.#reader.versionContent(checkedKey(key), version, options);
  }

  /** Sorted by namespace, group, name; a page may be short while its cursor says there is more. */
  list(
    filter: ConfigFilter,
    page: { readonly limit?: number | undefined; readonly cursor?: string | undefined },
    options: ReadOptions,
  ): Promise<Answer<ConfigList>> {
    const limit = Math.min(Math.max(1, page.limit ?? 100), listLimitMax);
    return this.#reader.list(filter, { limit, cursor: page.cursor }, options);
  }

  /** Newest first, deletes included. */
  history(
    key: ConfigKey,
    page: { readonly limit?: number | undefined; readonly before?: number | undefined },
    options: ReadOptions,
  ): Promise<Answer<ConfigHistory>> {
    const limit = Math.min(Math.max(1, page.limit ?? 100), listLimitMax);
    return this.#reader.history(checkedKey(key), { limit, before: page.before }, options);
  }

  /** Every change that the filter matches, in order, each once. Rejects with `compacted`. */
  watch(
    request: ConfigWatchRequest,
    options: Omit<ReadOptions, 'consistency'>,
  ): Promise<ConfigWatch> {
    return ConfigWatch.open({ engine: this.#engine, changes: this.#changes }, request, options);
  }

  /**
   * Reads, plans, commits; again from the start while somebody else's change comes in between. The
   * first read is of this member's own state, however old: the transaction pins what was read, so
   * that a plan on an old state is refused and harmless, and a good one has cost one round less.
   * What is not a write (no change, a refusal) is answered only from a linearizable read.
   */
  #change(request: DeleteRequest, options: WriteOptions, plan: Planner): Promise<Change> {
    // Changes of one configuration that come at once would refuse each other's transactions.
    return this.#lanes.run(describeConfigKey(request.key), () => {
      options.signal?.throwIfAborted();
      return options.session
        ? this.#changeOnce(request, options, plan)
        : this.#tryChange(request, options, plan);
    });
  }

  /**
   * In a session every answer comes from the first proposal with this sequence, whatever the
   * present state would make of the request: so a refusal, too, is put into the log as a
   * transaction that does nothing, and there is one try, for another plan is another write.
   */
  async #changeOnce(request: DeleteRequest, options: WriteOptions, plan: Planner): Promise<Change> {
    const { header, base } = await this.#base(request, options, latest);
    const planned = await plan(base).catch((error: unknown) => {
      if (isHoldfastError(error) && !error.retryable) return error;
      throw error;
    });
    const isRefused = planned instanceof HoldfastError;
    const isWrite = !isRefused && planned.type === 'write';
    const first = await this.#firstAnswer(isWrite ? planned.txn : txnRequest({}), options);
    if (!first.body.succeeded) throw overtaken(request.key);
    if (first.body.wrote) return await this.#changeAt(request.key, first.header, options);
    if (isRefused) throw planned;
    if (planned.type === 'write') throw answeredBefore(request.key);
    return { header, body: { placed: planned.state.latest, changed: false } };
  }

  /** What the first proposal with the session's sequence did; this one, if there was none. */
  async #firstAnswer(txn: TxnRequest, options: WriteOptions) {
    try {
      const { header, body } = await this.#engine.txn(txn, options);
      const { succeeded, responses } = body;
      return { header, body: { succeeded, wrote: responses.length > 0 } };
    } catch (error) {
      if (!(error instanceof AppliedBefore)) throw error;
      const { clusterId, memberId, term } = this.#engine.status();
      const header = { clusterId, memberId, term, revision: error.revision, ageMs: 0 };
      return { header, body: { succeeded: error.succeeded, wrote: true } };
    }
  }

  async #changeAt(key: ConfigKey, header: ResponseHeader, options: WriteOptions): Promise<Change> {
    const { revision } = header;
    try {
      const placed = await this.#reader.changeAt(key, revision, options);
      if (placed) return { header, body: { placed, changed: true } };
    } catch (error) {
      // The change stands; what it was is no longer kept.
      if (!isHoldfastError(error, 'compacted')) throw error;
      throw new AppliedBefore({ revision, succeeded: true });
    }
    throw usedForAnother(revision);
  }

  async #tryChange(request: DeleteRequest, options: WriteOptions, plan: Planner): Promise<Change> {
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      const { header, base } = await this.#base(request, options, attempt === 0 ? stale : latest);
      const planned = await plan(base).catch((error: unknown) => {
        // What an old state refuses, the present one may allow: it is asked next.
        if (attempt > 0 || !isHoldfastError(error)) throw error;
      });
      if (planned?.type === 'write') {
        const answer = await this.#engine.txn(planned.txn, options);
        if (answer.body.succeeded) {
          const { revision } = answer.header;
          const placed = { ...planned.record, revision };
          return { header: answer.header, body: { placed, changed: true } };
        }
      }
      if (planned?.type === 'unchanged' && attempt > 0) {
        return { header, body: { placed: planned.state.latest, changed: false } };
      }
    }
    throw new HoldfastError(
      'unavailable',
      `${describeConfigKey(request.key)} was changed by others ${attemptsMax} times meanwhile; ` +
        'nothing was written',
    );
  }

  async #base(request: DeleteRequest, options: WriteOptions, consistency: Consistency) {
    const { key } = request;
    const { header, body: state } = await this.#reader.state(key, { ...options, consistency });
    const span = pruneRange(state, this.#historyMax);
    const local = { ...options, consistency: stale, ...atLeast(state) };
    const obsolete = span ? await this.#reader.versions(key, span, local) : [];
    const base: ChangeBase = {
      key,
      state,
      condition: request.condition ?? {},
      actor: options.actor,
      comment: request.comment ?? '',
      wallMs: this.#clock.wallMs(),
      obsolete,
    };
    return { header, base };
  }
}

const overtaken = (key: ConfigKey): HoldfastError =>
  new HoldfastError(
    'conflict',
    `${describeConfigKey(key)} was changed by somebody else at the same time; nothing was ` +
      'written: try again, with the next sequence',
  );

const usedForAnother = (at: Revision): HoldfastError =>
  new HoldfastError(
    'conflict',
    `this sequence of the session was used for another write, at revision ${at}: nothing was ` +
      'done now',
  );

const answeredBefore = (key: ConfigKey): HoldfastError =>
  new HoldfastError(
    'conflict',
    `the first write of ${describeConfigKey(key)} with this sequence was answered, and wrote ` +
      'nothing; nor does this one: use the next sequence',
  );

/** Reads that follow the state's own must see at least what it saw. */
function atLeast(state: ConfigState | undefined): { minRevision?: Revision } {
  return state ? { minRevision: state.latest.revision } : {};
}

function publishedItem(key: ConfigKey, placed: PlacedVersion): Configuration {
  const item = configurationOf(key, placed);
  // Only in a session: what the sequence was used for first was a delete.
  if (!item) throw usedForAnother(placed.revision);
  return item;
}

const checkedKey = (key: ConfigKey): ConfigKey => configKey(key.namespace, key.group, key.name);

function checked<T extends { readonly key: ConfigKey }>(request: T): T {
  checkedKey(request.key);
  return request;
}
