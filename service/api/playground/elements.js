// Builds page elements: no markup is ever made from text, so nothing that a model or a file is called can become code.

export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") made.className = value;
    else if (name === "dataset") Object.assign(made.dataset, value);
    else if (name.startsWith("aria-") || name === "role" || name === "for") made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

export function byId(id) {
  return document.getElementById(id);
}

export function percent(share) {
  if (share > 0 && share < 0.0005) return "< 0.1%";
  return `${(share * 100).toFixed(share < 0.9995 ? 1 : 0)}%`;
}

export function milliseconds(seconds) {
  const value = seconds * 1000;
  if (value >= 100) return `${value.toFixed(0)} ms`;
  return `${value.toFixed(value >= 10 ? 1 : 2)} ms`;
}
