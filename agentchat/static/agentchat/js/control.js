/*
 * One field of a form: its label, what is typed or chosen in it, what that means, and what is wrong with it.
 *
 * A field is what schema.js makes of a property.
 */

import { make } from "./make.js";

const RADIOS = 4; // more choices are a list to unfold
const INPUT_TYPES = {
  date: "date",
  "date-time": "datetime-local",
  time: "time",
  email: "email",
  uri: "url",
  password: "password",
};

export class Control {
  #words;
  #inputs;
  #error;

  /** `id` is for its elements; `words` are those of the page. */
  constructor(field, id, words) {
    this.field = field;
    this.#words = words;
    this.#inputs = this.#makeInputs(id);
    this.#error = make("p", { className: "field-error", id: `${id}-error` });
    this.element = this.#build(id);
    this.element.addEventListener("input", () => this.showProblem(""));
  }

  focus() {
    this.#inputs[0].focus();
  }

  get isSecret() {
    return this.field.schema.format === "password";
  }

  /** What stands in it, to be put there again. */
  get typed() {
    return this.#inputs.map((input) => input[stateOf(input)]);
  }

  set typed(typed) {
    this.#inputs.forEach((input, index) => (input[stateOf(input)] = typed[index] ?? input[stateOf(input)]));
  }

  /** What it means; undefined if nothing is in it, and nothing need be. */
  get value() {
    const { kind, schema, choices, isNullable, isOptional, isOfNumbers } = this.field;
    const { value, checked } = this.#inputs[0];
    const nothing = isNullable ? null : undefined;
    switch (kind) {
      case "yes":
        return checked;
      case "choices":
        return choices.filter((_, index) => this.#inputs[index].checked);
      case "choice":
        return choices[this.#chosen] ?? nothing;
      case "list":
        return linesOf(value).map((line) => (isOfNumbers ? Number(line) : line));
      case "number":
        return value === "" ? nothing : Number(value);
      case "text":
      case "words":
        // An empty text is a text where one is wanted, but no date and no address.
        return value || (isOptional || schema.format in INPUT_TYPES ? nothing : "");
      default:
        return value.trim() ? JSON.parse(value) : nothing;
    }
  }

  /** What can be seen to be wrong with it from here. */
  get problem() {
    const { value, validity } = this.#inputs[0];
    if (!validity.valid) {
      return this.#complaintOf(this.#inputs[0]);
    }
    if (this.field.kind === "json" && value.trim() && !isJson(value)) {
      return this.#words.notJson;
    }
    const isNumbers = !this.field.isOfNumbers || linesOf(value).every((line) => !Number.isNaN(Number(line)));
    return isNumbers ? "" : this.#words.notNumbers;
  }

  showProblem(words) {
    this.#error.textContent = words;
    for (const input of this.#inputs) {
      if (words && input.type !== "radio") {
        input.setAttribute("aria-invalid", "true");
      } else {
        input.removeAttribute("aria-invalid"); // radios have none
      }
    }
  }

  /** Not in the browser's own words, which may be in another language than the page. */
  #complaintOf({ max, min, validity }) {
    const words = this.#words;
    if (validity.valueMissing) {
      return words.needed;
    }
    if (validity.rangeUnderflow) {
      return words.tooSmall.replace("{limit}", min);
    }
    if (validity.rangeOverflow) {
      return words.tooLarge.replace("{limit}", max);
    }
    return validity.stepMismatch ? words.notWhole : words.notSo;
  }

  get #chosen() {
    const [first] = this.#inputs;
    return first.matches("select") ? first.value : this.#inputs.findIndex((input) => input.checked);
  }

  // --- building ------------------------------------------------------------------------------------------------------

