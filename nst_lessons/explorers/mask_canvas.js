// Lesson 13's canvas: paint a mask upon a photograph by mouse, pen, finger, or with the keys.
// What was painted goes to the kernel stroke by stroke, [x, y] as shares of width and height; the kernel sends back the mask to lay over.
// Keys: arrows move the brush (with Shift in large steps), Space or Enter sets a dab.

const STEP = 0.01, LEAP = 0.08;

function render({ model, el }) {
  const canvas = document.createElement("canvas");
  const under = new Image(), over = new Image();
  let live = null, brush = [0.5, 0.5], keys = false;
  canvas.tabIndex = 0;
  canvas.style.cssText = "max-width: 100%; height: auto; touch-action: none; cursor: crosshair; display: block; border-radius: 2px";
  el.replaceChildren(canvas);

  const source = (value, type) => URL.createObjectURL(new Blob([value], { type }));

  function show(image, value, type) {
    if (image.src) URL.revokeObjectURL(image.src);
    if (!value || !value.byteLength) { image.removeAttribute("src"); draw(); return; }
    image.onload = draw;
    image.src = source(value, type);
  }

  function radius() { return model.get("brush") * Math.max(canvas.width, canvas.height); }

  function draw() {
    const paper = canvas.getContext("2d");
    paper.clearRect(0, 0, canvas.width, canvas.height);
    for (const image of [under, over])
      if (image.src && image.complete && image.naturalWidth) paper.drawImage(image, 0, 0, canvas.width, canvas.height);
    if (live) {
      paper.lineWidth = 2 * radius();
      paper.lineCap = paper.lineJoin = "round";
      paper.strokeStyle = live.erase ? "rgba(0, 0, 0, 0.45)" : "rgba(0, 158, 115, 0.6)";
      paper.beginPath();
      const at = live.points.map(([x, y]) => [x * canvas.width, y * canvas.height]);
      paper.moveTo(...at[0]);
      for (const point of at.length > 1 ? at.slice(1) : at) paper.lineTo(...point);
      paper.stroke();
    }
    if (keys) {
      paper.lineWidth = 2;
      for (const [color, more] of [["white", 0], ["black", 1.5]]) {
        paper.strokeStyle = color;
        paper.beginPath();
        paper.arc(brush[0] * canvas.width, brush[1] * canvas.height, radius() + more, 0, 2 * Math.PI);
        paper.stroke();
      }
    }
  }

  function place(event) {
    const box = canvas.getBoundingClientRect(), share = (value) => Math.round(1e4 * Math.min(1, Math.max(0, value))) / 1e4;
    return [share((event.clientX - box.left) / box.width), share((event.clientY - box.top) / box.height)];
  }

  function send(stroke) {
    model.set("strokes", [...model.get("strokes"), stroke]);
    model.save_changes();
  }

  function begin(event) {
    if (event.button > 0) return;
    event.preventDefault();
    canvas.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    keys = false;
    live = { erase: model.get("erase"), brush: model.get("brush"), points: [place(event)] };
    draw();
  }

  function go(event) {
    if (!live) return;
    const all = event.getCoalescedEvents ? event.getCoalescedEvents() : [event];
    live.points.push(...(all.length ? all : [event]).map(place));
    draw();
  }

  function end() {
    if (!live) return;
    const stroke = live;
    live = null;
    send(stroke);
  }

  function press(event) {
    const step = event.shiftKey ? LEAP : STEP;
    const ways = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    if (event.key in ways) {
      brush = brush.map((value, axis) => Math.min(1, Math.max(0, value + ways[event.key][axis])));
    } else if (event.key === " " || event.key === "Enter") {
      send({ erase: model.get("erase"), brush: model.get("brush"), points: [brush] });
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();                                   // the notebook has keys of its own
    keys = true;
    draw();
  }

  const size = () => { [canvas.width, canvas.height] = model.get("size"); draw(); };
  const photo = () => show(under, model.get("photo"), "image/jpeg");
  const mask = () => show(over, model.get("overlay"), "image/png");
  const label = () => canvas.setAttribute("aria-label", model.get("label"));
  const listened = { "change:size": size, "change:photo": photo, "change:overlay": mask, "change:label": label };
  for (const [name, listener] of Object.entries(listened)) model.on(name, listener);
  canvas.setAttribute("role", "application");
  canvas.addEventListener("pointerdown", begin);
  canvas.addEventListener("pointermove", go);
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, end);
  canvas.addEventListener("keydown", press);
  canvas.addEventListener("focus", () => { keys = canvas.matches(":focus-visible"); draw(); });      // come by Tab: show where the brush is
  canvas.addEventListener("blur", () => { keys = false; draw(); });
  size(); photo(); mask(); label();
  return () => { for (const [name, listener] of Object.entries(listened)) model.off(name, listener); };
}

export default { render };
