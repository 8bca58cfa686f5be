// Tables sort by the column whose head is pressed; rows without a figure stay last.
const sortable = (table) => {
  const body = table.tBodies[0];
  const heads = [...table.tHead.querySelectorAll("th:not(.group)")];
  const columns = heads.filter((head) => head.rowSpan === 2).concat(heads.filter((head) => head.rowSpan !== 2));
  const key = (row, index) => {
    const cell = row.cells[index];
    if (cell.dataset.value === undefined) return cell.textContent.trim();
    return cell.dataset.value === "" || cell.dataset.value === "nan" ? null : Number(cell.dataset.value.replace("inf", "Infinity"));
  };
  const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b) : a - b);
  columns.forEach((head, index) => {
    const button = make("button", { type: "button" }, ...head.childNodes);
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const isText = typeof key(body.rows[0], index) === "string";
      const before = head.getAttribute("aria-sort");
      const order = before === "descending" || (before === null && isText) ? "ascending" : "descending";
      columns.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      const rows = [...body.rows].map((row) => [key(row, index), row]);
      rows.sort(([a], [b]) => (a === null) - (b === null) || (a === null ? 0 : sign * compare(a, b)));
      body.append(...rows.map(([, row]) => row));
      say(`Sorted by ${button.textContent}, ${order}`);
    });
  });
};
