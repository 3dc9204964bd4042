// The server counts characters (code points), the page counts UTF-16 units: they differ after an emoji and the like.

export class Offsets {
  constructor(text) {
    this.wide = []; // place, in characters, of each character that takes two units
    let characters = 0;
    for (let i = 0; i < text.length; i += 1, characters += 1) {
      const unit = text.charCodeAt(i);
      if (unit >= 0xd800 && unit <= 0xdbff && i + 1 < text.length) {
        const next = text.charCodeAt(i + 1);
        if (next >= 0xdc00 && next <= 0xdfff) {
          this.wide.push(characters);
          i += 1;
        }
      }
    }
  }

  /** Characters to units. */
  toUnits(characters) {
    return characters + countBelow(this.wide, (place) => place < characters);
  }

  /** Units to characters. */
  toCharacters(units) {
    return units - countBelow(this.wide, (place, n) => place + n < units);
  }
}

function countBelow(sorted, isBelow) {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBelow(sorted[middle], middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Cut a range at every boundary of the marks: [{start, end, marks}] without gaps, in order. */
export function cut(start, end, marks) {
  const inside = marks.filter((mark) => mark.start < end && mark.end > start);
  const places = new Set([start, end]);
  for (const mark of inside) {
    places.add(Math.max(start, mark.start));
    places.add(Math.min(end, mark.end));
  }
  const sorted = [...places].sort((a, b) => a - b);
  const parts = [];
  for (let i = 0; i + 1 < sorted.length; i += 1) {
    const [a, b] = [sorted[i], sorted[i + 1]];
    parts.push({ start: a, end: b, marks: inside.filter((mark) => mark.start <= a && mark.end >= b) });
  }
  return parts;
}

/** Cut a text into pieces of whole lines, each at least `size` units long. */
export function pieces(text, size = 1600) {
  const found = [];
  let start = 0;
  while (start < text.length) {
    let end = text.indexOf("\n", Math.min(text.length, start + size));
    end = end < 0 ? text.length : end + 1;
    if (end - start > 4 * size) end = start + 4 * size; // one endless line
    found.push([start, end]);
    start = end;
  }
  return found;
}
