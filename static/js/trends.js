/* Draws the trend from the figures that stand in its box: a burn-down with flips, and what was opened and closed below.
   Without this file the table says the same. */
"use strict";

(() => {
  const HEIGHTS = { "burn-down": 260, moves: 110 };
  const POINTS_UP_TO = 90;
  const DAY = 86400;
  const plots = new Set();

  const painted = (root, name) => getComputedStyle(root.querySelector(`.swatch-${name}`)).backgroundColor;
  const dayOf = (seconds) => new Date(seconds * 1000).toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
  const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

  const sentence = (trend, at) => {
    const flips = trend.marks.filter((mark) => mark.at === at).map((mark) => mark.text);
    const state = trend.gaps[at] || `${trend.failing[at].toLocaleString("en")} of ${plural(trend.judged[at], "workload")} fail`;
    const moves = trend.opened[at] === null ? [] : [`${trend.opened[at]} opened`, `${trend.closed[at]} closed`];
    return `${dayOf(trend.days[at])}: ${[state, ...moves, ...flips].join(" · ")}`;
  };

  // Days of which nothing is known are a band of their own, so that no line seems to go on below it.
  const bands = (trend, colour) => (plot) => {
    const { ctx, bbox } = plot;
    const edge = (at) => plot.valToPos(trend.days[at] - DAY / 2, "x", true);
    ctx.save();
    ctx.fillStyle = colour;
    for (let at = 0; at < trend.gaps.length; at += 1) {
      const from = at;
      while (trend.gaps[at]) at += 1;
      if (at === from) continue;
      const end = at < trend.days.length ? edge(at) : bbox.left + bbox.width;
      ctx.fillRect(edge(from), bbox.top, end - edge(from), bbox.height);
    }
    ctx.restore();
  };

  // A line for each day with flips, with its words where they fit.
  const flips = (trend, colour, ink, font) => (plot) => {
    const { ctx, bbox } = plot;
    const ratio = devicePixelRatio;
    const days = [...new Set(trend.marks.map((mark) => mark.at))];
    ctx.save();
    ctx.font = `${12 * ratio}px ${font}`;
    ctx.textBaseline = "top";
    days.forEach((at, place) => {
      const x = Math.round(plot.valToPos(trend.days[at], "x", true));
      ctx.strokeStyle = ctx.fillStyle = colour;
      ctx.lineWidth = ratio;
      ctx.setLineDash([4 * ratio, 3 * ratio]);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.setLineDash([]);
      const half = 4 * ratio;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top - half);
      ctx.lineTo(x + half, bbox.top);
      ctx.lineTo(x, bbox.top + half);
      ctx.lineTo(x - half, bbox.top);
      ctx.fill();
      const words = trend.marks.filter((mark) => mark.at === at);
      const text = words.length > 1 ? `${words[0].text} +${words.length - 1}` : words[0].text;
      const edge = (neighbour, otherwise) => (neighbour in days ? plot.valToPos(trend.days[days[neighbour]], "x", true) : otherwise);
      const needed = ctx.measureText(text).width + 14 * ratio;
      const after = edge(place + 1, bbox.left + bbox.width) - x;
      // Before the line only where nobody writes after the line before it.
      const before = x - edge(place - 1, bbox.left);
      ctx.fillStyle = ink;
      ctx.textAlign = needed < after ? "left" : "right";
      const side = needed < after ? 7 : -7;
      if (needed < after || 2 * needed < before) ctx.fillText(text, x + side * ratio, bbox.top + 2 * ratio);
    });
    ctx.restore();
  };

  const axes = (look, values) => [
    {
      stroke: look.ink,
      font: look.font,
      grid: { show: false },
      ticks: { stroke: look.line, width: 1, size: 4 },
      values: (_plot, splits) => splits.map((seconds) => (seconds % DAY === 0 ? dayOf(seconds) : "")),
      space: 64,
    },
    {
      stroke: look.ink,
      font: look.font,
      grid: { stroke: look.line, width: 1 },
      ticks: { show: false },
      size: 48,
      space: 32,
      incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000],
      values: (_plot, splits) => splits.map(values),
    },
  ];

  const wholeDays = { range: (_plot, first, last) => [first - DAY / 2, last + DAY / 2] };

  const common = (root, box, trend, name) => ({
    width: box.clientWidth,
    height: HEIGHTS[name],
    legend: { show: false },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    cursor: { y: false, drag: { x: false, y: false }, sync: { key: "trend" }, points: { size: 7 } },
    padding: [12, 12, 0, 0],
    hooks: {
      setCursor: [(plot) => {
        const at = plot.cursor.idx;
        root.querySelector("[data-readout]").textContent = at === null || at === undefined ? "" : sentence(trend, at);
      }],
    },
  });

  const burnDown = (root, box, trend, look) => {
    const options = common(root, box, trend, "burn-down");
    options.axes = axes(look, (value) => value.toLocaleString("en"));
    options.scales = { x: wholeDays, y: { range: (_plot, _low, high) => [0, Math.max(4, Math.ceil(high * 1.15))] } };
    options.series = [{}, {
      stroke: look.failing,
      width: 2,
      fill: look.failingSoft,
      spanGaps: false,
      points: { show: trend.days.length <= POINTS_UP_TO, size: 5, fill: look.failing },
    }];
    options.hooks.drawClear = [bands(trend, look.gap)];
    options.hooks.draw = [flips(trend, look.flip, look.ink, look.family)];
    return new uPlot(options, [trend.days, trend.failing], box);
  };

  // The day on which a policy began to report opens everything at once: its bar is cut, and says its number.
  const cut = (trend, most, look) => (plot) => {
    const { ctx, bbox } = plot;
    const ratio = devicePixelRatio;
    ctx.save();
    ctx.font = `${12 * ratio}px ${look.family}`;
    ctx.textBaseline = "top";
    ctx.textAlign = "left";
    ctx.fillStyle = look.ink;
    trend.opened.forEach((count, at) => {
      if (count > most) ctx.fillText(count.toLocaleString("en"), plot.valToPos(trend.days[at], "x", true) + 12 * ratio, bbox.top);
    });
    ctx.restore();
  };

  const moves = (root, box, trend, look) => {
    const options = common(root, box, trend, "moves");
    const bars = uPlot.paths.bars({ size: [0.6, 16] });
    const began = trend.gaps.findIndex((gap) => !gap);
    const usual = Math.max(...trend.opened.filter((_count, at) => at !== began), ...trend.closed);
    const most = Math.max(1, usual || trend.opened[began]);
    options.axes = axes(look, (value) => Math.abs(value).toLocaleString("en"));
    options.axes[0].show = false;
    options.padding = [12, 12, 10, 0];
    options.axes[1].splits = () => [-most, 0, most];
    options.scales = { x: wholeDays, y: { range: () => [-most, most] } };
    options.series = [
      {},
      { paths: bars, fill: look.opened, width: 0, points: { show: false } },
      { paths: bars, fill: look.closed, width: 0, points: { show: false } },
    ];
    options.hooks.drawClear = [bands(trend, look.gap)];
    options.hooks.draw = [cut(trend, most, look)];
    const below = trend.closed.map((count) => (count === null ? null : -count));
    return new uPlot(options, [trend.days, trend.opened, below], box);
  };

  const draw = () => {
    plots.forEach((plot) => plot.destroy());
    plots.clear();
    const root = document.querySelector("[data-trend]");
    if (!root || typeof uPlot === "undefined") return;
    root.hidden = false;
    const trend = JSON.parse(root.dataset.trend);
    const style = getComputedStyle(root);
    const look = {
      ink: style.color,
      line: style.borderTopColor,
      family: style.fontFamily,
      font: `12px ${style.fontFamily}`,
      failing: painted(root, "failing"),
      failingSoft: style.outlineColor,
      opened: painted(root, "opened"),
      closed: painted(root, "closed"),
      flip: painted(root, "flip"),
      gap: painted(root, "gap"),
    };
    plots.add(burnDown(root, root.querySelector("[data-chart=burn-down]"), trend, look));
    plots.add(moves(root, root.querySelector("[data-chart=moves]"), trend, look));
  };

  const resize = () => plots.forEach((plot) => {
    const width = plot.root.parentElement.clientWidth;
    if (width && width !== plot.width) plot.setSize({ width, height: plot.height });
  });

  document.addEventListener("DOMContentLoaded", draw);
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target?.id === "trend" || event.detail.elt?.id === "trend") draw();
  });
  document.addEventListener("htmx:historyRestore", draw);
  window.addEventListener("resize", resize);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
