// The page: shows what is to be labelled, takes answers, and shows the next image once the answer is kept.

import { ask, imageUrl, insist, leave, me, Refused } from "./api.js";
import * as classes from "./classes.js";
import * as group from "./group.js";
import * as keyboard from "./keyboard.js";
import { complain, notice, quiet, say, waiting } from "./notice.js";
import { askName, rememberedName } from "./person.js";
import * as progress from "./progress.js";
import * as recent from "./recent.js";
import * as single from "./single.js";
import * as zoom from "./zoom.js";

const AHEAD = 5; // images that are fetched before they are shown
const LOOK = 10000; // milliseconds between two looks at what others do
const $ = (id) => document.getElementById(id);

let about = {};
let mode = "single"; // or again: what was passed over; or group
let purpose = ""; // that alone is asked for
let queue = []; // images to show, the first is before the person
let seen = []; // images of the mode `again`
let shown = null; // {images, group}: what an answer now would be about
let busy = true; // no answer is taken: one is being kept, or the next image is not there yet
let waits = null;
let candidates; // whose images the page shows

start();

async function start() {
  classes.setUp((name) => answer("class", name));
  group.setUp(zoom.open, (kept, out) => say(`${kept} in, ${out} out`));
  listen();
  try {
    about = await insist("about", {}, waiting);
  } catch (error) {
    return complain(error.message);
  }
  quiet();
  document.title = `${about.name} · Gleaner`;
  $("name").textContent = about.name;
  me.name = about.person || rememberedName();
  mode = sessionStorage.getItem("gleaner-mode") === "group" ? "group" : "single";
  if (!me.name) await askName();
  await begin();
  setInterval(look, LOOK);
}

async function begin() {
  $("who").textContent = me.name;
  classes.setClasses(about.classes, about.open, about.name);
  progress.show(about.progress, purpose, choosePurpose);
  recent.setUp((await insist("recent", {}, waiting)).recent, reopen);
  await more();
}

// What to label

function question() {
  return mode === "group" ? { mode, count: group.room() } : { mode, purpose, have: [...seen, ...queue.map((each) => each.id)], count: AHEAD - Math.min(queue.length, AHEAD - 1) };
}

async function more() {
  busy = true;
  try {
    take(await insist("next", question(), waiting));
  } catch (error) {
    return complain(error.message);
  }
  await show();
}

function take(told) {
  quiet();
  about.progress = told.progress;
  progress.show(told.progress, purpose, choosePurpose);
  offerNewer(told.newer);
  waits = told.waits ?? null;
  if ("group" in told) shown = told.group ? { group: told.group } : null;
  else if (told.next) queue.push(...told.next);
  for (const each of queue) single.preload(each);
}

async function show() {
  busy = true;
  for (const [id, isOn] of [["single", mode !== "group"], ["groups", mode === "group"]]) $(id).setAttribute("aria-pressed", String(isOn));
  $("skip").lastElementChild.textContent = mode === "group" ? "Next group" : "Skip";
  if (mode === "group" ? !shown?.group : !queue.length) return showDone();
  document.body.dataset.view = mode === "group" ? "group" : "one";
  if (mode === "group") {
    await group.show(shown.group);
  } else {
    shown = { item: queue[0] };
    await single.show(queue[0]);
    classes.mark(queue[0].said?.kind === "class" ? queue[0].said.label : undefined);
  }
  document.body.dataset.ready = mode === "group" ? shown.group.images.map((each) => each.id).join(" ") : queue[0].id;
  busy = false;
}

function showDone() {
  const isNew = document.body.dataset.view !== "done";
  document.body.dataset.view = "done";
  document.body.dataset.ready = "done";
  shown = null;
  const offers = [];
  if (mode !== "single") offers.push(["Go on with single images", () => choose("single")]);
  if (purpose) offers.push(["Be asked for all purposes", () => choosePurpose("")]);
  if (waits?.again) offers.push([`Look again at ${waits.again} passed over or disputed`, () => choose("again")]);
  if (mode !== "group") offers.push(["Label groups of like images", () => choose("group")]);
  progress.showDone({ progress: about.progress, waits, purpose, mode, then: about.then }, offers);
  if (!isNew) return;
  $("done").focus({ preventScroll: true });
  say($("done").querySelector("h2").textContent);
}

// What the person says

async function answer(kind, label = null) {
  if (busy || !shown) return;
  const isGroup = Boolean(shown.group);
  const images = isGroup ? group.chosen() : [shown.item.id];
  const aside = isGroup ? group.takenOut() : [];
  if (isGroup && kind === "skip") kind = "aside";
  if (!images.length && kind !== "aside") return say("Every image is taken out of the group: put some back, or press . for the next group.");
  busy = true;
  delete document.body.dataset.ready;
  if (kind === "class") classes.used(label);
  if (!isGroup) queue.shift();
  if (mode === "again") seen.push(...images);
  const have = isGroup ? {} : { have: [...images, ...question().have] };
  try {
    const told = await insist("answer", { ...question(), ...have, images, aside, kind, label }, waiting);
    if (kind !== "aside") recent.add(images, kind, label);
    take(told);
    say(`${kept(kind, label, images.length)} ${progress.total(told.progress).done} of ${progress.total(told.progress).images} done.`);
  } catch (error) {
    if (!isGroup) queue.unshift(shown.item);
    complain(error.message);
    if (error.status === 403) return;
  }
  if (mode === "single" && !queue.length) return more();
  await show();
}

