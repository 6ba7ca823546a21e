// `/v1/integrity`: how this member's state stands beside those of the others, and a comparison now;
// `/v1/scrub`: what was read again of its files, and a pass now (safety.md 10, D-18). About the
// member that answers.
import { HoldfastError } from '@holdfast/base/errors';
import { formatId, type MemberId } from '@holdfast/base/ids';
import type { EmbeddedEngine } from '@holdfast/engine/embedded-engine';
import type { IntegrityStatus, ScrubStatus } from '@holdfast/engine/integrity-status';
import { quarantineText } from '@holdfast/engine/integrity-status';
import type { StateVerdict } from '@holdfast/engine/state-verdict';
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';

import type { Log } from '../log.ts';
import { roundedOrNull } from '../nullable.ts';
import { withCall } from './call.ts';
import { actorOf } from './caller.ts';
import { flipRoute } from './flip-route.ts';
import type { HttpContext } from './http-context.ts';
import { responses } from './schemas.ts';

export type IntegrityRouteOptions = {
  /** Undefined while there is none. */
  readonly engine: () => EmbeddedEngine | undefined;
  readonly log: Pick<Log, 'info' | 'warn'>;
  /** For tests: see flip-route.ts. */
  readonly canFlipMemory?: boolean | undefined;
};

const tags = ['member'];
const maybe = <T extends Parameters<typeof Type.Union>[0][number]>(type: T) =>
  Type.Union([type, Type.Null()]);
const answering = {
  member: Type.String({ description: 'whose view it is' }),
  memberId: Type.String(),
};

const integritySchema = Type.Object({
  ...answering,
  checkIndex: maybe(Type.Integer({ description: 'the log entry of the last comparison' })),
  verdict: Type.String({ description: 'open, equal, odd or undecided' }),
  odd: Type.Array(Type.Object({ member: Type.String(), partsDiffering: Type.Integer() })),
  reports: Type.Array(
    Type.Object({
      member: Type.String(),
      rolling: Type.String({ description: 'hash over all changes' }),
      content: Type.String({ description: 'hash over what lies in memory' }),
      doubted: Type.Boolean(),
      unproven: Type.Boolean({ description: 'sent by another member, not found equal since' }),
    }),
  ),
  quarantine: maybe(
    Type.Object({
      says: Type.String(),
      checkIndex: Type.Integer(),
      partsDiffering: Type.Integer(),
      since: Type.String({ description: 'ISO 8601' }),
      replaced: Type.Boolean({ description: 'another member has sent a new state' }),
    }),
  ),
  checks: Type.Integer({ description: 'comparisons in which a majority agreed, since the start' }),
  reseeds: Type.Integer({ description: 'states that were sent to members in doubt' }),
});

const scrubSchema = Type.Object({
  ...answering,
  running: maybe(
    Type.Object({ what: Type.String(), bytes: Type.Integer(), sinceMs: Type.Integer() }),
  ),
  last: maybe(
    Type.Object({
      ended: Type.String({ description: 'ISO 8601' }),
      tookMs: Type.Integer(),
      bytes: Type.Integer(),
      found: Type.Integer({ description: 'files that had rotten' }),
      whole: Type.Boolean({ description: 'every file was read to its end' }),
    }),
  ),
  passes: Type.Integer(),
  found: Type.Integer({ description: 'since the start' }),
});

export function integrityRoutes(
  app: FastifyInstance,
  context: HttpContext,
  options: IntegrityRouteOptions,
): void {
  compareRoutes(app, context, options);
  scrubRoutes(app, options);
  if (options.canFlipMemory) flipRoute(app, options);
}

