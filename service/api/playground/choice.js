// Which model looks at the picture: its name, its version and, where several answer, its precision.

import { element } from "./elements.js";

export class Choice {
  constructor({ models, id, onChange }) {
    this.models = models;
    this.onChange = onChange;
    this.name = element("select", { id: `${id}-model` });
    this.version = element("select", { id: `${id}-version` });
    this.precision = element("select", { id: `${id}-precision` });
    this.precisionLabel = element("label", { for: this.precision.id }, "Precision", this.precision);
    this.root = element(
      "div",
      { class: "choice" },
      element("label", { for: this.name.id }, "Model", this.name),
      element("label", { for: this.version.id }, "Version", this.version),
      this.precisionLabel,
    );
    this.name.replaceChildren(...[...new Set(models.map((model) => model.name))].map((name) => new Option(name)));
    this.name.addEventListener("change", () => this.take(this.versions().at(-1)));
    this.version.addEventListener("change", () =>
      this.take(this.versions().find((model) => String(model.version) === this.version.value)),
    );
    this.precision.addEventListener("change", () => this.onChange());
  }

  // What the server is asked with; no precision means the one that the server chose.
  get place() {
    const named = this.precision.selectedIndex > 0;
    return { model: this.model.name, version: this.model.version, precision: named ? this.precision.value : null };
  }

  get title() {
    const { model, version, precision } = this.place;
    return `${model} version ${version}${precision ? `, ${precision}` : ""}`;
  }

  versions() {
    return this.models.filter((model) => model.name === this.name.value);
  }

  // Without a precision the one that is shown stays, if this model answers in it too.
  take(model, precision = this.precision.value) {
    this.model = model;
    this.name.value = model.name;
    this.version.replaceChildren(
      ...this.versions().map((one) => {
        const aliases = one.aliases.length > 0 ? ` · ${one.aliases.join(", ")}` : "";
        return new Option(`${one.version}${aliases}`, one.version);
      }),
    );
    this.version.value = model.version;
    this.precision.replaceChildren(...model.precisions.map((one) => new Option(one)));
    this.precision.selectedIndex = Math.max(model.precisions.indexOf(precision), 0);
    this.precisionLabel.hidden = model.precisions.length < 2;
    this.onChange();
  }
}
