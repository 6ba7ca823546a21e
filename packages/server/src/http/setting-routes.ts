// `/v1/settings`: the settings that may change while this member runs, and their change. Of
// this process alone, and until its end: what shall stay belongs into its file.
import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';

import type { LiveSettings } from '../live-settings.ts';
import type { Log } from '../log.ts';
import { actorOf } from './caller.ts';
import { responses } from './schemas.ts';

export type SettingRouteOptions = {
  readonly settings: LiveSettings;
  readonly log: Pick<Log, 'info'>;
};

const tags = ['member'];

const valueSchema = Type.Unknown({ description: 'a number, or a word of a choice' });

const settingSchema = Type.Object({
  value: valueSchema,
  source: Type.String({ description: 'default, file, variable, flag or live (the strongest)' }),
  default: valueSchema,
  lo: Type.Optional(Type.Integer({ description: 'the least that a number may be' })),
  hi: Type.Optional(Type.Integer({ description: 'the most that a number may be' })),
  of: Type.Optional(Type.Array(Type.String(), { description: 'the words of a choice' })),
});

const settingsSchema = Type.Record(Type.String(), settingSchema, {
  description: 'by key, as in holdfast.yaml',
});
const changesSchema = Type.Record(
  Type.String(),
  Type.Object({ from: valueSchema, to: valueSchema }),
  { description: 'what is different now' },
);

const bodySchema = Type.Record(Type.String(), Type.Unknown(), {
  description: 'new values by key; null takes an earlier change back',
});

export function settingRoutes(app: FastifyInstance, options: SettingRouteOptions): void {
  const { settings, log } = options;
  app.get(
    '/v1/settings',
    {
      schema: {
        tags,
        summary: 'The settings of this member that may change while it runs',
        response: responses(Type.Object({ settings: settingsSchema })),
      },
    },
    () => ({ settings: settings.view }),
  );
  app.patch<{ Body: Static<typeof bodySchema> }>(
    '/v1/settings',
    {
      schema: {
        tags,
        summary: 'Change settings of this member, until its process ends',
        description: 'All or none, judged together with all others as at the start.',
        body: bodySchema,
        response: responses(Type.Object({ settings: settingsSchema, changed: changesSchema })),
      },
    },
    (request) => {
      const actor = actorOf(request.raw);
      const changed = settings.change(request.body);
      log.info({ actor, changed }, 'settings were changed, until this process ends');
      return { settings: settings.view, changed };
    },
  );
}
