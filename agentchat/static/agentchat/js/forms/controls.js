/*
 * One form control: its label, its input, the value that the input represents, and its error.
 *
 * schema.js derives the field that it shows from a property of the schema.
 */

import { createElement } from "../common/browser.js";
import { editableJson, numberFrom, parseExact } from "../common/exact_json.js";

const MAX_RADIOS = 4; // more choices become a <select>
const INPUT_TYPES = {
  date: "date",
  "date-time": "datetime-local",
  time: "time",
  email: "email",
  uri: "url",
  password: "password",
};

export class Control {
  #strings;
  #inputs;
  #errorElement;

  /** `id` is the prefix of its elements' ids; `strings` are the page's. */
  constructor(field, id, strings) {
    this.field = field;
    this.#strings = strings;
    this.#inputs = this.#makeInputs(id);
    this.#errorElement = createElement("p", { className: "field-error", id: `${id}-error` });
    this.element = this.#build(id);
    this.element.addEventListener("input", () => this.showError(""));
  }

  focus() {
    this.#inputs[0].focus();
  }

  get isSecret() {
    return this.field.schema.format === "password";
  }

  /** The raw input, for a draft. */
  get input() {
    return this.#inputs.map((input) => input[stateOf(input)]);
  }

  set input(states) {
    this.#inputs.forEach((input, index) => (input[stateOf(input)] = states[index] ?? input[stateOf(input)]));
  }

  /** The value that the input represents; undefined if it is empty and optional. */
  get value() {
    const { kind, schema, choices, isNullable, isOptional, isOfNumbers } = this.field;
    const { value, checked } = this.#inputs[0];
    const empty = isNullable ? null : undefined;
    switch (kind) {
      case "boolean":
        return checked;
      case "choices":
        return choices.filter((_, index) => this.#inputs[index].checked);
      case "choice":
        return choices[this.#chosen] ?? empty;
      case "list":
        return linesOf(value).map((line) => (isOfNumbers ? numberFrom(line) : line));
      case "number":
        return value === "" ? empty : numberFrom(value);
      case "text":
      case "multiline":
        // An empty string is a valid required text, but not a valid date or address.
        return value || (isOptional || schema.format in INPUT_TYPES ? empty : "");
      default:
        return value.trim() ? parseExact(value) : empty;
    }
  }

  /** The error that the browser can find; empty if there is none. */
  get error() {
    const { value, validity } = this.#inputs[0];
    if (!validity.valid) {
      return this.#validityError(this.#inputs[0]);
    }
    if (this.field.kind === "json" && value.trim() && !isJson(value)) {
      return this.#strings.notJson;
    }
    const isNumbers = !this.field.isOfNumbers || linesOf(value).every((line) => !Number.isNaN(Number(line)));
    return isNumbers ? "" : this.#strings.notNumbers;
  }

  showError(text) {
    this.#errorElement.textContent = text;
    for (const input of this.#inputs) {
      if (text && input.type !== "radio") {
        input.setAttribute("aria-invalid", "true");
      } else {
        input.removeAttribute("aria-invalid"); // not allowed on radios
      }
    }
  }

  /** In the page's language; the browser's own messages may be in another one. */
  #validityError({ max, min, validity }) {
    const strings = this.#strings;
    if (validity.valueMissing) {
      return strings.needed;
    }
    if (validity.rangeUnderflow) {
      return strings.tooSmall.replace("{limit}", min);
    }
    if (validity.rangeOverflow) {
      return strings.tooLarge.replace("{limit}", max);
    }
    return validity.stepMismatch ? strings.notWhole : strings.notSo;
  }

  get #chosen() {
    const [first] = this.#inputs;
    return first.matches("select") ? first.value : this.#inputs.findIndex((input) => input.checked);
  }

  // --- building ------------------------------------------------------------------------------------------------------

