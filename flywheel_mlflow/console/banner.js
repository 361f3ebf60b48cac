// Makes the link to the console lead to the page that belongs to the one shown. MLflow changes its address without
// telling anybody, so it is read at the moment the link is about to be used.
(() => {
  const link = document.getElementById("flywheel-console");
  const page = new URL("at", link.href);
  const follow = () => {
    page.searchParams.set("place", location.hash.slice(1));
    link.href = page.href;
  };
  for (const moment of ["pointerenter", "pointerdown", "focus", "click"]) link.addEventListener(moment, follow);
})();
