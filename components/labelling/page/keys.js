// Which key stands for which class.

const DIGITS = "1234567890";
const LETTERS = "qwertyuiopasdfghjklzxcvbnm";
export const KEYS = [...DIGITS, ...LETTERS];

/** Keys of few classes: a name of one character has its own; the others the digits in order, then their first letter,
 *  then any letter. `before`: keys by class that are kept, so that a class that is added later moves none. */
export function fixedKeys(classes, before = {}) {
  const key = new Map();
  const free = new Set(KEYS);
  const give = (name, wanted) => {
    if (wanted === undefined || !free.delete(wanted)) return false;
    key.set(name, wanted);
    return true;
  };
  for (const name of classes) give(name, before[name]);
  for (const name of classes) key.has(name) || give(name, name.toLowerCase());
  const rest = classes.filter((name) => !key.has(name));
  const digits = [...DIGITS].filter((digit) => free.has(digit));
  rest.splice(0, digits.length).forEach((name, place) => give(name, digits[place]));
  for (const name of rest) give(name, name[0].toLowerCase()) || give(name, [...free][0]);
  return key;
}

/** Keys of many classes: those that were used have them. A class keeps its key until it is the one not used longest. */
export class MovingKeys {
  constructor(classes, storageName) {
    this.storageName = storageName;
    const known = new Set(classes);
    const kept = JSON.parse(localStorage.getItem(storageName) ?? "{}");
    this.used = Object.fromEntries(Object.entries(kept.used ?? {}).filter(([name]) => known.has(name)));
    this.slots = KEYS.map((_, place) => (known.has(kept.slots?.[place]) ? kept.slots[place] : null));
    const unplaced = classes.filter((name) => !this.slots.includes(name));
    this.slots = this.slots.map((name) => name ?? unplaced.shift());
  }

  use(name) {
    this.used[name] = Date.now();
    if (!this.slots.includes(name)) {
      const times = this.slots.map((each) => this.used[each] ?? 0);
      this.slots[times.indexOf(Math.min(...times))] = name;
    }
    localStorage.setItem(this.storageName, JSON.stringify({ used: this.used, slots: this.slots }));
  }

  get keys() {
    return new Map(this.slots.map((name, place) => [name, KEYS[place]]));
  }
}