  #build(id) {
    const { kind, hint, choices } = this.field;
    const hints = hint ? [hintElement(hint, `${id}-hint`)] : [];
    const isGroup = Boolean(choices) && !this.#inputs[0].matches("select");
    const element = createElement(isGroup ? "fieldset" : "div", { className: "field" });
    const described = [...hints, this.#errorElement].map((each) => each.id).join(" ");
    for (const each of isGroup ? [element] : this.#inputs) {
      each.setAttribute("aria-describedby", described);
    }
    const label = createElement(isGroup ? "legend" : "label", isGroup ? {} : { htmlFor: this.#inputs[0].id });
    label.append(createElement("span", { textContent: this.field.label, dir: "auto" }), ...this.#notes());
    if (isGroup) {
      const boxes = this.#inputs.map((input, index) => labelledBox(input, this.#labelOf(choices[index])));
      element.append(label, ...hints, ...boxes, this.#errorElement);
    } else if (kind === "boolean") {
      label.className = "box";
      label.prepend(...this.#inputs);
      element.append(label, ...hints, this.#errorElement);
    } else {
      element.append(label, ...hints, ...this.#inputs, this.#errorElement);
    }
    return element;
  }

  #notes() {
    const { kind, isOptional } = this.field;
    const notes = [
      isOptional && kind !== "boolean" && this.#strings.optional,
      kind === "list" && this.#strings.oneALine,
      kind === "json" && "JSON",
    ].filter(Boolean);
    return notes.length ? [" ", createElement("small", { textContent: notes.join(", ") })] : [];
  }

  #labelOf(choice) {
    return typeof choice === "boolean" ? this.#strings[choice ? "yes" : "no"] : String(choice);
  }

  #makeInputs(id) {
    const { kind, schema, value, choices, isRequired, isNullable, isOptional } = this.field;
    const required = isRequired && !isNullable;
    const isText = kind === "text" || kind === "multiline";
    const requiredText = { required: required && !(isText && value === "") }; // an empty initial text may stay empty
    switch (kind) {
      case "boolean":
        return [createElement("input", { type: "checkbox", id, checked: value === true })];
      case "choices":
        return boxesOf(choices, "checkbox", id, (choice) => Boolean(value?.includes?.(choice)));
      case "choice":
        if (choices.length > MAX_RADIOS || isOptional) {
          return [this.#select(id, required)];
        }
        return boxesOf(choices, "radio", id, (choice) => choice === value, required);
      case "number": {
        const hasNumber = !isNullable && value !== undefined; // a number with a default must not be emptied
        const properties = { type: "number", id, required: required || hasNumber, ...limits(schema) };
        return [fill(createElement("input", properties), value)];
      }
      case "text": {
        const type = INPUT_TYPES[schema.format] ?? "text";
        return [fill(createElement("input", { type, id, dir: "auto", autocomplete: "off", ...requiredText }), value)];
      }
      case "multiline":
        return [fill(createElement("textarea", { id, rows: 4, dir: "auto", ...requiredText }), value)];
      case "list":
        return [fill(createElement("textarea", { id, rows: 3, dir: "auto" }), value?.join?.("\n"))];
      default: {
        const json = value === undefined ? undefined : editableJson(value);
        const code = { id, rows: 4, dir: "ltr", className: "code", spellcheck: false, required };
        return [fill(createElement("textarea", code), json)];
      }
    }
  }

  #select(id, required) {
    const { choices, value, isNullable } = this.field;
    const none = createElement("option", { value: "", textContent: isNullable ? "–" : this.#strings.choose });
    const options = choices.map((choice, index) =>
      createElement("option", { value: String(index), textContent: this.#labelOf(choice), selected: choice === value }),
    );
    const select = createElement("select", { id, required });
    select.append(none, ...options);
    return select;
  }
}

function boxesOf(choices, type, id, isChecked, required = false) {
  return choices.map((choice, index) =>
    createElement("input", { type, name: id, id: `${id}-${index}`, checked: isChecked(choice), required }),
  );
}

function hintElement(textContent, id) {
  return createElement("p", { className: "field-hint", id, textContent, dir: "auto" });
}

function labelledBox(input, text) {
  const label = createElement("label", { className: "box" });
  label.append(input, createElement("span", { textContent: text, dir: "auto" }));
  return label;
}

/** Set the value. An input whose type cannot hold it (a time with a zone, say) becomes a text field. */
function fill(input, value) {
  if (value !== undefined && value !== null) {
    input.value = value;
    if (!input.value && input.matches("input")) {
      [input.type, input.value] = ["text", value];
    }
  }
  return input;
}

function limits({ type, minimum, maximum, exclusiveMinimum, exclusiveMaximum }) {
  const isInteger = type === "integer";
  const offset = isInteger ? 1 : 0; // exclusive limits of other numbers are left to the server
  return {
    step: isInteger ? "1" : "any",
    min: minimum ?? (exclusiveMinimum === undefined ? "" : exclusiveMinimum + offset),
    max: maximum ?? (exclusiveMaximum === undefined ? "" : exclusiveMaximum - offset),
    inputMode: isInteger && (minimum ?? exclusiveMinimum) >= 0 ? "numeric" : "decimal",
  };
}

function stateOf(input) {
  return ["checkbox", "radio"].includes(input.type) ? "checked" : "value";
}

function linesOf(text) {
  return text.split("\n").map((line) => line.trim()).filter(Boolean);
}

function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
