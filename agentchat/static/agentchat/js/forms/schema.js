/*
 * The fields of a form, from a JSON schema: one for each property, each of a kind:
 *
 *   text         a single line               choice     one of a few values
 *   multiline    several lines               choices    any of a few values
 *   number       an integer or a decimal     list       strings or numbers, one per line
 *   boolean      a checkbox                  group      an object, with fields of its own
 *   json         everything else
 */

const MAX_DEPTH = 4; // of nested groups
const MAX_LINE = 200; // characters
const MAX_REFERENCES = 20; // in a chain of $refs

/** The fields of an object, with their initial `values`. */
export function fieldsFromSchema(schema, values) {
  const definitions = schema.$defs ?? {};
  return fieldsIn(resolveSchema(schema, definitions), values, definitions, "", 0);
}

function fieldsIn(schema, values, definitions, prefix, depth) {
  return Object.entries(schema.properties ?? {}).map(([name, property]) => {
    const resolved = withoutDecimal(resolveSchema(property, definitions));
    const isNullable = Boolean(property.anyOf?.some(({ type }) => type === "null"));
    const isRequired = Boolean(schema.required?.includes(name));
    const path = prefix + name;
    const isGiven = Boolean(values && name in values);
    const value = (isGiven ? values[name] : (property.default ?? resolved.default)) ?? undefined; // null: empty
    const choices = choicesOf(resolved, isNullable);
    const items = resolveSchema(resolved.items ?? {}, definitions);
    const ownKind = choices ? "choice" : kindOf(resolved, items, isNullable, value, depth);
    const kind = ownKind === "group" && hasOtherNames(value, resolved) ? "json" : ownKind;
    const field = { name, path, kind, schema: resolved, value, isGiven, isNullable, isRequired };
    field.label = property.title || labelFor(name);
    field.hint = property.description ?? "";
    field.isOptional = isNullable || (!isRequired && (property.default ?? "").length === 0);
    field.choices = kind === "choices" ? items.enum : choices;
    field.isOfNumbers = kind === "list" && items.type !== "string";
    if (kind === "group") {
      field.fields = fieldsIn(resolved, value, definitions, `${path}.`, depth + 1);
    }
    return field;
  });
}

/** Whether fields for what the schema names would not show all of the value. */
function hasOtherNames(value, { properties }) {
  return value !== undefined && Object.keys(value).some((name) => !Object.hasOwn(properties, name));
}

/** Pydantic describes a Decimal as a number or a string: ask for a number. */
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
      return isLong(schema, value) ? "multiline" : "text";
    case "integer":
    case "number":
      return "number";
    case "boolean":
      return "boolean";
    case "object":
      return schema.properties && !isNullable && depth < MAX_DEPTH ? "group" : "json";
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
  const hasLongValue = typeof value === "string" && (value.length > MAX_LINE / 2 || value.includes("\n"));
  return schema.maxLength > MAX_LINE || hasLongValue;
}

/** `order_id` becomes "Order id". */
function labelFor(name) {
  const label = name.replaceAll("_", " ").trim();
  return label.slice(0, 1).toUpperCase() + label.slice(1);
}

/** Follow references, and unwrap "this or null". */
function resolveSchema(schema, definitions) {
  for (let depth = 0; depth < MAX_REFERENCES; depth += 1) {
    const alternatives = schema.anyOf?.filter(({ type }) => type !== "null");
    if (schema.$ref) {
      schema = definitions[schema.$ref.split("/").at(-1)] ?? {};
    } else if (alternatives?.length === 1) {
      [schema] = alternatives;
    } else {
      break;
    }
  }
  return schema;
}
