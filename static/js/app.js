/* What plain HTML cannot do: keys in the matrix, `/` for search, copying, and calm around HTMX's swaps.
   Every page is complete without this file. */
"use strict";

(() => {
  const say = (text) => {
    const note = document.createElement("p");
    note.className = "notice notice-error";
    note.textContent = text;
    document.getElementById("messages").replaceChildren(note);
  };

  // The keys of the matrix: arrows move between cells, space selects the row, enter opens (a link does that by itself).
  const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };

  const move = (event, grid) => {
    const rows = [...grid.tBodies[0].rows];
    const at = event.target.closest("td, th");
    const row = rows.indexOf(at.parentElement);
    const [down, right] = step[event.key];
    // Cells without anything to open or select are passed over.
    for (let y = row + down, x = at.cellIndex + right; rows[y]?.cells[x]; y += down, x += right) {
      const next = rows[y].cells[x].querySelector("a, input:not(:disabled)");
      if (next) {
        event.preventDefault();
        next.focus();
        return;
      }
    }
  };

  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input:not([type=checkbox]), textarea, select");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      document.getElementById("search")?.focus();
      return;
    }
    const grid = event.target.closest("table[data-matrix]");
    if (!grid || event.ctrlKey || event.metaKey || event.altKey || !event.target.closest("tbody")) return;
    if (event.key in step) move(event, grid);
    if (event.key === " " && event.target.matches("a")) {
      event.preventDefault();
      event.target.closest("tr").querySelector("input[type=checkbox]")?.click();
    }
  });

  // How many rows are selected, beside the button that acts on them.
  const tellSelected = () => {
    const form = document.getElementById("selection");
    if (!form) return;
    const boxes = [...document.querySelectorAll("input[form=selection][name=namespace]:not(:disabled)")];
    const count = boxes.filter((box) => box.checked).length;
    form.querySelector("[data-count]").textContent = String(count);
    form.querySelector("[type=submit]").disabled = count === 0;
    const all = document.getElementById("select-all");
    if (all) {
      all.closest("[hidden]")?.removeAttribute("hidden");
      all.checked = count > 0 && count === boxes.length;
      all.indeterminate = count > 0 && count < boxes.length;
    }
    document.querySelectorAll("[data-matrix] tbody tr").forEach((row) => {
      row.classList.toggle("is-selected", Boolean(row.querySelector("input:checked")));
    });
  };

  document.addEventListener("change", (event) => {
    if (event.target.id === "select-all") {
      document.querySelectorAll("input[form=selection][name=namespace]:not(:disabled)").forEach((box) => {
        box.checked = event.target.checked;
      });
    }
    if (event.target.matches("input[type=checkbox]")) tellSelected();
    if (event.target.matches("select[data-submits]")) event.target.form.requestSubmit();
  });

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copies]");
    if (!button) return;
    const word = button.querySelector("[data-word]");
    const before = word.textContent;
    try {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copies).textContent);
      word.textContent = "Copied";
      window.setTimeout(() => { word.textContent = before; }, 1500);
    } catch {
      say("The browser did not allow copying; select the text and copy it by hand.");
    }
  });

  // Nothing jumps: what was open stays open, what had the focus keeps it, and the opened cell stays marked.
  let opened = new Set();
  let focused = "";

  document.addEventListener("htmx:beforeSwap", (event) => {
    const target = event.detail.target;
    const parts = target.querySelectorAll("details[open][id]");
    opened = new Set([...parts].map((part) => part.id));
    focused = target.contains(document.activeElement) ? document.activeElement.id : "";
  });

  document.addEventListener("htmx:afterSettle", (event) => {
    opened.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    // Going back restores a page without a target.
    const target = event.detail.target;
    if (target?.id === "panel") {
      target.querySelector("h2")?.focus({ preventScroll: true });
      target.scrollIntoView({ block: "nearest" });
    }
    focused = "";
    tellSelected();
  });

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (!event.target.matches("a.cell")) return;
    document.querySelectorAll("a.cell[aria-current]").forEach((cell) => cell.removeAttribute("aria-current"));
    event.target.setAttribute("aria-current", "true");
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const close = document.querySelector("#panel a[data-close]");
    if (close && document.getElementById("panel").contains(event.target)) {
      event.preventDefault();
      const cell = document.querySelector("a.cell[aria-current]");
      document.getElementById("panel").replaceChildren();
      window.history.replaceState(null, "", close.href);
      cell?.removeAttribute("aria-current");
      cell?.focus();
    }
  });

  for (const trouble of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(trouble, () => {
      say("This part could not be refreshed; it shows what was there before.");
    });
  }

  document.addEventListener("DOMContentLoaded", tellSelected);
  document.documentElement.classList.add("scripted");
})();
