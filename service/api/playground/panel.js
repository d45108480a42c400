// One model's view of the picture: which model and version, what it answers, how long it took, and what it looked at.

import { api } from "./api.js";
import { cardContent } from "./card.js";
import { Choice } from "./choice.js";
import { element, milliseconds, percent } from "./elements.js";
import { drawHeat, seenPart } from "./heatmap.js";

const STAGES = ["decode", "preprocess", "queue", "inference", "postprocess"];
let panels = 0;

export class Panel {
  constructor({ models, model, precision, onChange, onRemove, announce }) {
    this.onChange = onChange;
    this.announce = announce;
    this.turn = 0; // answers that come after the next question are passed over
    this.picture = null;
    const id = `panel-${(panels += 1)}`;
    this.choice = new Choice({ models, id, onChange: () => this.chosen() });
    this.remove = element("button", { type: "button", class: "remove", title: "Remove", "aria-label": "Remove this model" }, "×");
    this.remove.addEventListener("click", () => onRemove(this));
    this.error = element("p", { class: "error", role: "alert", hidden: true });
    this.bars = element("ol", { class: "bars", "aria-label": "Labels, most probable first" });
    this.unknown = element("p", { class: "unknown", hidden: true }, "Unknown: below the model's threshold, probably none of its labels.");
    this.times = element("div", { class: "times", hidden: true });
    this.heat = this.makeHeat(id);
    this.card = element("details", { class: "card" }, element("summary", {}, "Model card"), element("div", {}));
    this.card.addEventListener("toggle", () => this.card.open && this.showCard());
    this.waiting = waiting();
    this.root = element(
      "article",
      { class: "panel" },
      element("header", {}, this.choice.root, this.remove),
      this.waiting,
      this.error,
      this.unknown,
      this.bars,
      this.times,
      this.heat.root,
      this.card,
    );
    this.choice.take(model, precision);
  }

  get place() {
    return this.choice.place;
  }

  chosen() {
    this.root.setAttribute("aria-label", this.choice.title);
    this.card.open = false;
    this.onChange(this);
    if (this.picture) this.look(this.picture);
  }

  async look(picture) {
    this.picture = picture;
    const turn = (this.turn += 1);
    this.root.setAttribute("aria-busy", "true");
    this.heat.hide();
    try {
      const answer = await api.classify(this.place, picture.blob);
      if (turn === this.turn) this.show(answer);
    } catch (error) {
      if (turn === this.turn) this.refuse(error);
    }
    if (turn === this.turn) this.root.removeAttribute("aria-busy");
  }

  show({ classification, model, times }) {
    this.waiting.hidden = true;
    this.error.hidden = true;
    this.unknown.hidden = !classification.unknown;
    this.root.classList.toggle("unsure", classification.unknown);
    this.bars.replaceChildren(...classification.predictions.map(bar));
    this.showTimes(times, model.precision);
    this.heat.offer(classification.predictions, this.picture.bitmap !== null);
    const best = classification.predictions[0];
    this.announce(`${this.choice.title}: ${classification.unknown ? "unknown, perhaps " : ""}${best.label}, ${percent(best.probability)}`);
  }

  refuse(error) {
    this.waiting.hidden = true;
    this.unknown.hidden = true;
    this.times.hidden = true;
    this.bars.replaceChildren();
    this.heat.withdraw();
    this.error.hidden = false;
    this.error.textContent = error.message;
    this.error.dataset.reason = error.reason ?? "";
  }

  showTimes(times, precision) {
    const spent = STAGES.map((stage) => [stage, times[`${stage}_seconds`]]);
    const total = spent.reduce((sum, [, seconds]) => sum + seconds, 0);
    const line = element("div", { class: "line", "aria-hidden": "true" });
    for (const [stage, seconds] of spent) {
      const part = element("span", { class: stage });
      part.style.flexGrow = String(Math.max(seconds / total, 0.004));
      line.append(part);
    }
    const names = spent.map(([stage, seconds]) =>
      element("div", { class: stage }, element("dt", {}, stage), element("dd", {}, milliseconds(seconds))),
    );
    const { provider } = this.choice.model;
    const how = `${precision} on ${provider.replace("ExecutionProvider", "")}, batch of ${times.batch_size}`;
    const whole = element("p", {}, element("strong", {}, milliseconds(total)), ` in the server · ${how}`);
    this.times.replaceChildren(whole, line, element("dl", {}, ...names));
    this.times.hidden = false;
  }

