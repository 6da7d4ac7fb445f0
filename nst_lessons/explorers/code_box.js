// Code to be copied: the text, and a button that puts it on the clipboard, or, where the browser forbids that, selects it.

function render({ model, el }) {
  const [box, text, button, close] = ["div", "pre", "button", "button"].map((name) => document.createElement(name));
  box.style.cssText = "position: relative; border: 1px solid var(--jp-border-color2, #e0e0e0); border-radius: 4px; max-width: 860px";
  text.style.cssText = "margin: 0; padding: 40px 12px 10px; overflow-x: auto; font-family: var(--jp-code-font-family, monospace); font-size: 13px; line-height: 1.45; color: var(--jp-ui-font-color1, #212121); background: none";
  text.tabIndex = 0;
  text.setAttribute("aria-label", "the code of a picture");
  for (const [one, right] of [[button, 84], [close, 6]]) {
    one.className = "jupyter-button widget-button";
    one.style.cssText = `position: absolute; top: 6px; right: ${right}px; width: 72px; padding: 0 4px; margin: 0`;
  }
  close.textContent = "Close";
  box.append(text, button, close);
  el.style.width = "100%";
  el.replaceChildren(box);

  const show = () => { text.textContent = model.get("code"); button.textContent = "Copy"; box.hidden = !model.get("code"); };

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
  close.addEventListener("click", () => { model.set("code", ""); model.save_changes(); });
  model.on("change:code", show);
  show();
  return () => model.off("change:code", show);
}

export default { render };
