// Filters, the column chooser and copying, for pages of the site; sort.js comes before this. Choices are numbers in the page, so that
// no text of a record is read as anything but text. Without this script all rows and columns are shown.

function matches(row, wanted) {
  for (const [name, choice] of wanted.choices) {
    if (!(row.dataset[name] ?? "").split(" ").includes(choice)) return false;
  }
  return wanted.name === "" || row.querySelector("th").textContent.toLowerCase().includes(wanted.name);
}

function applyFilters(bar) {
  const selects = Array.from(bar.querySelectorAll("select"));
  const chosen = selects.filter((select) => select.value !== "").map((select) => [select.dataset.filter, select.value]);
  const protocol = chosen.find(([name]) => name === "protocol");
  const wanted = {
    choices: chosen.filter(([name]) => name !== "protocol"),
    name: bar.querySelector("input").value.trim().toLowerCase(),
  };
  let shown = 0, total = 0;
  for (const ranking of document.querySelectorAll(".ranking")) {
    ranking.hidden = protocol !== undefined && ranking.dataset.protocol !== protocol[1];
    for (const row of ranking.querySelectorAll("tbody.ranked tr, tbody.controls tr")) {
      row.hidden = !matches(row, wanted);
      total += 1;
      shown += !row.hidden && !ranking.hidden;
    }
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
  for (const row of table.rows) row.cells[column].hidden = !shown;
}

for (const chooser of document.querySelectorAll(".columns")) {
  const table = chooser.parentElement.querySelector("table");
  const set = chooser.querySelector("fieldset");
  Array.from(table.tHead.rows[0].cells).forEach((heading, column) => {
    if (heading.classList.contains("names")) return; // a row without its name says nothing
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = true;
    box.autocomplete = "off";
    box.addEventListener("change", () => showColumn(table, column, box.checked));
    const label = document.createElement("label");
    label.append(box, ` ${heading.textContent}`);
    set.append(label);
  });
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