  makeHeat(id) {
    const button = element("button", { type: "button", class: "button small", "aria-expanded": "false" }, "Show the heat map");
    const label = element("select", { id: `${id}-label` });
    const opacity = element("input", { id: `${id}-opacity`, type: "range", min: 0, max: 100, value: 70 });
    const ground = element("canvas", { role: "img" });
    const map = element("canvas", { class: "map", "aria-hidden": "true" });
    const note = element("p", { class: "hint" });
    const body = element(
      "div",
      { class: "heat-body", hidden: true },
      element("figure", {}, ground, map),
      element(
        "div",
        { class: "heat-controls" },
        element("label", { for: label.id }, "Speaks for", label),
        element("label", { for: opacity.id }, "Strength", opacity),
        note,
      ),
    );
    const root = element("div", { class: "heat", hidden: true }, button, body);
    opacity.addEventListener("input", () => (map.style.opacity = opacity.value / 100));
    label.addEventListener("change", () => this.explain());
    const hide = () => {
      body.hidden = true;
      button.textContent = "Show the heat map";
      button.setAttribute("aria-expanded", "false");
    };
    button.addEventListener("click", () => (body.hidden ? this.explain() : hide()));
    return {
      root, button, label, opacity, ground, map, body, note, hide,
      withdraw: () => (root.hidden = true),
      offer: (predictions, possible) => {
        root.hidden = !possible;
        label.replaceChildren(...predictions.map((prediction) => new Option(prediction.label)));
      },
    };
  }

  async explain() {
    const { heat, picture, turn } = this;
    heat.button.disabled = true;
    try {
      const [explanation, card] = await Promise.all([
        api.explain(this.place, picture.blob, heat.label.value),
        api.card(this.place),
      ]);
      if (turn !== this.turn) return;
      picture.draw(heat.ground, 480, seenPart(picture.bitmap, card.input));
      drawHeat(heat.map, explanation, heat.ground.width, heat.ground.height);
      heat.map.style.opacity = heat.opacity.value / 100;
      const exact = explanation.method === "CLASS_ACTIVATION";
      heat.note.textContent = exact
        ? "Exact: each region's share of the logit. Orange speaks for the label, blue against it."
        : "Orange: hiding this region makes the label less probable. Blue: more probable.";
      heat.ground.setAttribute("aria-label", `Heat map of ${picture.name} for ${explanation.prediction.label}`);
      heat.body.hidden = false;
      heat.button.textContent = "Hide the heat map";
      heat.button.setAttribute("aria-expanded", "true");
      this.announce(`Heat map for ${explanation.prediction.label} is shown`);
    } catch (error) {
      if (turn === this.turn) this.refuse(error);
    } finally {
      heat.button.disabled = false;
    }
  }

  async showCard() {
    const place = this.card.lastElementChild;
    try {
      place.replaceChildren(...cardContent(await api.card(this.place)));
    } catch (error) {
      place.replaceChildren(element("p", { class: "error", role: "alert" }, error.message));
    }
  }
}

// What stands where the labels will be: their outline, and what to do.
function waiting() {
  const ghosts = [64, 22, 12, 8, 5].map((width) => {
    const ghost = element("span", {});
    ghost.style.setProperty("--width", `${width}%`);
    return ghost;
  });
  const what = element("p", {}, "Choose a picture, or click on a sample.");
  return element("div", { class: "waiting" }, what, element("div", { class: "ghosts", "aria-hidden": "true" }, ...ghosts));
}

function bar({ label, probability }) {
  const fill = element("span", { class: "fill", "aria-hidden": "true" });
  fill.style.width = `${Math.max(probability * 100, 0.4)}%`;
  return element(
    "li",
    {},
    element("span", { class: "label" }, label),
    element("span", { class: "probability" }, percent(probability)),
    element("span", { class: "track", "aria-hidden": "true" }, fill),
  );
}
