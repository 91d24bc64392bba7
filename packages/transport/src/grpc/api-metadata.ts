import type { DescFile } from "@bufbuild/protobuf";
import { type Service, ServiceError, service } from "@clew/rpc";
import { Metadata } from "../gen/kratos/api/metadata_pb.ts";

/** What a server serves, as Kratos 2 tells it: `kratos.api.Metadata`. */
export function createApiMetadataService(services: readonly Service[]): Service {
  const served = [...services.map(({ desc }) => desc), Metadata];
  return service(Metadata, {
    listServices: () => ({
      services: served.map(({ typeName }) => typeName).sort(),
      methods: served.flatMap(({ typeName, methods }) => methods.map(({ name }) => `/${typeName}/${name}`)).sort(),
    }),
    getServiceDesc({ name }) {
      const found = served.find(({ typeName }) => typeName === name);
      if (found === undefined) throw new ServiceError(404, "", `service ${name} not found`);
      const files = new Set<DescFile>();
      collect(found.file, files);
      return { fileDescSet: { file: [...files].map(({ proto }) => proto) } };
    },
  });
}

/** Adds a file after those it imports, each once. */
function collect(file: DescFile, into: Set<DescFile>): void {
  if (into.has(file)) return;
  for (const dependency of file.dependencies) collect(dependency, into);
  into.add(file);
}
