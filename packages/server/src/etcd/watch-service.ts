// etcd's Watch: what all its streams share.
import type { Clock } from '@holdfast/base/clock';

import type { GrpcMethod } from '../grpc/method.ts';
import type { Figure } from '../metrics.ts';
import type { EtcdServiceOptions } from './etcd-service-options.ts';
import type { EtcdSettings } from './etcd-settings.ts';
import { etcdStatusOf } from './etcd-status.ts';
import { UnreadEvents } from './unread-events.ts';
import { WatchAnswers } from './watch-answers.ts';
import { WatchStream } from './watch-stream.ts';
import { WatcherCount } from './watcher.ts';

export type WatchServiceOptions = EtcdServiceOptions & {
  readonly clock: Clock;
  readonly settings: EtcdSettings;
  /** For the figures of this service. */
  readonly show: (...figures: readonly Figure[]) => void;
};

/** What an answer may have beyond the largest request, as etcd reckons it. */
const overheadBytes = 512 * 1024;

export function watchService(options: WatchServiceOptions): ReadonlyMap<string, GrpcMethod> {
  const { engine, clock, settings, requestBytesMax } = options;
  const unread = new UnreadEvents({ clock, bytesMax: settings.watchUnreadBytesMax });
  const shared = {
    ...{ clock, unread },
    answers: new WatchAnswers(),
    watchers: new WatcherCount(settings.watchersMax),
    progressMs: settings.watchProgressMs,
    answerBytesMax: requestBytesMax + overheadBytes,
  };
  options.show(...figuresOf(unread));
  const watch: GrpcMethod = {
    kind: 'stream',
    name: 'Watch/Watch',
    statusOf: etcdStatusOf,
    open: (call) => new WatchStream(call, { ...shared, engine: engine() }),
  };
  return new Map([['/etcdserverpb.Watch/Watch', watch]]);
}

const figuresOf = (unread: UnreadEvents): readonly Figure[] => [
  {
    name: 'watch_unread_bytes',
    help: 'Answers to watches that were sent and not read',
    read: () => unread.bytes,
  },
  {
    name: 'watch_streams_given_up_total',
    help: 'Watch streams that were ended because their unread answers were in the way',
    read: () => unread.givenUp,
  },
];
