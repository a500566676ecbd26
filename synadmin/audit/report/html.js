"use strict";
(() => {
  for (const box of document.querySelectorAll(".command")) {
    const [code, button] = box.children;
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {
        // Not every browser lets a page write to the clipboard: the text is selected, to be copied by hand.
        getSelection().selectAllChildren(code);
      }
    });
  }

  for (const report of document.querySelectorAll(".report")) {
    const controls = report.querySelector(".controls");
    if (!controls) continue;
    const groups = Array.from(report.querySelectorAll("article"));
    const search = controls.querySelector("input[type=search]");
    const rule = controls.querySelector("select");
    const known = controls.querySelector(".known");
    const severities = Array.from(controls.querySelectorAll("input[name=severity]"));
    const shown = controls.querySelector("[role=status]");
    const filter = () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      const wanted = new Set(severities.filter((box) => box.checked).map((box) => box.value));
      let count = 0;
      for (const group of groups) {
        const text = group.textContent.toLowerCase();
        group.hidden = !(wanted.has(group.dataset.severity)
          && (group.dataset.new === "yes" || !known || known.checked)
          && (!rule.value || group.dataset.rules.split(" ").includes(rule.value))
          && words.every((word) => text.includes(word)));
        count += group.hidden ? 0 : 1;
      }
      shown.textContent = `${count} of ${groups.length} shown`;
    };
    controls.addEventListener("input", filter);
    controls.hidden = false;
    filter();
  }
})();
