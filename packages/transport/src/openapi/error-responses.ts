import type { DescEnum, DescService } from "@bufbuild/protobuf";
import { type ErrorFactory, ErrorStatusSchema, errorsOf } from "@clew/rpc";
import { optionInvalid } from "../errors.ts";
import { toStatus } from "../http/reply.ts";
import type { Comments } from "./comments.ts";
import type { OpenApiResponse, Schema } from "./document.ts";
import type { Schemas } from "./schemas.ts";

/** The enums whose values are the errors of services: of all of them, or by the full name of each. */
export type ErrorEnums = readonly DescEnum[] | Readonly<Record<string, readonly DescEnum[]>>;

type Reference = { readonly $ref: string };

/** What services answer when they fail, each reply once. */
export class ErrorResponses {
  readonly #enums: ErrorEnums;
  readonly #comments: Comments;
  readonly #error: Schema;
  readonly #components: Map<string, OpenApiResponse> = new Map();

  /** @throws CLEW_TRANSPORT_OPTION for errors of a service that is not there */
  constructor(enums: ErrorEnums, services: readonly DescService[], comments: Comments, schemas: Schemas) {
    this.#enums = enums;
    this.#comments = comments;
    this.#error = schemas.add(ErrorStatusSchema.typeName, errorSchema);
    const known = services.map(({ typeName }) => typeName);
    for (const name of isForAll(enums) ? [] : Object.keys(enums)) {
      if (!known.includes(name))
        throw optionInvalid("errors", `for "${name}"`, `for services here: ${known.join(", ")}`);
    }
    this.#components.set("Error", {
      description: "Anything that went wrong.",
      content: { "application/json": { schema: this.#error } },
    });
  }

  components(): Record<string, OpenApiResponse> {
    return Object.fromEntries([...this.#components].sort(([one], [other]) => (one < other ? -1 : 1)));
  }

  /**
   * The failures of a service by status.
   *
   * @throws CLEW_RPC_ERROR_CODE
   */
  of({ typeName }: DescService): Record<string, Reference> {
    const byStatus = new Map<string, Failure[]>();
    for (const desc of isForAll(this.#enums) ? this.#enums : (this.#enums[typeName] ?? [])) {
      const factories = errorsOf(desc) as Readonly<Record<string, ErrorFactory>>;
      for (const value of desc.values) {
        const { code, reason } = factories[value.name]!;
        const status = String(toStatus(code));
        const failure = { code, reason, comment: this.#comments.of(value) };
        byStatus.set(status, [...(byStatus.get(status) ?? []), failure]);
      }
    }
    const references: Record<string, Reference> = {};
    const owner = isForAll(this.#enums) ? "Error" : typeName;
    for (const [status, failures] of byStatus) references[status] = this.#add(`${owner}.${status}`, failures);
    return { ...references, default: { $ref: "#/components/responses/Error" } };
  }

  #add(name: string, failures: readonly Failure[]): Reference {
    const lines = failures.map(({ reason, comment }) =>
      comment === undefined ? `- \`${reason}\`` : `- \`${reason}\`: ${comment.replaceAll("\n", " ")}`,
    );
    const examples = failures.map(({ code, reason }) => [
      reason,
      { value: { code, reason, message: "", metadata: {} } },
    ]);
    this.#components.set(name, {
      description: lines.join("\n"),
      content: { "application/json": { schema: this.#error, examples: Object.fromEntries(examples) } },
    });
    return { $ref: `#/components/responses/${name}` };
  }
}

interface Failure {
  readonly code: number;
  readonly reason: string;
  readonly comment: string | undefined;
}

function isForAll(enums: ErrorEnums): enums is readonly DescEnum[] {
  return Array.isArray(enums);
}

const errorSchema: Schema = {
  type: "object",
  properties: {
    code: { type: "integer", description: "Like an HTTP status." },
    reason: { type: "string", description: "What went wrong, for programs: a stable name in upper case, or empty." },
    message: { type: "string", description: "What went wrong, for people." },
    metadata: { type: "object", additionalProperties: { type: "string" }, description: "Facts about it." },
    details: {
      type: "array",
      items: { type: "object", properties: { "@type": { type: "string" } }, required: ["@type"] },
      description: "Messages about it, such as the fields that are wrong (google.rpc.BadRequest).",
    },
  },
  required: ["code", "reason", "message", "metadata"],
};
