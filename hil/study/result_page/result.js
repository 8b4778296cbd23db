// Tables are sorted by the heading that is pressed; pressed again, the other way round. What has no
// value comes last in both. Without this script the tables stand in the order of the experiment.
"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = heading.textContent;
    heading.replaceChildren(button);
    heading.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const up = heading.getAttribute("aria-sort") !== "ascending";
      for (const other of headings) other.setAttribute("aria-sort", "none");
      heading.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = (row) => row.cells[column].dataset.key;
      const rows = [...body.rows].sort((one, two) => compare(key(one), key(two), up));
      body.append(...rows);
    });
  });
}

function compare(one, two, up) {
  if (one === "" || two === "") return (one === "") - (two === "");
  const numbers = Number(one) - Number(two);
  const order = Number.isNaN(numbers) ? one.localeCompare(two) : numbers;
  return up ? order : -order;
}