function compareRoutes(
  app: FastifyInstance,
  context: HttpContext,
  options: IntegrityRouteOptions,
): void {
  const response = responses(integritySchema);
  const summary = 'How the state of this member stands beside those of the others';
  app.get('/v1/integrity', { schema: { tags, summary, response } }, () =>
    integrityView(engineOf(options)),
  );
  app.post(
    '/v1/integrity/check',
    { schema: { tags, summary: 'Compare the states of all members now', response } },
    async (request) => {
      const engine = engineOf(options);
      await withCall(context, { request }, ({ signal }) => engine.integrity.check(signal));
      return integrityView(engine);
    },
  );
  app.post(
    '/v1/integrity/overwrite',
    {
      schema: {
        tags,
        summary: 'Let this member, which is in quarantine, be overwritten however much differs',
        response,
      },
    },
    async (request) => {
      const engine = engineOf(options);
      const actor = actorOf(request.raw);
      await withCall(context, { request }, ({ signal }) => engine.integrity.allowOverwrite(signal));
      options.log.info({ actor }, 'the state of this member may be overwritten');
      return integrityView(engine);
    },
  );
}

function scrubRoutes(app: FastifyInstance, options: IntegrityRouteOptions): void {
  const response = responses(scrubSchema);
  app.get(
    '/v1/scrub',
    { schema: { tags, summary: 'What was read again of the files at rest', response } },
    () => scrubView(engineOf(options)),
  );
  app.post(
    '/v1/scrub',
    { schema: { tags, summary: 'Begin a pass over the files at rest now', response } },
    (request) => {
      const engine = engineOf(options);
      const actor = actorOf(request.raw);
      engine.soundness.scrubber?.start();
      options.log.info({ actor }, 'a pass over the files at rest was asked for');
      return scrubView(engine);
    },
  );
}

function engineOf({ engine }: IntegrityRouteOptions): EmbeddedEngine {
  const found = engine();
  if (found) return found;
  throw new HoldfastError('unavailable', 'this member is starting; /v1/recovery shows how far');
}

function integrityView(engine: EmbeddedEngine) {
  const status: IntegrityStatus = engine.integrity.status;
  const nameOf = (id: MemberId): string => engine.nameOf(id);
  const { checkIndex, verdict, reports, quarantine, checksDecided, reseeds } = status;
  return {
    ...answeringOf(engine),
    checkIndex: checkIndex ?? null,
    verdict: wordOf(verdict),
    odd:
      verdict.kind === 'decided'
        ? verdict.odd.map(({ report, partsDiffering }) => ({
            member: nameOf(report.member),
            partsDiffering,
          }))
        : [],
    reports: reports.map(({ member, stateHash, contentHash, doubted, unproven }) => ({
      member: nameOf(member),
      rolling: formatId(stateHash),
      content: formatId(contentHash),
      doubted,
      unproven,
    })),
    quarantine: quarantine
      ? {
          says: quarantineText(quarantine),
          checkIndex: quarantine.checkIndex,
          partsDiffering: quarantine.partsDiffering,
          since: new Date(quarantine.sinceMs).toISOString(),
          replaced: quarantine.isReplaced,
        }
      : null,
    checks: checksDecided,
    reseeds,
  };
}

function wordOf(verdict: StateVerdict): string {
  if (verdict.kind !== 'decided') return verdict.kind;
  return verdict.odd.length === 0 ? 'equal' : 'odd';
}

function scrubView(engine: EmbeddedEngine) {
  const status: ScrubStatus | undefined = engine.soundness.scrubber?.status;
  const { running, last } = status ?? {};
  return {
    ...answeringOf(engine),
    running: running
      ? { what: running.what, bytes: running.bytes, sinceMs: roundedOrNull(running.sinceMs) ?? 0 }
      : null,
    last: last
      ? {
          ended: new Date(last.endedMs).toISOString(),
          tookMs: roundedOrNull(last.tookMs) ?? 0,
          bytes: last.bytes,
          found: last.found,
          whole: last.isWhole,
        }
      : null,
    passes: status?.passes ?? 0,
    found: status?.found ?? 0,
  };
}

function answeringOf(engine: EmbeddedEngine) {
  const { name, memberId } = engine.status();
  return { member: name, memberId: formatId(memberId) };
}
