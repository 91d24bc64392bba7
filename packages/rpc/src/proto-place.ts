import type { DescMethod, DescService } from "@bufbuild/protobuf";

// Field numbers in descriptor.proto, which the path of a location consists of.
const fileService = 6;
const serviceMethod = 2;

/**
 * The place of a service or method in its .proto: `shop/v1/shop.proto:12`. If its generator omitted the line numbers,
 * as protoc-gen-es does, a text to search for: `rpc Find in shop/v1/shop.proto`.
 */
export function placeInProto(desc: DescService | DescMethod): string {
  const { name, sourceCodeInfo } = (desc.kind === "service" ? desc : desc.parent).file.proto;
  const path = pathOf(desc).join();
  const [line] = sourceCodeInfo?.location.find((one) => one.path.join() === path)?.span ?? [];
  if (line !== undefined) return `${name}:${line + 1}`;
  return `${desc.kind === "rpc" ? "rpc" : "service"} ${desc.name} in ${name}`;
}

function pathOf(desc: DescService | DescMethod): number[] {
  if (desc.kind === "service") return [fileService, desc.file.services.indexOf(desc)];
  return [...pathOf(desc.parent), serviceMethod, desc.parent.methods.indexOf(desc)];
}
