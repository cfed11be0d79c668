// How far the round is, and what to do where nothing is left.

const $ = (id) => document.getElementById(id);
const NAMES = { train: "Train", validation: "Validation", calibration: "Calibration", test: "Test", audit: "Audit" };
export const MEANING = {
  train: "chosen to teach most",
  validation: "drawn at random: watches over training",
  calibration: "drawn at random: teaches how sure to be",
  test: "drawn at random: measures the result",
  audit: "drawn at random from what was answered in production: measures the model in use",
};

/** purpose: the one that is asked for alone, or nothing. */
export function show(progress, purpose, choose) {
  $("round").textContent = `round ${progress.round}`;
  const chips = progress.purposes.map((each) => chip(each, purpose, choose));
  $("purposes").replaceChildren(...chips);
}

export function total(progress) {
  const sum = (key) => progress.purposes.reduce((before, each) => before + each[key], 0);
  return { images: sum("images"), done: sum("done") };
}

function chip(each, purpose, choose) {
  const made = document.createElement("button");
  made.setAttribute("aria-pressed", String(purpose === each.purpose));
  made.dataset.purpose = each.purpose;
  made.title = `${MEANING[each.purpose]}; press to be asked for these alone`;
  made.classList.toggle("full", each.done >= each.images);
  const name = document.createElement("span");
  name.textContent = NAMES[each.purpose];
  const count = document.createElement("b");
  count.textContent = `${each.done.toLocaleString()}/${each.images.toLocaleString()}`;
  made.append(name, count, bar(each));
  made.addEventListener("click", () => choose(purpose === each.purpose ? "" : each.purpose));
  return made;
}

function bar(each) {
  const made = document.createElement("progress");
  made.max = Math.max(each.images, 1);
  made.value = each.done;
  made.setAttribute("aria-label", `${NAMES[each.purpose]}: ${each.done} of ${each.images}`);
  return made;
}

/** offers: [text, what it does] of buttons. */
export function showDone({ progress, waits, purpose, mode, then }, offers) {
  const { images, done } = total(progress);
  const all = done >= images;
  const title = mode === "group" ? "No more groups" : all ? `Round ${progress.round} is labelled` : purpose ? `No more ${purpose} images for you` : "Nothing is left for you now";
  const box = $("done");
  box.querySelector("h2").textContent = title;
  box.querySelector(".bars").replaceChildren(...progress.purposes.map((each) => {
    const row = document.createElement("div");
    const name = document.createElement("span");
    name.textContent = NAMES[each.purpose];
    const count = document.createElement("b");
    count.textContent = `${each.done.toLocaleString()} of ${each.images.toLocaleString()}`;
    row.append(name, bar(each), count);
    return row;
  }));
  const says = [];
  if (progress.beyond) says.push(`${progress.beyond.toLocaleString()} more images have a label that nobody was asked for.`);
  if (waits?.others) says.push(`${waits.others} ${waits.others === 1 ? "image is" : "images are"} before somebody else at the moment.`);
  if (!all && waits?.more_people) says.push(`${waits.more_people} of yours wait for another person's answer.`);
  const lines = says.map((text) => {
    const line = document.createElement("p");
    line.textContent = text;
    return line;
  });
  if (all) lines.unshift(command(then));
  box.querySelector(".says").replaceChildren(...lines);
  box.querySelector(".offers").replaceChildren(...offers.map(([text, act], place) => {
    const made = document.createElement("button");
    made.textContent = text;
    if (!place) made.className = "main";
    made.addEventListener("click", act);
    return made;
  }));
}

function command(then) {
  const line = document.createElement("p");
  const code = document.createElement("code");
  code.textContent = then;
  line.append("Train on these labels, and get the next images: ", code);
  return line;
}
