// A place for a picture of one's own: drop a file on it, or click (or press Space) to choose one.
// It is the browser's own file field, large enough to be hit; the kernel gets name and bytes in one message.

const STYLE = `
  .nst-drop { display: block; position: relative; box-sizing: border-box; width: 100%; padding: 9px 8px; border-radius: 4px; text-align: center;
    border: 1.5px dashed var(--jp-border-color1, #bdbdbd); color: var(--jp-ui-font-color2, #616161); font-size: 13px; line-height: 1.3; cursor: pointer; }
  .nst-drop:hover, .nst-drop:focus-within, .nst-drop.over { border-color: var(--jp-brand-color1, #1976d2); color: var(--jp-ui-font-color1, #212121); }
  .nst-drop.over { background: var(--jp-layout-color2, #eeeeee); }
  .nst-drop input { position: absolute; inset: 0; width: 100%; height: 100%; opacity: 0; cursor: pointer; }
`;

function render({ model, el }) {
  const style = document.createElement("style"), field = document.createElement("label");
  const text = document.createElement("span"), input = document.createElement("input");
  style.textContent = STYLE;
  field.className = "nst-drop";
  input.type = "file";
  input.accept = "image/*";
  field.append(text, input);
  el.style.width = "100%";
  el.replaceChildren(style, field);

  const say = () => { field.removeAttribute("aria-busy"); text.textContent = model.get("description"); input.setAttribute("aria-label", model.get("description")); };
  const mark = (over) => () => field.classList.toggle("over", over);

  async function send() {
    const file = input.files[0];
    if (!file) return;
    const bytes = await file.arrayBuffer();
    input.value = "";                                          // so that the same file can be given again
    field.setAttribute("aria-busy", "true");
    text.textContent = `reading ${file.name} …`;               // until the kernel has an answer
    model.send({ name: file.name }, undefined, [bytes]);
  }

  input.addEventListener("change", send);
  input.addEventListener("dragenter", mark(true));
  for (const name of ["dragleave", "drop"]) input.addEventListener(name, mark(false));
  model.on("change:description", say);
  model.on("msg:custom", say);
  say();
  return () => { model.off("change:description", say); model.off("msg:custom", say); };
}

export default { render };
