// Talks to the server that this page came from. Paths are relative, so that the page also works behind a prefix.

export class Refused extends Error {
  constructor(error) {
    super(error.message);
    this.reason = error.reason;
  }
}

function place(model, version) {
  return `v1/models/${encodeURIComponent(model)}/versions/${version}`;
}

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Refused({ message: "The server cannot be reached.", reason: "OFFLINE" });
  }
  const body = await answer.json();
  if (!answer.ok) throw new Refused(body.error);
  return body;
}

function send(path, picture) {
  return ask(path, { method: "POST", body: picture, headers: { "Content-Type": "application/octet-stream" } });
}

export const api = {
  models: async () => (await ask("v1/models")).models,
  card: (model, version) => ask(`${place(model, version)}/card`),
  samples: async (model, version) => (await ask(`${place(model, version)}/samples`)).samples,
  classify: (model, version, picture) => send(`${place(model, version)}:classify?top_k=5`, picture),
  explain: (model, version, picture, label) =>
    send(`${place(model, version)}:explain?label=${encodeURIComponent(label)}`, picture),
  summary: () => ask("v1/metrics/summary"),
  settings: () => ask("playground/settings.json"),
  file: async (path) => (await fetch(path)).blob(),
};
