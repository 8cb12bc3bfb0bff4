/*
 * A form made of a JSON schema: its fields, in their groups, the object that they stand for, and what is wrong with it.
 *
 * What the browser itself objects to is shown as the server's objections are, at the field. The server has the last word.
 */

import { Control } from "./control.js";
import { make } from "./make.js";
import { fieldsOf } from "./schema.js";

let forms = 0;

export class Fields {
  #fields;
  #words;
  #controls = new Map(); // by path, in the order of the page

  /** Builds the form into `place`. `values` stand in it at first; `words` are those of the page. */
  constructor(place, schema, values, words) {
    this.#words = words;
    this.#fields = fieldsOf(schema, values);
    forms += 1;
    place.replaceChildren(...this.#build(this.#fields, `form-${forms}`));
  }

  get isEmpty() {
    return !this.#controls.size;
  }

  /** Something in it is not to be kept where others can read it. */
  get isSecret() {
    return [...this.#controls.values()].some((control) => control.isSecret);
  }

  /** The object, as the schema wants it. Throws where there is a problem. */
  get value() {
    return this.#read(this.#fields);
  }

  /** What stands in each field, to be put there again. No secrets. */
  get typed() {
    const controls = [...this.#controls].filter(([, control]) => !control.isSecret);
    return Object.fromEntries(controls.map(([path, control]) => [path, control.typed]));
  }

  set typed(typed) {
    this.#controls.forEach((control, path) => (control.typed = typed[path] ?? control.typed));
  }

  /** What can be seen to be wrong from here, by path. */
  get problems() {
    const found = [...this.#controls].map(([path, control]) => [path, control.problem]);
    return Object.fromEntries(found.filter(([, words]) => words));
  }

  /** Show what is wrong where it is, and go to the first. Return what belongs to no field. */
  show(errors) {
    const elsewhere = [];
    const found = new Map();
    for (const [path, words] of Object.entries(errors)) {
      const control = this.#nearest(path);
      if (control) {
        found.set(control, [...(found.get(control) ?? []), words]);
      } else {
        elsewhere.push(path ? `${path}: ${words}` : words);
      }
    }
    const controls = [...this.#controls.values()];
    controls.forEach((control) => control.showProblem((found.get(control) ?? []).join(" ")));
    controls.find((control) => found.has(control))?.focus();
    return elsewhere;
  }

  focus() {
    this.#controls.values().next().value?.focus();
  }

  #build(fields, prefix) {
    return fields.map((field) => {
      if (field.kind === "group") {
        return this.#group(field, prefix);
      }
      const control = new Control(field, `${prefix}-${field.path}`, this.#words);
      this.#controls.set(field.path, control);
      return control.element;
    });
  }

  #group({ label, hint, fields }, prefix) {
    const group = make("fieldset", { className: "field-group" });
    group.append(make("legend", { textContent: label, dir: "auto" }));
    if (hint) {
      group.append(make("p", { className: "field-hint", textContent: hint, dir: "auto" }));
    }
    group.append(...this.#build(fields, prefix));
    return group;
  }

  #read(fields) {
    const read = fields.map(({ name, path, kind, fields: inner }) => [
      name,
      kind === "group" ? this.#read(inner) : this.#controls.get(path).value,
    ]);
    return Object.fromEntries(read.filter(([, value]) => value !== undefined));
  }

  /** The field with this path, or the one that it is a part of. */
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
