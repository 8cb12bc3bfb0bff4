/*
 * A form built from a JSON schema: its fields, in their groups, the object that they represent, and its errors.
 *
 * Errors that the browser finds are shown like those of the server, at the field. The server's validation is final.
 */

import { createElement } from "../common/browser.js";
import { hasHidden } from "../common/exact_json.js";
import { Control } from "./controls.js";
import { fieldsFromSchema } from "./schema.js";

let formCount = 0;

export class FormFields {
  #fields;
  #strings;
  #controls = new Map(); // by path, in page order

  /** Build the form into `container`, filled in with `values`; `strings` are the page's. */
  constructor(container, schema, values, strings) {
    this.#strings = strings;
    this.#fields = fieldsFromSchema(schema, values);
    formCount += 1;
    container.replaceChildren(...this.#build(this.#fields, `form-${formCount}`));
  }

  get isEmpty() {
    return !this.#controls.size;
  }

  /** It asks for a secret, which must not be stored where others can read it. */
  get isSecret() {
    return [...this.#controls.values()].some((control) => control.isSecret);
  }

  /** The object that the schema asks for. Throws if a field is invalid. */
  get value() {
    return this.#read(this.#fields);
  }

  /** The raw input of each field, for a draft; without secrets. */
  get input() {
    const controls = [...this.#controls].filter(([, control]) => !control.isSecret);
    return Object.fromEntries(controls.map(([path, control]) => [path, control.input]));
  }

  set input(input) {
    this.#controls.forEach((control, path) => (control.input = input[path] ?? control.input));
  }

  /** The errors that the browser can find, by path. */
  get errors() {
    const errors = [...this.#controls].map(([path, control]) => [path, control.error]);
    return Object.fromEntries(errors.filter(([, text]) => text));
  }

  /** Show each error at its field, and focus the first. Return those that belong to no field. */
  showErrors(errors) {
    const unplaced = [];
    const texts = new Map();
    for (const [path, text] of Object.entries(errors)) {
      const control = this.#nearest(path);
      if (control) {
        texts.set(control, [...(texts.get(control) ?? []), text]);
      } else {
        unplaced.push(path ? `${path}: ${text}` : text);
      }
    }
    const controls = [...this.#controls.values()];
    controls.forEach((control) => control.showError((texts.get(control) ?? []).join(" ")));
    controls.find((control) => texts.has(control))?.focus();
    return unplaced;
  }

  focus() {
    this.#controls.values().next().value?.focus();
  }

  #build(fields, prefix) {
    return fields.map((field) => {
      if (field.kind === "group") {
        return this.#group(field, prefix);
      }
      const control = this.#control(field, `${prefix}-${field.path}`);
      this.#controls.set(field.path, control);
      return control.element;
    });
  }

  /** The control of a field: one for JSON if another would show less than the value given, or change it. */
  #control(field, id) {
    const control = new Control(field, id, this.#strings);
    const { value, isGiven } = field;
    const isKept = value === undefined || !isGiven || (isSame(control.value, value) && !hasHidden(value));
    return isKept || control.isSecret ? control : new Control({ ...field, kind: "json", choices: null }, id, this.#strings);
  }

  #group({ label, hint, fields }, prefix) {
    const group = createElement("fieldset", { className: "field-group" });
    group.append(createElement("legend", { textContent: label, dir: "auto" }));
    if (hint) {
      group.append(createElement("p", { className: "field-hint", textContent: hint, dir: "auto" }));
    }
    group.append(...this.#build(fields, prefix));
    return group;
  }

  #read(fields) {
    const entries = fields.map(({ name, path, kind, fields: children }) => [
      name,
      kind === "group" ? this.#read(children) : this.#controls.get(path).value,
    ]);
    return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
  }

  /** The control at this path, or the one that contains it. */
  #nearest(path) {
    for (let parts = path.split("."); parts.length; parts.pop()) {
      const control = this.#controls.get(parts.join("."));
      if (control) {
        return control;
      }
    }
    return undefined;
  }
}

function isSame(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}
