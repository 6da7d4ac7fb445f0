// What ipywidgets leaves out for people without a mouse or without eyes, in the box that this lies in:
// Tab reaches the headings of an accordion, and Enter or Space opens what is below; a slider is called by its label and read as it is shown.

const HEADING = ".jupyter-widget-Collapse-header", SLIDER = ".widget-slider";

function render({ el }) {
  const ended = new AbortController(), known = new WeakSet();
  const watch = new MutationObserver(() => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(tend); });
  let waiting = requestAnimationFrame(tend);
  el.style.display = "none";

  function put(element, name, value) {
    if (element.getAttribute(name) !== value) element.setAttribute(name, value);       // else the observer would never come to rest
  }

  function press(event) {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    event.stopPropagation();                                   // the notebook has keys of its own
    event.currentTarget.click();
  }

  function tend() {
    const box = el.closest(".nst-access");
    if (!box) { waiting = requestAnimationFrame(tend); return; }                       // views are put into the page one after the other
    for (const heading of box.querySelectorAll(HEADING)) {
      if (!known.has(heading)) heading.addEventListener("keydown", press, { signal: ended.signal });
      known.add(heading);
      heading.tabIndex = 0;
      put(heading, "role", "button");
      put(heading, "aria-expanded", String(heading.parentElement.classList.contains("jupyter-widget-Collapse-open")));
    }
    for (const slider of box.querySelectorAll(SLIDER)) {
      const [handle, label, number] = [".noUi-handle", ".widget-label", ".widget-readout"].map((name) => slider.querySelector(name));
      if (!handle) continue;
      put(handle, "aria-label", label ? label.textContent : "");
      if (number) put(handle, "aria-valuetext", number.textContent);
    }
    watch.observe(box, { subtree: true, childList: true, characterData: true, attributeFilter: ["class", "aria-valuetext"] });
  }

  return () => { cancelAnimationFrame(waiting); ended.abort(); watch.disconnect(); };
}

export default { render };