  #build(id) {
    const { kind, hint, choices } = this.field;
    const hints = hint ? [make("p", { className: "field-hint", id: `${id}-hint`, textContent: hint, dir: "auto" })] : [];
    const isBoxes = Boolean(choices) && !this.#inputs[0].matches("select");
    const element = make(isBoxes ? "fieldset" : "div", { className: "field" });
    const described = [...hints, this.#error].map((each) => each.id).join(" ");
    for (const each of isBoxes ? [element] : this.#inputs) {
      each.setAttribute("aria-describedby", described);
    }
    const label = make(isBoxes ? "legend" : "label", isBoxes ? {} : { htmlFor: this.#inputs[0].id });
    label.append(make("span", { textContent: this.field.label, dir: "auto" }), ...this.#remarks());
    if (isBoxes) {
      const boxes = this.#inputs.map((input, index) => box(input, this.#nameOf(choices[index])));
      element.append(label, ...hints, ...boxes, this.#error);
    } else if (kind === "yes") {
      label.className = "box";
      label.prepend(...this.#inputs);
      element.append(label, ...hints, this.#error);
    } else {
      element.append(label, ...hints, ...this.#inputs, this.#error);
    }
    return element;
  }

  #remarks() {
    const { kind, isOptional } = this.field;
    const remarks = [
      isOptional && kind !== "yes" && this.#words.optional,
      kind === "list" && this.#words.oneALine,
      kind === "json" && "JSON",
    ].filter(Boolean);
    return remarks.length ? [" ", make("small", { textContent: remarks.join(", ") })] : [];
  }

  #nameOf(choice) {
    return typeof choice === "boolean" ? this.#words[choice ? "yes" : "no"] : String(choice);
  }

  #makeInputs(id) {
    const { kind, schema, value, choices, isRequired, isNullable, isOptional } = this.field;
    const required = isRequired && !isNullable;
    const isText = kind === "text" || kind === "words";
    const mayBeEmpty = { required: required && !(isText && value === "") }; // what came empty may stay so
    switch (kind) {
      case "yes":
        return [make("input", { type: "checkbox", id, checked: value === true })];
      case "choices":
        return boxesOf(choices, "checkbox", id, (choice) => Boolean(value?.includes?.(choice)));
      case "choice":
        if (choices.length > RADIOS || isOptional) {
          return [this.#select(id, required)];
        }
        return boxesOf(choices, "radio", id, (choice) => choice === value, required);
      case "number": {
        const hasNumber = !isNullable && value !== undefined; // what has one by itself needs one
        return [fill(make("input", { type: "number", id, required: required || hasNumber, ...limits(schema) }), value)];
      }
      case "text": {
        const type = INPUT_TYPES[schema.format] ?? "text";
        return [fill(make("input", { type, id, dir: "auto", autocomplete: "off", ...mayBeEmpty }), value)];
      }
      case "words":
        return [fill(make("textarea", { id, rows: 4, dir: "auto", ...mayBeEmpty }), value)];
      case "list":
        return [fill(make("textarea", { id, rows: 3, dir: "auto" }), value?.join?.("\n"))];
      default: {
        const written = value === undefined ? undefined : JSON.stringify(value, null, 2);
        const code = { id, rows: 4, dir: "ltr", className: "code", spellcheck: false, required };
        return [fill(make("textarea", code), written)];
      }
    }
  }

  #select(id, required) {
    const { choices, value, isNullable } = this.field;
    const nothing = make("option", { value: "", textContent: isNullable ? "–" : this.#words.choose });
    const options = choices.map((choice, index) =>
      make("option", { value: String(index), textContent: this.#nameOf(choice), selected: choice === value }),
    );
    const select = make("select", { id, required });
    select.append(nothing, ...options);
    return select;
  }
}

function boxesOf(choices, type, id, isChecked, required = false) {
  return choices.map((choice, index) =>
    make("input", { type, name: id, id: `${id}-${index}`, checked: isChecked(choice), required }),
  );
}

function box(input, name) {
  const label = make("label", { className: "box" });
  label.append(input, make("span", { textContent: name, dir: "auto" }));
  return label;
}

/** Put a value in. A kind of input that cannot hold it (a time with a zone, say) becomes a line of text. */
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
  const edge = isInteger ? 1 : 0; // a number's own edge is left to the server
  return {
    step: isInteger ? "1" : "any",
    min: minimum ?? (exclusiveMinimum === undefined ? "" : exclusiveMinimum + edge),
    max: maximum ?? (exclusiveMaximum === undefined ? "" : exclusiveMaximum - edge),
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
