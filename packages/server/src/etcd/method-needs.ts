// What a method asks of whoever calls it while access control is on, in one table for all services.
// What is about keys and leases is the engine's to judge, which knows what is asked for; the Auth
// service is judged by the rules that it changes. A method that nobody has listed is root's.
import { AlarmRequest, AlarmRequest_AlarmAction } from '@holdfast/proto/etcd';

import type { Access } from '../access/access.ts';
import {
  decoded,
  type GrpcMethod,
  type GrpcMethods,
  type StreamMethod,
  type StreamReader,
  type UnaryMethod,
} from '../grpc/method.ts';

/** `open`: anybody's, also with a token that counts no more. */
type Need = 'open' | 'engine' | 'root';

type MethodNeed = Need | ((message: Uint8Array) => Need);

/** By whole services, or by paths within them. */
const needs: Readonly<Record<string, MethodNeed>> = {
  'etcdserverpb.KV': 'engine',
  'etcdserverpb.Watch': 'engine',
  'etcdserverpb.Lease': 'engine',
  'etcdserverpb.Auth': 'engine',
  'etcdserverpb.Auth/Authenticate': 'open',
  'etcdserverpb.Cluster/MemberList': 'open',
  'etcdserverpb.Maintenance/Status': 'open',
  'etcdserverpb.Maintenance/Alarm': (message) => needOfAlarm(decoded(AlarmRequest, message)),
  'v3lockpb.Lock': 'engine',
  'v3electionpb.Election': 'engine',
  'grpc.health.v1.Health': 'open',
  'grpc.reflection.v1.ServerReflection': 'open',
  'grpc.reflection.v1alpha.ServerReflection': 'open',
};

/** To look at alarms is anybody's. */
const needOfAlarm = ({ action }: AlarmRequest): Need =>
  action === AlarmRequest_AlarmAction.GET ? 'open' : 'root';

/** The same methods, with those judged that no engine judges. */
export function judged(methods: GrpcMethods, access: Access): GrpcMethods {
  return new Map([...methods].map(([path, method]) => [path, judgedMethod(path, method, access)]));
}

function judgedMethod(path: string, method: GrpcMethod, access: Access): GrpcMethod {
  const need = needOf(path);
  if (need === 'engine') return method;
  if (need === 'open') return { ...method, isOpen: true };
  return method.kind === 'unary' ? judgedUnary(method, need, access) : judgedStream(method, access);
}

function needOf(path: string): MethodNeed {
  const [service, name] = path.slice(1).split('/');
  return needs[`${service}/${name}`] ?? needs[service ?? ''] ?? 'root';
}

function judgedUnary(method: UnaryMethod, need: MethodNeed, access: Access): UnaryMethod {
  const handle: UnaryMethod['handle'] = async (message, call) => {
    const asked = typeof need === 'function' ? need(message) : need;
    if (asked === 'root') await access.requireRoot(call.subject, call.signal);
    return await method.handle(message, call);
  };
  return { ...method, handle };
}

/** Of what the client says nothing is read before it is known whether it may. */
function judgedStream(method: StreamMethod, access: Access): StreamMethod {
  const open: StreamMethod['open'] = (call) => {
    let reader: StreamReader | undefined;
    call.pause();
    access.requireRoot(call.subject, call.signal).then(
      () => {
        if (call.signal.aborted) return;
        try {
          reader = method.open(call);
        } catch (error) {
          return call.end(method.statusOf(error));
        }
        call.resume();
      },
      (error: unknown) => call.end(method.statusOf(error)),
    );
    return {
      onMessage: (message) => reader?.onMessage(message),
      // Said again when it is read on.
      onEnd: () => reader?.onEnd(),
      onRoom: () => reader?.onRoom(),
      onGone: () => reader?.onGone(),
    };
  };
  return { ...method, open };
}
