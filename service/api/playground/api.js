// Talks to the server that this page came from. Paths are relative, so that the page also works behind a prefix.

export class Refused extends Error {
  constructor(error) {
    super(error.message);
    this.reason = error.reason;
  }
}

// A place is `{ model, version, precision }`; without a precision the server's own choice answers.
function path({ model, version }, rest = "") {
  return `v1/models/${encodeURIComponent(model)}/versions/${version}${rest}`;
}

function query({ precision }, values = {}) {
  const all = new URLSearchParams(precision ? { ...values, precision } : values);
  return all.size > 0 ? `?${all}` : "";
}

async function ask(url, options = {}) {
  let answer;
  try {
    answer = await fetch(url, options);
  } catch {
    throw new Refused({ message: "The server cannot be reached.", reason: "OFFLINE" });
  }
  const body = await answer.json();
  if (!answer.ok) throw new Refused(body.error);
  return body;
}

function send(url, picture) {
  return ask(url, { method: "POST", body: picture, headers: { "Content-Type": "application/octet-stream" } });
}

export const api = {
  models: async () => (await ask("v1/models")).models,
  card: (place) => ask(path(place, "/card") + query(place)),
  samples: async (place) => (await ask(path(place, "/samples"))).samples,
  classify: (place, picture) => send(path(place, ":classify") + query(place, { top_k: 5 }), picture),
  explain: (place, picture, label) => send(path(place, ":explain") + query(place, { label }), picture),
  summary: () => ask("v1/metrics/summary"),
  settings: () => ask("playground/settings.json"),
  file: async (url) => (await fetch(url)).blob(),
};
