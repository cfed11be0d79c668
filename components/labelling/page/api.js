// Ask the server. Who asks, and from which tab, goes with every question.

export const me = { name: "" };

const tab = sessionStorage.getItem("tab") ?? Array.from(crypto.getRandomValues(new Uint8Array(10)), (b) => b.toString(36)).join("");
sessionStorage.setItem("tab", tab);

export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

function request(body) {
  return JSON.stringify({ person: me.name, tab, ...body });
}

/** The server's answer. Throws Refused with a line for the person, or TypeError where the server cannot be reached. */
export async function ask(path, body = {}) {
  const response = await fetch(`api/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: request(body),
  });
  const told = await response.json().catch(() => ({}));
  if (response.ok) return told;
  throw new Refused(told.error ?? `the server answered ${response.status}`, response.status);
}

/** The same, tried again until the server has answered: nothing that a person said gets lost. */
export async function insist(path, body, whileWaiting) {
  for (let pause = 500; ; pause = Math.min(pause * 2, 8000)) {
    try {
      return await ask(path, body);
    } catch (error) {
      if (error instanceof Refused && error.status < 500) throw error;
      whileWaiting(error instanceof Refused ? error.message : "the server cannot be reached");
      await new Promise((done) => setTimeout(done, pause));
    }
  }
}

/** Give back what this tab holds, when it closes. */
export function leave() {
  if (me.name) navigator.sendBeacon("api/leave", new Blob([request({})], { type: "application/json" }));
}

export function imageUrl(id, size) {
  return `image/${id}?size=${size}`;
}
