/*
 * JSON values as a person reads them: rows of a label and a text. The same rules as `agentchat/readable.py`, which makes
 * them for what is in the page from the beginning.
 */

const NOTHING = "–";
const HIDDEN = "••••••";
const DEEPEST = 20; // references, one behind the other

/** The rows of an object, as <div>s of a <dl>. The schema, where there is one, has the labels, and says what is secret. */
export function showRows(list, values, schema, words) {
  const definitions = schema.$defs ?? {};
  const rows = rowsOf(values, resolve(schema, definitions), definitions, words, "");
  list.replaceChildren(...rows.map(([label, text]) => {
    const row = document.createElement("div");
    const name = row.appendChild(document.createElement("dt"));
    const value = row.appendChild(document.createElement("dd"));
    [name.textContent, value.textContent] = [label, text];
    name.dir = value.dir = "auto";
    return row;
  }));
}

/** `order_id` becomes "Order id". */
export function labelOf(name) {
  const words = name.replaceAll("_", " ").trim();
  return words.slice(0, 1).toUpperCase() + words.slice(1);
}

/** What a reference, or "this or nothing", stands for. */
export function resolve(schema, definitions) {
  for (let depth = 0; depth < DEEPEST; depth += 1) {
    const others = schema.anyOf?.filter(({ type }) => type !== "null");
    if (schema.$ref) {
      schema = definitions[schema.$ref.split("/").at(-1)] ?? {};
    } else if (others?.length === 1) {
      [schema] = others;
    } else {
      break;
    }
  }
  return schema;
}

function rowsOf(values, schema, definitions, words, above) {
  return Object.entries(values).flatMap(([name, value]) => {
    const written = schema.properties?.[name] ?? {};
    const label = above + (written.title || labelOf(name));
    const resolved = resolve(written, definitions);
    if (value && typeof value === "object" && !Array.isArray(value) && Object.keys(value).length) {
      return rowsOf(value, resolved, definitions, words, `${label} · `);
    }
    return [[label, value && resolved.format === "password" ? HIDDEN : textOf(value, words)]];
  });
}

/** A value in words; an empty one is a dash. */
function textOf(value, words) {
  if (value === null || value === "" || (Array.isArray(value) && !value.length)) {
    return NOTHING;
  }
  if (typeof value === "boolean") {
    return value ? words.yes : words.no;
  }
  if (typeof value === "string") {
    return value;
  }
  if (Array.isArray(value) && !value.some((each) => each && typeof each === "object")) {
    return value.map((each) => textOf(each, words)).join("\n");
  }
  return JSON.stringify(value);
}
