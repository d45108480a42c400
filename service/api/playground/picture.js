// The picture that is looked at: it comes by drop, paste, choice, camera or from the samples, and all panels show it.

import { api } from "./api.js";
import { byId, element } from "./elements.js";

export class Picture {
  constructor({ blob, name, bitmap }) {
    this.blob = blob;
    this.name = name;
    this.bitmap = bitmap; // null where the browser cannot show it; the server says what is wrong
  }

  static async from(blob, name) {
    let bitmap = null;
    try {
      bitmap = await createImageBitmap(blob);
    } catch {
      bitmap = null;
    }
    return new Picture({ blob, name, bitmap });
  }

  // Draws the whole picture, or the part `[x, y, width, height]` of it, so that its longer side fills the canvas.
  draw(canvas, longest, part = null) {
    const [x, y, width, height] = part ?? [0, 0, this.bitmap.width, this.bitmap.height];
    const scale = longest / Math.max(width, height);
    canvas.width = Math.max(1, Math.round(width * scale));
    canvas.height = Math.max(1, Math.round(height * scale));
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = scale < 4; // small pictures keep their pixels
    context.imageSmoothingQuality = "high";
    context.drawImage(this.bitmap, x, y, width, height, 0, 0, canvas.width, canvas.height);
  }
}

export function watchPictures(show) {
  const take = async (files, title) => {
    const pictures = await Promise.all([...files].map((file) => Picture.from(file, file.name || title)));
    if (pictures.length === 0) return;
    keep(pictures, show);
    show(pictures[0]);
  };
  for (const id of ["choose", "photograph"]) {
    byId(id).addEventListener("change", (event) => {
      take([...event.target.files], "photo");
      event.target.value = "";
    });
  }
  document.addEventListener("paste", (event) => take(event.clipboardData.files, "pasted picture"));
  watchDrops((files) => take(files, "dropped picture"));
}

function watchDrops(take) {
  const stage = byId("stage");
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    stage.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) stage.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    stage.classList.remove("over");
    take(event.dataTransfer.files);
  });
}

function keep(pictures, show) {
  byId("yours").hidden = false;
  const list = byId("own-pictures");
  for (const picture of pictures) {
    const face = picture.bitmap
      ? element("canvas", { "aria-hidden": "true" })
      : element("span", { class: "faceless", "aria-hidden": "true" }, "?");
    if (picture.bitmap) picture.draw(face, 128);
    const button = thumbnail(face, picture.name, `Show ${picture.name}`);
    picture.button = button;
    button.addEventListener("click", () => show(picture));
    list.prepend(element("li", {}, button));
  }
}

export async function offerSamples(place, show) {
  const samples = await api.samples(place);
  byId("offered").hidden = samples.length === 0;
  byId("samples").replaceChildren(
    ...samples.map((sample) => {
      const path = sample.path.slice(1);
      const face = element("img", { src: path, alt: "" });
      face.addEventListener("load", () => face.classList.toggle("tiny", face.naturalWidth < 64));
      const button = thumbnail(face, sample.label, `Try the sample ${sample.label}`);
      button.addEventListener("click", async () => {
        const picture = await Picture.from(await api.file(path), sample.label);
        picture.button = button;
        show(picture);
      });
      return element("li", {}, button);
    }),
  );
}

function thumbnail(face, title, action) {
  return element("button", { type: "button", title, "aria-label": action, "aria-pressed": "false" }, face);
}

export function display(picture) {
  for (const button of document.querySelectorAll(".thumbnails button")) {
    button.setAttribute("aria-pressed", String(button === picture.button));
  }
  const canvas = byId("shown");
  byId("invitation").hidden = true;
  canvas.hidden = picture.bitmap === null;
  byId("unshown").hidden = picture.bitmap !== null;
  byId("unshown").textContent = `${picture.name} cannot be shown as a picture.`;
  canvas.setAttribute("aria-label", picture.name);
  if (picture.bitmap) picture.draw(canvas, 840);
}
