// `/v1/recovery`: how far a start is, what it found and what it waits for (D-01, D-12). Answers from
// the first moment on, while there is no engine yet, and waits for nobody.
import type { EngineStatus, RecoveryFindings, RecoveryPhase } from '@holdfast/engine/engine';
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';

import type { EngineSlot } from '../engine-slot.ts';
import type { HttpContext } from './http-context.ts';
import { responses } from './schemas.ts';

const nullable = (type: ReturnType<typeof Type.Integer>) => Type.Union([type, Type.Null()]);

const amountSchema = Type.Object({
  unit: Type.String({ description: 'bytes or entries' }),
  done: Type.Integer(),
  total: Type.Integer(),
});

const phaseSchema = Type.Object({
  name: Type.String(),
  state: Type.String({ description: 'waiting, running, done or failed' }),
  durationMs: nullable(Type.Integer()),
  progress: Type.Union([Type.Number(), Type.Null()], { description: '0 to 1, while running' }),
  etaMs: nullable(Type.Integer({ description: 'to the end of the phase, as it went so far' })),
  amount: Type.Union([amountSchema, Type.Null()]),
  detail: Type.String(),
});

const findingsSchema = Type.Object({
  statusCopiesBad: Type.Integer(),
  tornBytes: Type.Integer({ description: 'an unfinished last write, which was cut' }),
  damaged: Type.Union([Type.Object({ from: Type.Integer(), reason: Type.String() }), Type.Null()]),
});

const recoverySchema = Type.Object({
  stage: Type.String({
    description: 'starting, replaying, repairing, waiting, serving, failed or stopping',
  }),
  ready: Type.Boolean({ description: 'a first read barrier has passed' }),
  initialised: Type.Boolean({ description: 'all that was known to be committed is applied' }),
  reason: Type.Union([Type.String(), Type.Null()]),
  phases: Type.Array(phaseSchema),
  findings: Type.Union([findingsSchema, Type.Null()]),
});

export function recoveryRoutes(app: FastifyInstance, { slot }: HttpContext): void {
  app.get(
    '/v1/recovery',
    {
      schema: {
        tags: ['member'],
        summary: 'How far the start is, and what it found',
        response: responses(recoverySchema),
      },
    },
    () => recoveryView(slot),
  );
}

function recoveryView(slot: EngineSlot) {
  const status = slot.status();
  const reason = slot.notReadyReason();
  return {
    stage: stageOf(slot, status),
    ready: reason === undefined,
    initialised: status?.initialised ?? false,
    reason: reason ?? null,
    phases: slot.phases().map(phaseView),
    findings: status?.findings ? findingsView(status.findings) : null,
  };
}

function stageOf(slot: EngineSlot, status: EngineStatus | undefined): string {
  if (slot.state === 'failed') return 'failed';
  if (slot.state === 'closing') return 'stopping';
  if (slot.state === 'starting' || !status) return 'starting';
  if (status.role === 'repairing') return 'repairing';
  if (!status.initialised) return 'replaying';
  return status.ready ? 'serving' : 'waiting';
}

const phaseView = (phase: RecoveryPhase) => ({
  name: phase.name,
  state: phase.state,
  durationMs: rounded(phase.durationMs),
  progress: phase.progress ?? null,
  etaMs: rounded(phase.etaMs),
  amount: phase.amount ?? null,
  detail: phase.detail,
});

const findingsView = ({ statusCopiesBad, tornBytes, damaged }: RecoveryFindings) => ({
  statusCopiesBad,
  tornBytes,
  damaged: damaged ?? null,
});

const rounded = (value: number | undefined): number | null =>
  value === undefined ? null : Math.ceil(value);
