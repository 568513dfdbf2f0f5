"use strict";
// Filters hide, columns sort; nothing is kept and nothing is sent.

const controls = document.querySelectorAll(".controls select");

// Hides what does not fit, and whatever then holds nothing; returns how many rows are left.
function filterWithin(part, wanted) {
  const fits = Object.entries(wanted).every(([name, one]) => !one || !(name in part.dataset) || part.dataset[name] === one);
  const inner = PARTS.find((selector) => part.querySelector(selector));
  const left = !fits ? 0 : part.matches("tr") ? 1 :
    [...part.querySelectorAll(inner)].reduce((n, one) => n + filterWithin(one, wanted), 0);
  part.hidden = left === 0;
  return left;
}

const PARTS = ["section[data-data]", "section[data-task]", "div[data-split]", "tr[data-contamination]"];

function filter() {
  const wanted = Object.fromEntries([...controls].map((one) => [one.name, one.value]));
  const sets = [...document.querySelectorAll(PARTS[0])];
  const left = sets.reduce((n, one) => n + filterWithin(one, wanted), 0);
  document.getElementById("nothing").hidden = left > 0;
}

function value(row, column) {
  const text = row.cells[column].dataset.value;
  return text === "" ? null : isNaN(text) ? text : Number(text);
}

// Empty cells stay last whichever way a column is sorted.
function compare(a, b, sign) {
  if (a === null || b === null) return (a === null) - (b === null);
  return sign * (typeof a === "string" || typeof b === "string" ? String(a).localeCompare(String(b)) : a - b);
}

function sort(head) {
  const table = head.closest("table");
  const down = head.getAttribute("aria-sort") === "descending" ||
    (!head.hasAttribute("aria-sort") && head.dataset.first === "ascending");
  for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "ascending" : "descending");
  const rows = [...table.tBodies[0].rows];
  rows.sort((a, b) => compare(value(a, head.cellIndex), value(b, head.cellIndex), down ? 1 : -1));
  table.tBodies[0].append(...rows);
}

for (const one of controls) one.addEventListener("change", filter);
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => sort(button.closest("th")));
}
document.querySelector(".controls").hidden = false;
filter();