function kept(kind, label, number) {
  const what = { class: label, none: "none of these", skip: "skipped", aside: "On to the next group" }[kind];
  return number > 1 && kind !== "aside" ? `${number} images: ${what}.` : `${what}.`;
}

async function undo() {
  if (busy && document.body.dataset.view !== "done") return;
  busy = true;
  let told;
  try {
    told = await insist("undo", {}, waiting);
  } catch (error) {
    busy = false;
    return complain(error.message);
  }
  quiet();
  if (!told.undone.length) {
    busy = false;
    return say("There is nothing to take back.");
  }
  delete document.body.dataset.ready;
  about.progress = told.progress;
  progress.show(told.progress, purpose, choosePurpose);
  const ids = new Set(told.undone.map((each) => each.id));
  recent.forget(ids);
  seen = seen.filter((id) => !ids.has(id));
  if (told.undone.length > 1) {
    setMode("group");
    shown = { group: { images: told.undone, left: told.undone.length, size: told.undone.length } };
  } else {
    if (mode === "group") setMode("single");
    queue = [told.undone[0], ...queue.filter((each) => !ids.has(each.id))];
  }
  say("Taken back.");
  await show();
}

async function reopen(id) {
  if (busy && document.body.dataset.view !== "done") return;
  try {
    const { image } = await ask("image", { image: id });
    if (mode === "group") {
      await ask("leave");
      setMode("single");
    }
    queue = [image, ...queue.filter((each) => each.id !== id)];
  } catch (error) {
    return complain(error.message);
  }
  await show();
}

// Modes, people, rounds

function setMode(wanted) {
  if ((mode === "group") !== (wanted === "group")) queue = [];
  mode = wanted;
  sessionStorage.setItem("gleaner-mode", wanted);
}

async function choose(wanted) {
  if (busy && document.body.dataset.view !== "done") return;
  busy = true;
  delete document.body.dataset.ready;
  await ask("leave").catch(() => {});
  queue = [];
  seen = [];
  waits = null;
  setMode(wanted);
  await more();
}

function choosePurpose(wanted) {
  if (busy && document.body.dataset.view !== "done") return;
  purpose = wanted;
  return choose("single");
}

async function changePerson() {
  if (about.login || busy) return;
  busy = true;
  leave();
  await askName();
  queue = [];
  seen = [];
  await begin();
}

async function look() {
  let told;
  try {
    told = await ask("look");
  } catch (error) {
    if (error instanceof Refused) complain(error.message);
    return;
  }
  about.progress = told.progress;
  about.classes = told.classes;
  classes.setClasses(told.classes, about.open);
  progress.show(told.progress, purpose, choosePurpose);
  offerNewer(told.newer);
  const isNewRound = told.progress.candidates !== candidates;
  candidates = told.progress.candidates;
  if (isNewRound && (!busy || document.body.dataset.view === "done")) await choose("single");
  else if (document.body.dataset.view === "done") await more(); // others may have left some
}

function offerNewer(round) {
  candidates ??= about.progress.candidates;
  if (!round) return;
  notice(`Round ${round} is ready.`, "Go on with it", async () => {
    try {
      about = { ...about, ...(await insist("round", { mode: "single" }, waiting)) };
    } catch (error) {
      return complain(error.message);
    }
    candidates = about.progress.candidates;
    classes.setClasses(about.classes, about.open);
    quiet();
    busy = false;
    await choose("single");
  });
}

// Keys and notices

function listen() {
  const enlarge = () => shown?.item && zoom.open(shown.item.id);
  keyboard.listen({
    "-": () => answer("none"),
    "−": () => answer("none"),
    ".": () => answer("skip"),
    ",": () => choose(mode === "group" ? "single" : "group"),
    "/": classes.search,
    "?": () => $("keys").showModal(),
    Backspace: undo,
    Enter: enlarge,
    " ": enlarge,
  }, (name) => answer("class", name));
  addEventListener("pagehide", leave);
  addEventListener("pageshow", (event) => event.persisted && location.reload());
  $("none").addEventListener("click", () => answer("none"));
  $("skip").addEventListener("click", () => answer("skip"));
  $("undo").addEventListener("click", undo);
  $("single").addEventListener("click", () => mode === "group" && choose("single"));
  $("groups").addEventListener("click", () => mode !== "group" && choose("group"));
  $("picture").addEventListener("click", enlarge);
  $("help").addEventListener("click", () => $("keys").showModal());
  $("who").addEventListener("click", changePerson);
  document.addEventListener("click", (event) => event.detail && event.target.closest("aside button, header button, footer button")?.blur());
}
