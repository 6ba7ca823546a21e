// `/v1/recovery`: how far a start is, what it found and what it waits for (D-01, D-12). Answers
// from the first moment on, while there is no engine yet, and waits for nobody.
import { formatId, type MemberId } from '@holdfast/base/ids';
import type {
  EngineStatus,
  InstallStatus,
  RecoveryFindings,
  RecoveryPhase,
  RepairStatus,
} from '@holdfast/engine/engine';
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';

import type { EngineSlot } from '../engine-slot.ts';
import { roundedOrNull } from '../nullable.ts';
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

const installSchema = Type.Object({
  from: Type.String({ description: 'the member that sends the snapshot' }),
  step: Type.String({ description: 'receiving, loading or switching' }),
  doneBytes: Type.Integer(),
  totalBytes: Type.Integer(),
});

const repairSchema = Type.Object({
  from: Type.Integer({ description: 'the first entry that was lost' }),
  through: Type.Integer(),
  fetched: Type.Integer({ description: 'verified so far' }),
  peer: Type.Union([Type.String(), Type.Null()]),
  waitsFor: Type.String(),
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
  install: Type.Union([installSchema, Type.Null()]),
  repair: Type.Union([repairSchema, Type.Null()]),
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
    install: status?.install ? installView(status.install, nameIn(status)) : null,
    repair: status?.repair ? repairView(status.repair, nameIn(status)) : null,
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
  durationMs: roundedOrNull(phase.durationMs),
  progress: phase.progress ?? null,
  etaMs: roundedOrNull(phase.etaMs),
  amount: phase.amount ?? null,
  detail: phase.detail,
});

const findingsView = ({ statusCopiesBad, tornBytes, damaged }: RecoveryFindings) => ({
  statusCopiesBad,
  tornBytes,
  damaged: damaged ?? null,
});

type NameOf = (id: MemberId) => string;

const nameIn =
  ({ peers }: EngineStatus): NameOf =>
  (id) =>
    peers.find(({ memberId }) => memberId === id)?.name ?? formatId(id);

const installView = ({ from, step, doneBytes, totalBytes }: InstallStatus, nameOf: NameOf) => ({
  from: nameOf(from),
  step,
  doneBytes,
  totalBytes,
});

const repairView = ({ from, through, fetched, peer, waitsFor }: RepairStatus, nameOf: NameOf) => ({
  from,
  through,
  fetched,
  peer: peer === undefined ? null : nameOf(peer),
  waitsFor,
});
