import { createRegistry, type DescFile, type DescMessage, type Registry, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { GrpcCode, type Service, service } from "@clew/rpc";
import { type ServerReflectionRequest, ServerReflection as V1 } from "../gen/grpc/reflection/v1/reflection_pb.ts";
import {
  type ServerReflectionRequest as AlphaRequest,
  ServerReflection as V1Alpha,
} from "../gen/grpc/reflection/v1alpha/reflection_pb.ts";

/** What a server serves, as `grpc.reflection` tells it, in its two versions, which differ by name only. */
export function createReflectionServices(services: readonly Service[]): readonly Service[] {
  const own = [V1, V1Alpha];
  // Made when somebody asks: most servers are never asked.
  let catalog: Catalog | undefined;
  const open = (): Catalog => {
    catalog ??= new Catalog([...services.map(({ desc }) => desc), ...own]);
    return catalog;
  };
  return own.map((desc) =>
    service(desc as typeof V1, { serverReflectionInfo: (requests) => answerAll(requests, open()) }),
  );
}

async function* answerAll(
  requests: AsyncIterable<ServerReflectionRequest | AlphaRequest>,
  catalog: Catalog,
): AsyncIterable<object> {
  // A file that was sent on this stream need not be sent again.
  const sent = new Set<string>();
  for await (const request of requests) {
    const { case: kind, value } = request.messageRequest;
    yield {
      validHost: request.host,
      originalRequest: { host: request.host, messageRequest: request.messageRequest },
      messageResponse: answer(kind, value, catalog, sent),
    };
  }
}

type Question = (ServerReflectionRequest | AlphaRequest)["messageRequest"];

function answer(kind: Question["case"], value: Question["value"], catalog: Catalog, sent: Set<string>): object {
  switch (kind) {
    case "listServices":
      return { case: "listServicesResponse", value: { service: catalog.serviceNames.map((name) => ({ name })) } };
    case "fileByFilename":
      return answerFile(catalog.files.get(value as string), `file "${value}"`, sent);
    case "fileContainingSymbol":
      return answerFile(catalog.findSymbol(value as string), `symbol "${value}"`, sent);
    case "fileContainingExtension": {
      const { containingType, extensionNumber } = value as { containingType: string; extensionNumber: number };
      const extension = catalog.findExtension(containingType, extensionNumber);
      return answerFile(extension, `extension ${extensionNumber} of "${containingType}"`, sent);
    }
    case "allExtensionNumbersOfType": {
      const type = catalog.registry.getMessage(value as string);
      if (type === undefined) return notFound(`type "${value}"`);
      const extensionNumber = catalog.extensionsOf(type).map(({ number }) => number);
      return { case: "allExtensionNumbersResponse", value: { baseTypeName: type.typeName, extensionNumber } };
    }
    default:
      return {
        case: "errorResponse",
        value: { errorCode: GrpcCode.INVALID_ARGUMENT, errorMessage: "the request asks nothing" },
      };
  }
}

function answerFile(file: DescFile | undefined, what: string, sent: Set<string>): object {
  if (file === undefined) return notFound(what);
  const fileDescriptorProto: Uint8Array[] = [];
  // What was asked for is sent in any case, what it needs only once.
  sent.delete(file.name);
  collect(file, fileDescriptorProto, sent);
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto } };
}

function collect(file: DescFile, into: Uint8Array[], sent: Set<string>): void {
  if (sent.has(file.name)) return;
  sent.add(file.name);
  into.push(toBinary(FileDescriptorProtoSchema, file.proto));
  for (const dependency of file.dependencies) collect(dependency, into, sent);
}

function notFound(what: string): object {
  return { case: "errorResponse", value: { errorCode: GrpcCode.NOT_FOUND, errorMessage: `there is no ${what} here` } };
}

/** Every file that some services need, and what is where in them. */
class Catalog {
  readonly serviceNames: readonly string[];
  readonly files: ReadonlyMap<string, DescFile>;
  readonly registry: Registry;

  constructor(services: readonly Service["desc"][]) {
    this.serviceNames = [...new Set(services.map(({ typeName }) => typeName))].sort();
    const files = new Map<string, DescFile>();
    const add = (file: DescFile): void => {
      const name = `${file.name}.proto`;
      if (files.has(name)) return;
      files.set(name, file);
      file.dependencies.forEach(add);
    };
    for (const { file } of services) add(file);
    this.files = files;
    this.registry = createRegistry(...files.values());
  }

  /** The file that a type, a service or an extension is in, or the method, field or enum value of one. */
  findSymbol(symbol: string): DescFile | undefined {
    const whole = this.registry.get(symbol);
    if (whole !== undefined) return whole.file;
    const dot = symbol.lastIndexOf(".");
    const name = symbol.slice(dot + 1);
    const owner = this.registry.get(symbol.slice(0, Math.max(dot, 0)));
    if (owner === undefined) return undefined;
    switch (owner.kind) {
      case "service":
        return owner.methods.some((method) => method.name === name) ? owner.file : undefined;
      case "message":
        return [...owner.fields, ...owner.oneofs].some((member) => member.name === name) ? owner.file : undefined;
      case "enum":
        return owner.values.some((value) => value.name === name) ? owner.file : undefined;
      default:
        return undefined;
    }
  }

  findExtension(typeName: string, number: number): DescFile | undefined {
    const type = this.registry.getMessage(typeName);
    return type === undefined ? undefined : this.registry.getExtensionFor(type, number)?.file;
  }

  extensionsOf(type: DescMessage): { readonly number: number }[] {
    const extensions: { readonly number: number }[] = [];
    for (const one of this.registry) {
      if (one.kind === "extension" && one.extendee.typeName === type.typeName) extensions.push(one);
    }
    return extensions;
  }
}
