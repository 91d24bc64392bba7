import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { compileText } from "../http/field-text.ts";
import type { Rule } from "../http/rule.ts";
import type { Parameter, Schema } from "./document.ts";
import type { OpenApiPath } from "./path.ts";
import type { Schemas } from "./schemas.ts";

/** The parameters that a path has. */
export function createPathParameters({ captures }: OpenApiPath, rule: Rule, schemas: Schemas): Parameter[] {
  return captures.map(({ name, variable, isWhole, spans }) => {
    const field = rule.variables.find((one) => one.variable === variable)?.fields.at(-1);
    const { description, isDeprecated } =
      field === undefined ? { description: undefined, isDeprecated: false } : schemas.traits(field);
    const value = variable && describeValue(variable, captures);
    const text = [description, value && `\`${variable.name}\` is \`${value}\`.`].filter(Boolean).join("\n\n");
    return {
      name,
      in: "path",
      required: true,
      ...(isDeprecated && { deprecated: true }),
      ...(text !== "" && { description: text }),
      schema: isWhole && field !== undefined ? textSchema(field, schemas) : { type: "string" },
      ...(spans && { "x-spans": true }),
    };
  });
}

/** How the value of a variable is made of several segments; "" for one that is a segment. */
function describeValue(
  { parts }: { readonly parts: readonly (string | number)[] },
  captures: OpenApiPath["captures"],
): string {
  if (parts.length === 1) return "";
  return parts.map((part) => (typeof part === "string" ? part : `{${captures[part]?.name}}`)).join("/");
}

/**
 * The parameters of a query: the fields of a message that a text can tell, those of messages within by their dotted names. A message within
 * itself is told once.
 *
 * @param without fields that are elsewhere, as dotted proto names
 */
export function createQueryParameters(desc: DescMessage, without: ReadonlySet<string>, schemas: Schemas): Parameter[] {
  const parameters: Parameter[] = [];
  const visit = (
    message: DescMessage,
    protoPrefix: string,
    prefix: string,
    isRequired: boolean,
    above: DescMessage[],
  ): void => {
    for (const field of message.fields) {
      const protoName = `${protoPrefix}${field.name}`;
      if (without.has(protoName)) continue;
      const name = `${prefix}${schemas.nameOf(field)}`;
      const traits = schemas.traits(field);
      const required = isRequired && traits.isRequired;
      if (compileText(field) === undefined) {
        if (field.fieldKind !== "message" || above.includes(field.message)) continue;
        visit(field.message, `${protoName}.`, `${name}.`, required, [...above, field.message]);
        continue;
      }
      const others = field.oneof?.fields
        .filter((other) => other !== field)
        .map((other) => `\`${prefix}${schemas.nameOf(other)}\``);
      const choice = others !== undefined && others.length > 0 ? `Not together with ${others.join(", ")}.` : undefined;
      const description = [traits.description, choice].filter((text) => text !== undefined).join("\n\n");
      parameters.push({
        name,
        in: "query",
        ...(required && { required: true }),
        ...(traits.isDeprecated && { deprecated: true }),
        ...(description !== "" && { description }),
        ...(field.fieldKind === "list" && { style: "form", explode: true }),
        ...(field.fieldKind === "map" && { style: "deepObject", explode: true }),
        schema: textSchema(field, schemas),
      });
    }
  };
  visit(desc, "", "", true, [desc]);
  return parameters;
}

/** A field as it stands in a path or a query. */
function textSchema(field: DescField, schemas: Schemas): Schema {
  const element = elementText(field);
  if (element === undefined) return schemas.value(field);
  if (field.fieldKind === "list") return { ...schemas.value(field), items: element };
  if (field.fieldKind === "map") return { ...schemas.value(field), additionalProperties: element };
  return element;
}

/** What is another text in a query than it is in JSON. */
function elementText({ message, enum: enumDesc }: DescField): Schema | undefined {
  if (enumDesc?.typeName === "google.protobuf.NullValue") return { type: "string", const: "null" };
  if (message?.typeName === "google.protobuf.Value") return { type: "string" };
  if (message?.typeName !== "google.protobuf.Struct") return undefined;
  return { type: "string", contentMediaType: "application/json", contentSchema: { type: "object" } };
}
