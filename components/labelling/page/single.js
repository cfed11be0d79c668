// One image, with why it is asked for and the nearest labelled one where that can do no harm.

import { imageUrl } from "./api.js";
import { say } from "./notice.js";
import { MEANING } from "./progress.js";
import { labelOf } from "./recent.js";

const TINY = 100; // pixels of the longer side, below which pixels are shown as squares
const $ = (id) => document.getElementById(id);

/** Fetch the picture before it is needed. */
export function preload(item) {
  item.picture ??= Object.assign(new Image(), { src: imageUrl(item.id, "screen") });
}

/** Returns once the picture is there. */
export async function show(item) {
  const isTiny = Math.max(item.width, item.height) < TINY;
  $("image").classList.add("coming");
  preload(item);
  await item.picture.decode().catch(() => {});
  $("image").src = item.picture.src;
  $("image").classList.toggle("tiny", isTiny);
  await $("image").decode().catch(() => say("This image could not be shown."));
  $("image").classList.remove("coming");
  $("purpose").textContent = item.purpose;
  $("purpose").title = MEANING[item.purpose];
  $("reason").textContent = item.disagree.length ? `people disagree: ${item.disagree.join(", ")}` : item.reason ?? "";
  const label = item.nearest && (labelOf(item.nearest.id) ?? item.nearest.label);
  $("near").hidden = !label;
  if (!label) return;
  $("near-image").src = imageUrl(item.nearest.id, "thumb");
  $("near-image").classList.toggle("tiny", isTiny);
  $("near-label").textContent = label;
}
