// A model's card: what its package says of it.

import { element, percent } from "./elements.js";

export function cardContent(card) {
  return [facts(card), labelTable(card), ...(card.confusion.length > 0 ? [confusion(card)] : [])];
}

function facts(card) {
  const rows = [
    ["Accuracy", `${percent(card.accuracy)} of ${card.images.toLocaleString("en")} ${card.split} images`],
    ["Macro F1", card.macro_f1.toFixed(4)],
    ["Calibration error", `${card.ece.toFixed(4)}, temperature ${card.temperature.toFixed(3)}`],
    ["Unknown below", card.unknown_threshold === undefined ? "never" : percent(card.unknown_threshold)],
    ["Input", `${card.input.height} × ${card.input.width}, ${card.input.resize.replace("_", " ")}`],
    ["Size", `${card.parameters.toLocaleString("en")} parameters, ${card.macs.toLocaleString("en")} MACs`],
    ["Precision", card.precision],
    ["Trained on", card.data],
    ["Licence", card.licence],
    ["Digest", element("code", { class: "digest" }, card.digest)],
  ];
  return element(
    "dl",
    { class: "facts" },
    ...rows.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))),
  );
}

function labelTable(card) {
  const head = ["Label", "Precision", "Recall", "F1", "Images"].map((name) => element("th", { scope: "col" }, name));
  const rows = card.labels.map((row) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, row.label),
      ...[percent(row.precision), percent(row.recall), percent(row.f1), String(row.support)].map((text) =>
        element("td", {}, text),
      ),
    ),
  );
  return scrolling(
    element(
      "table",
      {},
      element("caption", {}, "Label by label"),
      element("thead", {}, element("tr", {}, ...head)),
      element("tbody", {}, ...rows),
    ),
  );
}

function confusion(card) {
  const labels = card.labels.map((row) => row.label);
  const most = Math.max(...card.confusion.flat(), 1);
  const head = labels.map((label) => element("th", { scope: "col", title: label }, element("span", {}, label)));
  const rows = card.confusion.map((counts, truth) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, labels[truth]),
      ...counts.map((count, predicted) => {
        const cell = element("td", { title: `${labels[truth]} taken for ${labels[predicted]}: ${count}` }, String(count));
        const share = Math.sqrt(count / most); // small counts are what one looks for
        cell.style.setProperty("--share", `${Math.round(100 * share)}%`);
        cell.classList.toggle("strong", share > 0.55);
        cell.classList.toggle("none", count === 0);
        return cell;
      }),
    ),
  );
  return scrolling(
    element(
      "table",
      { class: "confusion" },
      element("caption", {}, "Confusion: truth in rows, answers in columns"),
      element("thead", {}, element("tr", {}, element("td", {}), ...head)),
      element("tbody", {}, ...rows),
    ),
  );
}

function scrolling(table) {
  return element("div", { class: "scrolling", tabIndex: 0, role: "region", "aria-label": table.caption.textContent }, table);
}
