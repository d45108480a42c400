// The live strip: asks the server how it has been in the last half minute, as long as somebody looks.

import { api } from "./api.js";
import { element, milliseconds } from "./elements.js";

const EVERY_MS = 2000;
const POINTS = 60;

export function watchService(strip) {
  const part = (name) => strip.querySelector(`[data-live="${name}"]`);
  const rates = Array(POINTS).fill(0);

  const show = (summary) => {
    rates.push(summary.requests_per_second);
    rates.shift();
    part("rate").textContent = summary.requests_per_second.toFixed(1);
    part("p50").textContent = summary.p50_seconds === undefined ? "–" : milliseconds(summary.p50_seconds);
    part("p99").textContent = summary.p99_seconds === undefined ? "–" : milliseconds(summary.p99_seconds);
    part("batch").textContent = summary.mean_batch_size === undefined ? "–" : summary.mean_batch_size.toFixed(1);
    part("trend").firstElementChild.setAttribute("points", trend(rates));
    part("sizes").replaceChildren(...sizes(summary.batch_sizes));
  };

  const look = async () => {
    if (!document.hidden) {
      try {
        show(await api.summary());
        strip.classList.remove("offline");
      } catch {
        strip.classList.add("offline");
      }
    }
    setTimeout(look, EVERY_MS);
  };
  look();
}

function trend(rates) {
  const most = Math.max(...rates, 0.1);
  const step = 120 / (POINTS - 1);
  const start = 120 - (rates.length - 1) * step;
  return rates.map((rate, place) => `${(start + place * step).toFixed(1)},${(26 - (24 * rate) / most).toFixed(1)}`).join(" ");
}

function sizes(counts) {
  const most = Math.max(...counts.map((count) => count.batches), 1);
  return counts.map((count) => {
    const bar = element("span", { title: `up to ${count.up_to}: ${count.batches} batches` });
    bar.style.height = `${Math.max(6, (100 * count.batches) / most)}%`;
    bar.classList.toggle("some", count.batches > 0);
    return bar;
  });
}
