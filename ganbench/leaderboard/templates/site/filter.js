// Filters, the column chooser and copying, for pages of the site; sort.js comes before this. Choices are numbers in the page, so that
// no text of a record is read as anything but text. Without this script all rows and columns are shown.

function wanting(bar) {
  const selects = Array.from(bar.querySelectorAll("select")).filter((select) => select.value !== "");
  const chosen = selects.map((select) => [select.dataset.filter, select.value]).filter(([filter]) => filter !== "protocol");
  const name = bar.querySelector("input").value.trim().toLowerCase();
  return (row) =>
    chosen.every(([filter, choice]) => (row.getAttribute(`data-${filter}`) ?? "").split(" ").includes(choice)) &&
    (name === "" || row.querySelector("th").textContent.toLowerCase().includes(name));
}

function applyFilters(bar) {
  const protocol = bar.querySelector("select[data-filter=protocol]").value;
  const wants = wanting(bar);
  let shown = 0, total = 0;
  for (const ranking of document.querySelectorAll(".ranking")) {
    ranking.hidden = protocol !== "" && ranking.dataset.protocol !== protocol;
    const board = boards.get(ranking.querySelector("table"));
    const controls = Array.from(ranking.querySelectorAll("tbody.controls tr"));
    for (const row of controls) row.hidden = !wants(row);
    let found = controls.filter((row) => !row.hidden).length;
    if (board) {
      board.wants = wants;
      found += show(board);
    }
    total += controls.length + (board ? board.rows.length : 0);
    shown += ranking.hidden ? 0 : found;
  }
  bar.querySelector("[role=status]").textContent = shown === total ? `${total} rows` : `${shown} of ${total} rows`;
}

for (const bar of document.querySelectorAll(".filters")) {
  bar.hidden = false;
  bar.addEventListener("input", () => applyFilters(bar));
  bar.querySelector("button").addEventListener("click", () => {
    for (const select of bar.querySelectorAll("select")) select.value = "";
    bar.querySelector("input").value = "";
    applyFilters(bar);
  });
  applyFilters(bar); // a browser may restore what was chosen before
}

function showColumn(table, column, shown) {
  for (const row of new Set([...table.rows, ...(boards.get(table)?.rows ?? [])])) row.cells[column].hidden = !shown;
}

// Columns of costs, from the last on, that make a table wider than its place: off until they are chosen.
function tooWide(table) {
  const place = table.closest(".scroll");
  let over = place.scrollWidth - place.clientWidth;
  return Array.from(table.tHead.rows[0].cells).filter((heading) => "cost" in heading.dataset).reverse().filter((heading) => {
    const wide = over > 0;
    over -= wide ? heading.offsetWidth : 0;
    return wide;
  });
}

for (const chooser of document.querySelectorAll(".columns")) {
  const table = chooser.parentElement.querySelector("table");
  const set = chooser.querySelector("fieldset");
  const off = tooWide(table);
  const tell = () => {
    const boxes = Array.from(set.querySelectorAll("input"));
    const left = boxes.filter((box) => !box.checked).length;
    chooser.querySelector("summary span").textContent = left ? `(${left} off)` : "";
  };
  Array.from(table.tHead.rows[0].cells).forEach((heading, column) => {
    if (heading.classList.contains("names")) return; // a row without its name says nothing
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = !off.includes(heading);
    box.autocomplete = "off";
    box.addEventListener("change", () => {
      showColumn(table, column, box.checked);
      tell();
    });
    if (!box.checked) showColumn(table, column, false);
    const label = document.createElement("label");
    label.append(box, ` ${heading.textContent}`);
    set.append(label);
  });
  tell();
  chooser.hidden = false;
}

for (const button of document.querySelectorAll("button.copy")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.parentElement.querySelector("pre").textContent);
    button.textContent = "Copied";
  });
}
