// Sortable tables: a button in each heading of a score table sorts the ranked rows. Controls stay where they are, and so do
// missing values: last. Without this script the table is already sorted by its primary score.
"use strict";

function compare(a, b) {
  const x = Number(a), y = Number(b);
  return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
}

function sortBy(table, heading, direction) {
  const column = heading.cellIndex;
  const body = table.querySelector("tbody.ranked");
  const order = (row) => row.cells[column].dataset.order ?? "";
  const rows = Array.from(body.rows);
  const sign = direction === "ascending" ? 1 : -1;
  rows.sort((p, q) => {
    const a = order(p), b = order(q);
    if (a === "" || b === "") return (a === "") - (b === "");
    return sign * compare(a, b);
  });
  body.append(...rows);
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
