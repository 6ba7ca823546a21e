// `/v1/diagnosis`: what is wrong with the cluster, in sentences; `/v1/members`: what each member
// says of itself. Both ask all members at once and answer in under a second, whoever is dark (A-03,
//
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { type AskedMember, diagnose } from '../diagnosis.ts';
import { memberReportSchema } from '../member-report.ts';
import type { AskedAll, MemberReports } from '../member-reports.ts';
import type { MemberWatch } from '../member-watch.ts';
import type { RouteGroup } from './http-context.ts';
import { responses } from './schemas.ts';

const askedSchema = Type.Object({
  id: Type.String(),
  name: Type.String(),
  voter: Type.Boolean(),
  answered: Type.Boolean(),
  reason: Type.Union([Type.String(), Type.Null()], { description: 'why it did not answer' }),
});

const judgedSchema = Type.Object({
  status: Type.Union([Type.String(), Type.Null()], {
    description: 'healthy, degraded, failed or shutting-down, by several looks and observers',
  }),
  statusReason: Type.Union([Type.String(), Type.Null()]),
  report: Type.Union([memberReportSchema, Type.Null()]),
});

const findingSchema = Type.Object({
  case: Type.String(),
  severity: Type.String({ description: 'critical, warning or info' }),
  members: Type.Array(Type.String()),
  says: Type.String({ description: 'what it is, what it means, what to do' }),
});

const diagnosisSchema = Type.Object({
  by: Type.String({ description: 'the member that has asked the others' }),
  well: Type.Boolean({ description: 'nothing critical, and nothing to be warned of' }),
  findings: Type.Array(findingSchema),
  members: Type.Array(askedSchema),
});

const membersSchema = Type.Object({
  by: Type.String(),
  members: Type.Array(Type.Intersect([askedSchema, judgedSchema])),
});

const tags = ['member'];

export const diagnosisRoutes =
  (reports: MemberReports, watch: Pick<MemberWatch, 'verdictOn'>): RouteGroup =>
  (app: FastifyInstance) => {
    app.get(
      '/v1/diagnosis',
      {
        schema: {
          tags,
          summary: 'What is wrong with the cluster, in sentences',
          response: responses(diagnosisSchema),
        },
      },
      async () => diagnosisView(await reports.askAll()),
    );
    app.get(
      '/v1/members',
      {
        schema: {
          tags,
          summary: 'What each member says of itself, and who does not answer',
          response: responses(membersSchema),
        },
      },
      async () => membersView(await reports.askAll(), watch),
    );
  };

function diagnosisView({ by, members }: AskedAll) {
  const findings = diagnose(members);
  return {
    by: by.name,
    well: findings.every(({ severity }) => severity === 'info'),
    findings,
    members: members.map(askedView),
  };
}

const membersView = ({ by, members }: AskedAll, watch: Pick<MemberWatch, 'verdictOn'>) => ({
  by: by.name,
  members: members.map((member) => {
    const verdict = watch.verdictOn(member.id);
    return {
      ...askedView(member),
      status: verdict?.status ?? null,
      statusReason: verdict?.reason ?? null,
      report: member.report ?? null,
    };
  }),
});

const askedView = ({ id, name, isVoter, report, missing }: AskedMember) => ({
  id,
  name,
  voter: isVoter,
  answered: report !== undefined,
  reason: report ? null : (missing ?? 'no answer'),
});
