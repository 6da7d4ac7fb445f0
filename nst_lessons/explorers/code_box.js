// Code to be copied: the text, and a button that puts it on the clipboard, or, where the browser forbids that, selects it.

function render({ model, el }) {
  const box = document.createElement("div"), text = document.createElement("pre"), button = document.createElement("button");
  box.style.cssText = "position: relative; border: 1px solid var(--jp-border-color2, #e0e0e0); border-radius: 4px; max-width: 860px";
  text.style.cssText = "margin: 0; padding: 10px 12px; overflow-x: auto; font-size: 13px; line-height: 1.45; color: var(--jp-ui-font-color1, #212121); background: none";
  text.tabIndex = 0;
  text.setAttribute("aria-label", "the code of a picture");
  button.className = "jupyter-button widget-button";
  button.style.cssText = "position: absolute; top: 6px; right: 6px; width: 72px";
  box.append(text, button);
  el.style.width = "100%";
  el.replaceChildren(box);

  const show = () => { text.textContent = model.get("code"); button.textContent = "Copy"; };

  async function copy() {
    try {
      await navigator.clipboard.writeText(model.get("code"));
      button.textContent = "Copied";
    } catch {                                                  // no https, say
      getSelection().selectAllChildren(text);
      button.textContent = "Ctrl + C";
    }
  }

  button.addEventListener("click", copy);
  model.on("change:code", show);
  show();
  return () => model.off("change:code", show);
}

export default { render };
