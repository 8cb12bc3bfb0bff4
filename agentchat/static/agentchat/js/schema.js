/*
 * What a JSON schema asks for, as a form can ask it: a field for each property, and of which kind it is.
 *
 *   text, words    a line, several lines       choice     one of a few values
 *   number         an integer or not           choices    any of a few values
 *   yes            a box to tick               list       strings or numbers, one a line
 *   group          an object's own fields      json       everything else
 */

import { labelOf, resolve } from "./readable.js";

const DEEPEST = 4; // groups in groups
const LONG = 200; // characters: more are no line

/** The fields of an object. `values` are what stands in them at first. */
export function fieldsOf(schema, values) {
  const definitions = schema.$defs ?? {};
  return fieldsIn(resolve(schema, definitions), values, definitions, "", 0);
}

function fieldsIn(schema, values, definitions, above, depth) {
  return Object.entries(schema.properties ?? {}).map(([name, written]) => {
    const resolved = withoutDecimal(resolve(written, definitions));
    const isNullable = Boolean(written.anyOf?.some(({ type }) => type === "null"));
    const isRequired = Boolean(schema.required?.includes(name));
    const path = above + name;
    const given = values && name in values ? values[name] : (written.default ?? resolved.default);
    const value = given ?? undefined; // null is nothing to show
    const choices = choicesOf(resolved, isNullable);
    const items = resolve(resolved.items ?? {}, definitions);
    const kind = choices ? "choice" : kindOf(resolved, items, isNullable, value, depth);
    const field = { name, path, kind, schema: resolved, value, isNullable, isRequired };
    field.label = written.title || labelOf(name);
    field.hint = written.description ?? "";
    field.isOptional = isNullable || (!isRequired && (written.default ?? "").length === 0);
    field.choices = kind === "choices" ? items.enum : choices;
    field.isOfNumbers = kind === "list" && items.type !== "string";
    if (kind === "group") {
      field.fields = fieldsIn(resolved, value, definitions, `${path}.`, depth + 1);
    }
    return field;
  });
}

/** pydantic's Decimal is a number, or a string. */
function withoutDecimal(schema) {
  const types = schema.anyOf?.map(({ type }) => type).filter((type) => type !== "null") ?? [];
  return types.length === 2 && types.includes("number") && types.includes("string")
    ? schema.anyOf.find(({ type }) => type === "number")
    : schema;
}

function choicesOf(schema, isNullable) {
  const choices = "const" in schema ? [schema.const] : schema.enum;
  if (choices?.every((choice) => typeof choice !== "object")) {
    return choices;
  }
  return schema.type === "boolean" && isNullable ? [true, false] : null;
}

function kindOf(schema, items, isNullable, value, depth) {
  switch (schema.type) {
    case "string":
      return isLong(schema, value) ? "words" : "text";
    case "integer":
    case "number":
      return "number";
    case "boolean":
      return "yes";
    case "object":
      return schema.properties && !isNullable && depth < DEEPEST ? "group" : "json";
    case "array":
      return kindOfList(items, value);
    default:
      return "json";
  }
}

function kindOfList(items, value) {
  if (items.enum?.every((choice) => typeof choice !== "object")) {
    return "choices";
  }
  const isSimple = ["string", "integer", "number"].includes(items.type);
  return isSimple && !value?.some?.((each) => /\n/.test(each)) ? "list" : "json";
}

function isLong(schema, value) {
  return schema.maxLength > LONG || (typeof value === "string" && (value.length > LONG / 2 || value.includes("\n")));
}
