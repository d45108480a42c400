// Ready-made calls for the model that is chosen.

import { byId, element } from "./elements.js";

const QUOTED = /[\\"$`]/g;

function quoted(text) {
  return text.replace(QUOTED, "\\$&");
}

// The token is never part of the page: snippets take it from the environment.
const BEARER = '-H "Authorization: Bearer $RECOGNITION_TOKEN" ';

const WRITERS = {
  Python: ({ model, version, precision, grpc, tls, token }) => `${token ? "import os\n\n" : ""}from recognition_client import RecognitionClient

with RecognitionClient("${grpc}"${token ? ', token=os.environ["RECOGNITION_TOKEN"]' : ""}${tls ? ", tls=True" : ""}) as client:
    result = client.classify(
        "picture.png", model="${quoted(model)}", version=${version}, ${precision ? `precision="${precision}", ` : ""}top_k=5
    )
    for prediction in result.predictions:
        print(f"{prediction.label:20} {prediction.probability:.1%}")`,

  tritonclient: ({ model, version, precision, grpc, tls, token }) => `${token ? "import os\n" : ""}from pathlib import Path

import numpy as np
import tritonclient.grpc as triton

client = triton.InferenceServerClient("${grpc}"${tls ? ", ssl=True" : ""})
image = triton.InferInput("image", [1], "BYTES")
image.set_data_from_numpy(np.array([Path("picture.png").read_bytes()], dtype=np.object_))
answer = client.infer(
    "${quoted(model)}",
    [image],
    model_version="${version}",
    outputs=[triton.InferRequestedOutput("logits", class_count=5)],${precision ? `\n    parameters={"precision": "${precision}"},` : ""}${token ? '\n    headers={"authorization": f"Bearer {os.environ[\'RECOGNITION_TOKEN\']}"},' : ""}
)
print(answer.as_numpy("logits"))`,

  curl: ({ model, version, precision, http, token }) =>
    `curl ${token ? BEARER : ""}--data-binary @picture.png \\
  "${http}v1/models/${encodeURIComponent(model)}/versions/${version}:classify?top_k=5${precision ? `&precision=${precision}` : ""}"`,

  grpcurl: ({ model, version, precision, grpc, tls, token }) => {
    const selector = { name: model, version, ...(precision ? { precision } : {}) };
    return `grpcurl ${tls ? "" : "-plaintext "}${token ? BEARER : ""}\\
  -d "{\\"model\\": ${quoted(JSON.stringify(selector))}, \\"image\\": \\"$(base64 -w0 picture.png)\\"}" \\
  ${grpc} recognition.v1.RecognitionService/Classify`;
  },
};

export class Snippets {
  constructor({ grpcPort, asksForToken }) {
    this.facts = {
      grpc: `${location.hostname}:${grpcPort}`,
      http: new URL(".", location.href).href,
      tls: location.protocol === "https:",
      token: asksForToken,
    };
    this.kind = "Python";
    this.tabs = Object.keys(WRITERS).map((kind) => this.makeTab(kind));
    byId("tabs").replaceChildren(...this.tabs);
    byId("copy").addEventListener("click", () => this.copy());
  }

  show(place) {
    this.place = place;
    for (const tab of this.tabs) {
      const chosen = tab.textContent === this.kind;
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
    }
    const text = WRITERS[this.kind]({ ...place, ...this.facts });
    byId("snippet").setAttribute("aria-label", this.kind);
    byId("snippet").querySelector("code").textContent = text;
  }

  makeTab(kind) {
    const tab = element("button", { type: "button", role: "tab", "aria-controls": "snippet" }, kind);
    tab.addEventListener("click", () => this.choose(kind));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step === undefined) return;
      const next = this.tabs[(this.tabs.indexOf(tab) + step + this.tabs.length) % this.tabs.length];
      this.choose(next.textContent);
      next.focus();
    });
    return tab;
  }

  choose(kind) {
    this.kind = kind;
    this.show(this.place);
  }

  async copy() {
    const button = byId("copy");
    try {
      await navigator.clipboard.writeText(byId("snippet").querySelector("code").textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(byId("snippet").querySelector("code"));
      button.textContent = "Press Ctrl+C";
    }
    setTimeout(() => (button.textContent = "Copy"), 2000);
  }
}
