// gRPC's own service of reflection: tools ask it which services there are and what their messages
// look like, and need no .proto files. Under both of its names.
import { ServerReflectionRequest, ServerReflectionResponse } from '@holdfast/proto/grpc-reflection';

import { flat, shapeOf } from '../field-count.ts';
import type { DescriptorIndex } from './descriptor-index.ts';
import {
  decoded,
  framed,
  type GrpcMethods,
  type StreamCall,
  type StreamMethod,
  type StreamReader,
  shaped,
} from './method.ts';
import { GrpcStatus, statusCodes } from './status.ts';

export type ReflectionServiceOptions = {
  /** With their packages. */
  readonly services: () => Iterable<string>;
  readonly statusOf: (error: unknown) => GrpcStatus;
};

/** An extension is asked for in a message of its own. */
const boundRequest = shaped(ServerReflectionRequest, { shape: shapeOf([5, flat]) });

type Answer = NonNullable<ServerReflectionResponse['messageResponse']>;

export function reflectionService({ services, statusOf }: ReflectionServiceOptions): GrpcMethods {
  const method: StreamMethod = {
    kind: 'stream',
    name: 'ServerReflection/ServerReflectionInfo',
    statusOf,
    open: (call) => reflect(call, { services, statusOf }),
  };
  return new Map(
    ['v1', 'v1alpha'].map((version) => [`/grpc.reflection.${version}.${method.name}`, method]),
  );
}

let index: Promise<DescriptorIndex> | undefined;

async function loadIndex(): Promise<DescriptorIndex> {
  const { DescriptorIndex: Loaded } = await import('./descriptor-index.ts');
  return new Loaded();
}

/** One question at a time, and none is taken before the last answer has found room. */
function reflect(call: StreamCall, options: ReflectionServiceOptions): StreamReader {
  let hasEnded = false;
  let isBusy = false;
  const goOn = (): void => {
    isBusy = false;
    call.resume();
    if (hasEnded) call.end('ok');
  };
  const answer = async (message: Uint8Array): Promise<void> => {
    try {
      const request = decoded(boundRequest, message);
      index ??= loadIndex();
      const response = responseTo(request, answerTo(request, await index, options));
      if (call.send(framed(ServerReflectionResponse, response))) goOn();
    } catch (error) {
      call.end(error instanceof GrpcStatus ? error : options.statusOf(error));
    }
  };
  return {
    onMessage: (message) => {
      isBusy = true;
      call.pause();
      void answer(message); // Ends the call with whatever it meets.
    },
    onEnd: () => {
      hasEnded = true;
      if (!isBusy) call.end('ok');
    },
    onRoom: goOn,
    onGone: () => undefined,
  };
}

const responseTo = (
  request: ServerReflectionRequest,
  messageResponse: Answer,
): ServerReflectionResponse => ({
  validHost: request.host,
  originalRequest: request,
  messageResponse,
});

function answerTo(
  { messageRequest }: ServerReflectionRequest,
  files: DescriptorIndex,
  { services }: ReflectionServiceOptions,
): Answer {
  switch (messageRequest?.$case) {
    case 'listServices': {
      const service = [...services()].sort().map((name) => ({ name }));
      return { $case: 'listServicesResponse', value: { service } };
    }
    case 'fileByFilename':
      return filesOr(files.byName(messageRequest.value), messageRequest.value);
    case 'fileContainingSymbol':
      return filesOr(files.bySymbol(messageRequest.value), messageRequest.value);
    case 'fileContainingExtension':
      return notFound(`extension of ${messageRequest.value.containingType}`);
    case 'allExtensionNumbersOfType': {
      const name = messageRequest.value;
      if (!files.hasMessage(name)) return notFound(name);
      const value = { baseTypeName: name, extensionNumber: [] };
      return { $case: 'allExtensionNumbersResponse', value };
    }
    default:
      return failed(statusCodes.invalidArgument, 'the request asks for nothing that is known here');
  }
}

function filesOr(files: readonly Uint8Array[] | undefined, name: string): Answer {
  if (!files) return notFound(name);
  return { $case: 'fileDescriptorResponse', value: { fileDescriptorProto: [...files] } };
}

const notFound = (what: string): Answer => failed(statusCodes.notFound, `not found: ${what}`);

const failed = (errorCode: number, errorMessage: string): Answer => ({
  $case: 'errorResponse',
  value: { errorCode, errorMessage },
});
