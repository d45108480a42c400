// Puts the page together: one picture, one panel for each model that looks at it, snippets for the first of them.

import { api } from "./api.js";
import { byId } from "./elements.js";
import { watchService } from "./live.js";
import { Panel } from "./panel.js";
import { display, offerSamples, watchPictures } from "./picture.js";
import { Snippets } from "./snippets.js";

const MOST_PANELS = 4;

class Page {
  constructor(models, snippets) {
    this.models = models;
    this.snippets = snippets;
    this.panels = [];
    this.picture = null;
    byId("compare").addEventListener("click", () => this.add(this.next()));
    watchPictures((picture) => this.show(picture));
  }

  add([model, precision]) {
    const panel = new Panel({
      models: this.models,
      model,
      precision,
      onChange: (changed) => this.changed(changed),
      onRemove: (removed) => this.remove(removed),
      announce: (text) => (byId("announcement").textContent = text),
    });
    this.panels.push(panel);
    byId("panels").append(panel.root);
    this.arrange();
    this.changed(panel);
    if (this.picture) panel.look(this.picture);
  }

  remove(panel) {
    this.panels = this.panels.filter((one) => one !== panel);
    panel.root.remove();
    this.arrange();
    this.changed(this.panels[0]);
    byId("compare").focus();
  }

  arrange() {
    for (const panel of this.panels) panel.remove.hidden = this.panels.length === 1;
    byId("compare").hidden = this.panels.length === MOST_PANELS;
    byId("panels").classList.toggle("several", this.panels.length > 1);
  }

  changed(panel) {
    if (panel !== this.panels[0]) return;
    this.snippets.show(panel.place);
    offerSamples(panel.place, (picture) => this.show(picture)).catch(complain);
  }

  show(picture) {
    this.picture = picture;
    display(picture);
    for (const panel of this.panels) panel.look(picture);
  }

  // The first one that nobody looks through yet, else the first other precision of one.
  next() {
    const used = this.panels.map(({ choice }) => [choice.model, choice.precision.value]);
    const others = this.models.find((model) => !used.some(([one]) => one === model));
    if (others) return [others, others.precision];
    const all = this.models.flatMap((model) => model.precisions.map((precision) => [model, precision]));
    const isUsed = ([model, precision]) => used.some(([one, its]) => one === model && its === precision);
    return all.find((one) => !isUsed(one)) ?? all[0];
  }
}

function complain(error) {
  byId("loading")?.remove();
  byId("page-error").textContent = error.message;
  byId("page-error").hidden = false;
}

async function open() {
  watchService(byId("live"));
  const [models, settings] = await Promise.all([api.models(), api.settings()]);
  const ready = models.filter((model) => model.state === "READY" && model.labels.length > 0);
  if (ready.length === 0) throw new Error("No model is ready yet; load the page again in a moment.");
  const page = new Page(ready, new Snippets({ grpcPort: settings.grpc_port, asksForToken: settings.asks_for_token }));
  byId("loading").remove();
  byId("compare").disabled = false;
  page.add([ready[0], ready[0].precision]);
}

open().catch(complain);
