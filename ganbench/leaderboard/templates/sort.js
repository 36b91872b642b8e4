// Sortable tables: a button in each heading of a score table sorts the ranked rows. Controls stay where they are, and so do
// missing values: last. Without this script the table is already sorted by its primary score, and whole.
"use strict";

const SCREEN = 40; // rows that are laid out before anything else: a screen of them
const PAGE = 100; // rows on a page: a longer table takes its time to lay out, at each sort and at each filter
const words = new Intl.Collator("en");
const later = window.requestIdleCallback ?? ((work) => setTimeout(work, 100)); // Safari has none
// By table: all its ranked rows in their order, what they are sorted by, which of them are wanted, and the means to turn its pages.
const boards = new Map();

// One page of the wanted rows: a screen of them at once, the rest a moment later. How many rows are wanted.
function show(board, page = 0) {
  const wanted = board.rows.filter(board.wants);
  const shown = wanted.slice(page * PAGE, (page + 1) * PAGE);
  board.body.replaceChildren(...shown.slice(0, SCREEN));
  clearTimeout(board.later);
  board.later = setTimeout(() => board.body.append(...shown.slice(SCREEN)), 0);
  board.turn(page, wanted.length);
  return wanted.length;
}

// Two buttons that turn the pages of a table, and which rows are shown between them.
function addPages(table, board) {
  const bar = document.createElement("nav");
  bar.className = "turn";
  bar.setAttribute("aria-label", `Pages of ${table.caption.textContent}`);
  const place = document.createElement("span");
  place.setAttribute("aria-live", "polite");
  const [previous, next] = [["Previous", -1], ["Next", 1]].map(([text, step]) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = text;
    button.addEventListener("click", () => {
      show(board, board.page + step);
      if (button.disabled) (step < 0 ? next : previous).focus({ preventScroll: true }); // the keyboard's place stays in the bar
      table.closest("figure").scrollIntoView();
    });
    return button;
  });
  bar.append(previous, place, next);
  table.closest(".scroll").after(bar);
  board.turn = (page, count) => {
    const last = Math.min((page + 1) * PAGE, count);
    board.page = page;
    bar.hidden = count <= PAGE;
    previous.disabled = page === 0;
    next.disabled = last === count;
    place.textContent = `Rows ${(page * PAGE + 1).toLocaleString("en")} to ${last.toLocaleString("en")} of ${count.toLocaleString("en")}`;
  };
}

// A text's key: digits are padded, so that v2 comes before v10. The collator's own `numeric` does that too, at several times the price.
function padded(text) {
  return text.replace(/\d+/g, (digits) => digits.padStart(12, "0"));
}

// What the ranked rows are sorted by in a column: numbers, or texts where one of them is no number; no key where nothing is known.
// Read once a page: 5,000 attributes take longer than the sort.
function keysOf(board, place) {
  if (!board.keys.has(place)) {
    const texts = board.rows.map((row) => row.children[place].getAttribute("data-order") ?? "");
    const numbers = texts.every((text) => !Number.isNaN(Number(text))); // one name that is a number does not make it a column of them
    const keys = texts.map((text) => (text === "" ? null : numbers ? Number(text) : padded(text)));
    board.keys.set(place, { compare: numbers ? (p, q) => p - q : words.compare, of: new Map(board.rows.map((row, at) => [row, keys[at]])) });
  }
  return board.keys.get(place);
}

// The columns are read before anyone asks, one at a time, so that no click waits long for it.
function readAhead(board, places) {
  if (places.length === 0) return;
  later(() => {
    keysOf(board, places[0]);
    readAhead(board, places.slice(1));
  });
}

function sortBy(board, heading, direction) {
  const sign = direction === "ascending" ? 1 : -1;
  const { compare, of } = keysOf(board, heading.cellIndex);
  const all = board.rows.map((row) => ({ row, key: of.get(row) }));
  const known = all.filter((each) => each.key !== null).sort((p, q) => sign * compare(p.key, q.key));
  board.rows = [...known, ...all.filter((each) => each.key === null)].map((each) => each.row);
  show(board);
  for (const other of heading.parentElement.cells) {
    if (other.querySelector("button")) other.setAttribute("aria-sort", other === heading ? direction : "none");
  }
}

function addButtons(table, board) {
  let primary = true;
  for (const heading of table.tHead.rows[0].cells) {
    if ("fixed" in heading.dataset) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    const first = heading.dataset.better === "higher" ? "descending" : "ascending";
    heading.setAttribute("aria-sort", "none");
    if (heading.dataset.better && primary) {
      heading.setAttribute("aria-sort", first);
      primary = false;
    }
    button.addEventListener("click", () => {
      const now = heading.getAttribute("aria-sort");
      const next = now === "none" ? first : now === "ascending" ? "descending" : "ascending";
      sortBy(board, heading, next);
    });
  }
}

for (const table of document.querySelectorAll("figure.scores table")) {
  const body = table.querySelector("tbody.ranked");
  if (!body) continue;
  const board = { body, rows: Array.from(body.rows), keys: new Map(), wants: () => true, page: 0, later: 0 };
  boards.set(table, board);
  addPages(table, board);
  addButtons(table, board);
  show(board);
  readAhead(board, Array.from(table.tHead.rows[0].cells).flatMap((heading) => (heading.querySelector("button") ? [heading.cellIndex] : [])));
}

// Paper has no buttons: all rows that are wanted.
addEventListener("beforeprint", () => {
  for (const board of boards.values()) {
    clearTimeout(board.later);
    board.body.replaceChildren(...board.rows.filter(board.wants));
  }
});
addEventListener("afterprint", () => {
  for (const board of boards.values()) show(board, board.page);
});
