// Who labels.

import { me } from "./api.js";

const dialog = document.getElementById("ask-name");
const input = document.getElementById("person");

/** Ask until there is a name. */
export async function askName() {
  input.value = me.name;
  dialog.showModal();
  await new Promise((closed) => dialog.addEventListener("close", closed, { once: true }));
  me.name = input.value.trim().replace(/\s+/g, " ") || me.name;
  if (!me.name) return askName();
  document.cookie = `gleaner-person=${encodeURIComponent(me.name)}; max-age=31536000; samesite=strict; path=/`;
}

/** The name that was given before: a cookie, since those are the same at another port, where the page is next time. */
export function rememberedName() {
  return decodeURIComponent(/(?:^|; )gleaner-person=([^;]*)/.exec(document.cookie)?.[1] ?? "");
}
