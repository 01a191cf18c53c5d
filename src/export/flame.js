(function () {
  "use strict";
  var WIDTH = 1200, MARGIN = 10, LETTER = 6.7;
  var frames = Array.prototype.slice.call(document.querySelectorAll(".f"));
  var details = document.getElementById("details");
  var hint = details.textContent;
  var total = Number(frames[0].getAttribute("data-w")) || 1;

  frames.forEach(function (g) {
    var frame = {
      g: g, rect: g.querySelector("rect"), text: g.querySelector("text"),
      start: Number(g.getAttribute("data-s")), width: Number(g.getAttribute("data-w")),
      depth: Number(g.getAttribute("data-d")), name: g.getAttribute("data-n")
    };
    g.frame = frame;
    g.addEventListener("click", function () { zoom(frame); });
    g.addEventListener("mouseover", function () { details.textContent = g.querySelector("title").textContent; });
    g.addEventListener("mouseout", function () { details.textContent = hint; });
  });

  function label(name, width) {
    var room = Math.floor((width - 8) / LETTER);
    if (name.length <= room) { return name; }
    return room < 3 ? "" : name.slice(0, room - 1) + "\u2026";
  }

  function zoom(to) {
    var scale = (WIDTH - 2 * MARGIN) / (to.width || total), end = to.start + to.width;
    frames.forEach(function (g) {
      var f = g.frame;
      var below = f.depth < to.depth && f.start <= to.start && f.start + f.width >= end;
      var above = f.depth >= to.depth && f.start >= to.start && f.start + f.width <= end;
      g.style.display = below || above ? "" : "none";
      g.classList.toggle("below", below);
      if (!(below || above)) { return; }
      var x = below ? MARGIN : MARGIN + (f.start - to.start) * scale;
      var width = below ? WIDTH - 2 * MARGIN : f.width * scale;
      f.rect.setAttribute("x", x.toFixed(2));
      f.rect.setAttribute("width", Math.max(width - 0.6, 0.2).toFixed(2));
      f.text.setAttribute("x", (x + 4).toFixed(2));
      f.text.textContent = label(f.name, width);
    });
  }

  document.addEventListener("keydown", function (event) {
    if (event.key === "Escape") { zoom(frames[0].frame); }
  });
})();
