// Headings of an accordion for people without a mouse: Tab reaches them, Enter or Space opens and closes what is below.
// ipywidgets makes them plain boxes, which only a click opens.

function render({ model, el }) {
  const ended = new AbortController(), watch = new MutationObserver((changes) => changes.forEach(({ target }) => tell(target.firstElementChild)));
  let waiting = 0;
  el.style.display = "none";

  const tell = (heading) => heading.setAttribute("aria-expanded", heading.parentElement.classList.contains("jupyter-widget-Collapse-open"));

  function press(event) {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    event.stopPropagation();                                   // the notebook has keys of its own
    event.currentTarget.click();
  }

  function tend() {
    const box = el.closest(".nst-headings"), headings = box ? box.querySelectorAll(".jupyter-widget-Collapse-header") : [];
    if (headings.length < model.get("count")) { waiting = requestAnimationFrame(tend); return; }     // views are made one after the other
    for (const heading of headings) {
      heading.tabIndex = 0;
      heading.setAttribute("role", "button");
      heading.addEventListener("keydown", press, { signal: ended.signal });
      watch.observe(heading.parentElement, { attributeFilter: ["class"] });
      tell(heading);
    }
  }

  tend();
  return () => { cancelAnimationFrame(waiting); ended.abort(); watch.disconnect(); };
}

export default { render };
