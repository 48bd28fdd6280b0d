"use strict";
// Sorting, all rows of a table that was cut, and a larger view of a figure. Without this script the page lacks nothing else.
const said = document.getElementById("said");
const isNumber = (text) => text.trim() !== "" && Number.isFinite(Number(text));
const shorten = (text) => (!isNumber(text) || /^[+-]?\d+$/.test(text) ? text : String(Number(Number(text).toPrecision(4))));

// The rows of a CSV file; fields in quotes may hold commas, line ends and doubled quotes.
function rowsOf(csv) {
  const rows = [[]];
  const field = /("(?:[^"]|"")*"|[^,\n]*)(,|\n|$)/gy;
  for (let m; field.lastIndex < csv.length && (m = field.exec(csv)); ) {
    const text = m[1].startsWith('"') ? m[1].slice(1, -1).replaceAll('""', '"') : m[1];
    rows.at(-1).push(text);
    if (m[2] === "\n") rows.push([]);
  }
  if (!rows.at(-1).length) rows.pop();
  return rows;
}

function carried(link) {
  const bytes = Uint8Array.from(atob(link.href.slice(link.href.indexOf(",") + 1)), (c) => c.charCodeAt(0));
  return rowsOf(new TextDecoder().decode(bytes)).slice(1);
}

function prepare(table) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const shown = body.rows.length;
  const note = table.querySelector(".shown");
  const link = note && table.parentElement.nextElementSibling?.querySelector("a.csv");
  const numeric = heads.map((h) => h.classList.contains("n"));
  let all = null; // rows of the CSV, once asked for
  let limit = shown;

  function draw() {
    const rows = all.slice(0, limit).map((cells) => {
      const row = document.createElement("tr");
      heads.forEach((_, i) => {
        const cell = row.insertCell();
        cell.textContent = shorten(cells[i] ?? "");
        if (numeric[i]) cell.className = "n";
      });
      return row;
    });
    body.replaceChildren(...rows);
  }

  function sort(column) {
    const head = heads[column];
    const up = head.getAttribute("aria-sort") !== "ascending";
    heads.forEach((h) => h.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    if (link) all ??= carried(link);
    const text = (row) => (all ? row[column] ?? "" : row.cells[column].textContent.trim());
    const rows = all ?? [...body.rows];
    const asNumbers = rows.every((r) => text(r) === "" || isNumber(text(r)));
    const order = (a, b) => (asNumbers ? Number(a) - Number(b) : a.localeCompare(b, "en", { numeric: true }));
    rows.sort((a, b) => {
      const [x, y] = [text(a), text(b)];
      if (x === "" || y === "") return (x === "") - (y === ""); // what is missing stays last
      return up ? order(x, y) : order(y, x);
    });
    if (all) {
      draw();
      if (limit < all.length) note.textContent = `first ${limit} of ${all.length} rows in this order`;
    } else body.append(...rows);
    said.textContent = `Sorted by ${head.textContent}, ${up ? "ascending" : "descending"}`;
  }

  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => sort(column));
    head.replaceChildren(button);
  });
  if (link) {
    const more = document.createElement("button");
    more.type = "button";
    more.className = "more";
    more.textContent = "Show all rows";
    more.addEventListener("click", () => {
      all ??= carried(link);
      limit = all.length;
      draw();
      note.textContent = `all ${limit} rows`;
      more.remove();
    });
    link.parentElement.append(more);
  }
}

// A closed table is prepared when it is opened: a report holds many.
for (const table of document.querySelectorAll("table.sortable")) {
  const fold = table.closest("details:not([open])");
  if (fold) fold.addEventListener("toggle", () => prepare(table), { once: true });
  else prepare(table);
}

const view = document.createElement("dialog");
view.setAttribute("aria-label", "Figure, enlarged");
view.innerHTML = '<form method="dialog"><button>Close</button></form>';
view.append(document.createElement("img"));
view.addEventListener("click", (event) => event.target === view && view.close());
document.body.append(view);
for (const button of document.querySelectorAll("button.zoom"))
  button.addEventListener("click", () => {
    const image = button.querySelector("img");
    view.lastChild.src = image.src;
    view.lastChild.alt = image.alt;
    view.showModal();
  });

if (matchMedia("(max-width: 60rem)").matches) document.querySelector("nav details").open = false;
const folded = [];
addEventListener("beforeprint", () => {
  for (const fold of document.querySelectorAll("main details:not([open])")) folded.push(fold), (fold.open = true);
});
addEventListener("afterprint", () => {
  for (const fold of folded.splice(0)) fold.open = false;
});
