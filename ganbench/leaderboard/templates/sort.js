// Sortable tables: a button in each heading of a score table sorts the ranked rows. Controls stay where they are, and so do
// missing values: last. Without this script the table is already sorted by its primary score.
"use strict";

const words = new Intl.Collator("en", { numeric: true });

// Each row with the key of one column, read once: number, text, or null where the field has no value.
function keyed(rows, column) {
  return rows.map((row) => {
    const text = row.cells[column].dataset.order ?? "";
    const value = Number(text);
    return { row, key: text === "" ? null : Number.isNaN(value) ? text : value };
  });
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return words.compare(a, b);
}

function sortBy(table, heading, direction) {
  const body = table.querySelector("tbody.ranked");
  const sign = direction === "ascending" ? 1 : -1;
  const order = keyed(Array.from(body.rows), heading.cellIndex);
  order.sort((p, q) => {
    if (p.key === null || q.key === null) return (p.key === null) - (q.key === null);
    return sign * compare(p.key, q.key);
  });
  const sorted = document.createDocumentFragment();
  for (const each of order) sorted.append(each.row);
  body.append(sorted);
  for (const other of table.tHead.rows[0].cells) {
    if (other.querySelector("button")) other.setAttribute("aria-sort", other === heading ? direction : "none");
  }
}

for (const table of document.querySelectorAll("figure.scores table")) {
  if (!table.querySelector("tbody.ranked")) continue;
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
      sortBy(table, heading, next);
    });
  }
}
