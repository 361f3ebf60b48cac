// Shows a page anew once something of the flywheel changed. While somebody fills a form, has something open, marked or
// focused, it says that there is news and leaves the page to them. Who switches it off asks for nothing any more.
(() => {
  const script = document.currentScript;
  const main = document.getElementById("main");
  const news = document.getElementById("news");
  const box = document.getElementById("live");
  const kept = (name, value) => {
    try {
      return value === undefined ? localStorage.getItem(name) : localStorage.setItem(name, value);
    } catch {
      return null; // a browser that keeps nothing
    }
  };

  const filled = (field) => {
    if (field.type === "hidden" || field.name === "reader") return false;
    if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
    if (field.tagName !== "SELECT") return field.value !== field.defaultValue;
    const first = [...field.options].findIndex((option) => option.defaultSelected);
    return field.selectedIndex !== Math.max(first, 0);
  };
  const busy = () =>
    ![document.body, main].includes(document.activeElement) ||
    !getSelection().isCollapsed ||
    main.querySelector("details[open]") !== null ||
    [...main.querySelectorAll("input, select, textarea")].some(filled);

  let seen = null;
  const look = async () => {
    if (document.hidden || !box.checked) return;
    let state;
    try {
      const answer = await fetch(script.dataset.state, { cache: "no-store" });
      if (!answer.ok) return;
      state = await answer.text();
    } catch {
      return; // the server is away; the next look may find it
    }
    if (seen === null || seen === state) {
      seen = state;
    } else if (!busy()) {
      location.reload();
    } else if (!news.hasChildNodes()) {
      const link = document.createElement("a");
      link.href = location.href.split("#")[0];
      link.textContent = "Show it";
      news.append("Something changed since this page was made. ", link);
    }
  };

  box.checked = kept("flywheel-live") !== "off";
  box.addEventListener("change", () => {
    kept("flywheel-live", box.checked ? "on" : "off");
    seen = null;
    look();
  });
  box.closest("[hidden]").hidden = false;
  setInterval(look, 1000 * script.dataset.seconds);
  document.addEventListener("visibilitychange", look);
  look();

  // Whoever goes to a report wants to see it, not the fold it is in.
  const unfold = () => {
    const fold = document.getElementById(location.hash.slice(1))?.querySelector(".embedding");
    if (fold) fold.open = true;
  };
  addEventListener("hashchange", unfold);
  unfold();

  // What a reader asked to see stays when the page is shown anew, and the entry of a page is in view on a phone.
  for (const choice of document.querySelectorAll("input[name=reader]")) {
    choice.checked = choice.id === (kept("flywheel-reader") ?? "reader-all");
    choice.addEventListener("change", () => kept("flywheel-reader", choice.id));
  }
  // Scrolled into view by its own method, the keyboard would go on from there, past what leads to the content.
  const entry = document.querySelector(".console [aria-current]");
  if (entry) entry.closest(".console").scrollLeft = entry.offsetLeft - entry.closest(".console").clientWidth / 2;
})();
