// Sortable tables: a button in each heading of a score table sorts the ranked rows. Controls stay where they are, and so do
// missing values: last. Without this script the table is already sorted by its primary score, and whole.
"use strict";

const SCREEN = 40; // rows that are laid out before anything else: a screen of them
const AT_ONCE = 125; // rows that follow without being asked for; a button shows the rest
const words = new Intl.Collator("en", { numeric: true });
const boards = new Map(); // by table: all its ranked rows in their order, which of them are wanted, and how many are shown

// A screen of rows at once, then as many again as there are, and again: it is there in a moment, however long the table is.
function show(board) {
  const wanted = board.rows.filter(board.wants);
  const shown = wanted.slice(0, board.limit);
  board.body.replaceChildren(...shown.slice(0, SCREEN));
  clearTimeout(board.later);
  const fill = (from) => {
    if (from >= shown.length) return;
    board.body.append(...shown.slice(from, 2 * from));
    board.later = setTimeout(fill, 0, 2 * from);
  };
  board.later = setTimeout(fill, 0, SCREEN);
  board.more.hidden = wanted.length <= board.limit;
  board.more.textContent = `Show all ${wanted.length.toLocaleString("en")} rows`;
  return wanted.length;
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return words.compare(a, b);
}

// The key of a row in one column: number, text, or null where the field has no value.
function key(row, column) {
  const text = row.children[column].getAttribute("data-order") ?? "";
  const value = Number(text);
  return text === "" ? null : Number.isNaN(value) ? text : value;
}

function sortBy(board, heading, direction) {
  const sign = direction === "ascending" ? 1 : -1;
  const keyed = board.rows.map((row) => ({ row, key: key(row, heading.cellIndex) }));
  keyed.sort((p, q) => {
    if (p.key === null || q.key === null) return (p.key === null) - (q.key === null);
    return sign * compare(p.key, q.key);
  });
  board.rows = keyed.map((each) => each.row);
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
  const more = document.createElement("button");
  more.type = "button";
  more.className = "more";
  const board = { body, rows: Array.from(body.rows), wants: () => true, limit: AT_ONCE, more, later: 0 };
  boards.set(table, board);
  table.closest(".scroll").after(more);
  more.addEventListener("click", () => {
    board.limit = Infinity;
    show(board);
  });
  addButtons(table, board);
  show(board);
}
