// Sorting and searching; without it the page is complete and in its first order.
"use strict";
{
  const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
  const keyOf = (row, at) => row.cells[at].dataset.key ?? row.cells[at].textContent.trim();
  const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

  const compare = (isNumber, left, right) => {
    // What is unknown stands last, whichever way the rest goes.
    if (left === "" || right === "") return (left === "") - (right === "");
    return isNumber ? left - right : collator.compare(left, right);
  };

  const sort = (table, at) => {
    const heading = table.tHead.rows[0].cells[at];
    const isNumber = heading.dataset.sort === "number";
    const isAscending = heading.getAttribute("aria-sort") !== "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", isAscending ? "ascending" : "descending");
    const body = table.tBodies[0];
    const rows = Array.from(body.rows, (row) => [keyOf(row, at), row]);
    rows.sort(([left], [right]) => {
      const order = compare(isNumber, left, right);
      return isAscending || left === "" || right === "" ? order : -order;
    });
    body.append(...rows.map(([, row]) => row));
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    Array.from(table.tHead.rows[0].cells).forEach((heading, at) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      button.addEventListener("click", () => sort(table, at));
      heading.append(button);
    });
  }

  const tools = document.querySelector(".tools");
  if (tools) {
    const lines = Array.from(document.querySelectorAll("[data-line]"), (line) => [fold(line.textContent), line]);
    const input = tools.querySelector("input");
    const output = tools.querySelector("output");
    input.addEventListener("input", () => {
      const words = fold(input.value).split(/\s+/).filter(Boolean);
      let shown = 0;
      let all = 0;
      for (const [text, line] of lines) {
        line.hidden = !words.every((word) => text.includes(word));
        if (line.localName === "tr") {
          all += 1;
          shown += !line.hidden;
        }
      }
      output.textContent = words.length ? `${shown} of ${all} lines` : "";
    });
    tools.hidden = false;
  }
}
