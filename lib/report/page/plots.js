// Drawings in plain SVG, made anew for the width at hand so that their text keeps its size.

/// draw(width) -> svg children; `text`: what the drawing shows, for those who do not see it.
function plot(height, title, text, draw) {
  // As high as its drawing from the start: an observer that changes what it observes is an error to browsers.
  const frame = h('div', {class: 'plot', style: `height:${height}px`});
  let width = 0;
  const redraw = () => {
    const now = Math.floor(frame.clientWidth);
    if (now === width || now === 0) return;
    width = now;
    frame.replaceChildren(svg('svg', {width, height, viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': `${title}. ${text}`},
      svg('title', null, title), svg('desc', null, text), draw(width)));
  };
  frame.redraw = () => { width = 0; redraw(); };
  new ResizeObserver(redraw).observe(frame);
  return frame;
}

/// Round numbers from low to high, about `count` of them.
function ticks(low, high, count) {
  const rough = (high - low) / Math.max(1, count), power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) || 10);
  const all = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; ++i) all.push(Number((i * step).toPrecision(12)));
  return all;
}
function scaleOf(low, high, from, to) {
  const span = high - low || 1;
  return (value) => from + (value - low) / span * (to - from);
}
const fixed = (value) => Number(value.toFixed(2));

function yAxis(scale, values, left, right, label) {
  return values.map((value) => [
    svg('line', {class: 'grid', x1: left, x2: right, y1: fixed(scale(value)), y2: fixed(scale(value))}),
    svg('text', {x: left - 8, y: fixed(scale(value)) + 4, 'text-anchor': 'end'}, label ? label(value) : String(value)),
  ]);
}
function xAxis(scale, values, bottom) {
  return values.map((value) => svg('text', {x: fixed(scale(value)), y: bottom + 18, 'text-anchor': 'middle'}, String(value)));
}

/// points: {index, value, float, title}; line: {value, title} or null.
function errorPlot(points, count, line, choose, chosen) {
  const values = points.map((point) => point.value).concat(line ? [line.value] : []);
  const low = Math.min(0, ...values), high = Math.max(10, ...values) * 1.05;
  const worst = points.reduce((a, b) => (b.value < a.value ? b : a));
  const height = 280, left = 46, top = 12, bottom = height - 34;
  return plot(height, 'Error along the network',
    `SQNR in dB at ${points.length} layers in the order in which they run; the lowest is ${decibel(worst.value)} at ${worst.name}. The table of layers has every value.`,
    (width) => {
      const x = scaleOf(0, Math.max(1, count - 1), left + 8, width - 10), y = scaleOf(low, high, bottom, top);
      return [
        yAxis(y, ticks(low, high, 6), left, width),
        svg('text', {x: left, y: height - 4}, 'first layer'),
        svg('text', {x: width - 2, y: height - 4, 'text-anchor': 'end'}, 'last layer'),
        svg('text', {x: 0, y: top, class: 'unit'}, 'dB'),
        svg('path', {class: 'trace', d: 'M' + points.map((p) => `${fixed(x(p.index))} ${fixed(y(p.value))}`).join('L')}),
        line && svg('line', {class: 'limit', x1: left, x2: width, y1: fixed(y(line.value)), y2: fixed(y(line.value))}, svg('title', null, line.title)),
        points.map((p) => svg('circle', {
          class: `dot${p.float ? ' float' : ''}${p.index === chosen() ? ' chosen' : ''}`, r: points.length > 150 ? 3.2 : 4,
          cx: fixed(x(p.index)), cy: fixed(y(p.value)), click: () => choose(p.index),
        }, svg('title', null, p.title))),
      ];
    });
}

function histogramPlot(drawing, output) {
  const {first, width: step, bars} = drawing;
  const last = first + step * bars.length, [gridLow, gridHigh] = output.grid;
  const low = Math.min(first, gridLow), high = Math.max(last, gridHigh);
  const most = Math.log1p(Math.max(...bars)), height = 220, left = 10, top = 26, bottom = height - 28;
  return plot(height, 'Histogram of the output',
    `Values seen from ${short(output.seen[0])} to ${short(output.seen[1])}; the integers cover ${short(gridLow)} to ${short(gridHigh)}. Counts on a logarithmic scale.`,
    (width) => {
      const x = scaleOf(low, high, left, width - 10), y = scaleOf(0, most, bottom, top);
      const bar = Math.max(.6, x(first + step) - x(first) - (bars.length * 3 > width ? 0 : .8));
      const edge = (value, anchor) => [
        svg('line', {class: 'threshold', x1: fixed(x(value)), x2: fixed(x(value)), y1: top - 4, y2: bottom}),
        svg('text', {class: 'threshold-label', x: fixed(x(value)), y: top - 10, 'text-anchor': anchor}, short(value)),
      ];
      return [
        svg('line', {class: 'axis', x1: left, x2: width - 10, y1: bottom, y2: bottom}),
        bars.map((count, i) => count > 0 && svg('rect', {
          class: 'bar', x: fixed(x(first + i * step)), width: fixed(bar), y: fixed(y(Math.log1p(count))), height: fixed(bottom - y(Math.log1p(count))),
        }, svg('title', null, `${short(first + i * step)} to ${short(first + (i + 1) * step)}: ${count.toLocaleString('en')} values`))),
        low < gridLow && svg('rect', {class: 'clipped', x: left, width: fixed(x(gridLow) - left), y: top, height: bottom - top}),
        high > gridHigh && svg('rect', {class: 'clipped', x: fixed(x(gridHigh)), width: fixed(width - 10 - x(gridHigh)), y: top, height: bottom - top}),
        edge(gridLow, x(gridLow) > 60 ? 'middle' : 'start'), edge(gridHigh, x(gridHigh) < width - 60 ? 'middle' : 'end'),
        xAxis(x, ticks(low, high, Math.max(2, width / 90)).filter((t) => x(t) > left + 8 && x(t) < width - 18), bottom),
      ].filter(Boolean);
    });
}

function rangesPlot(drawing) {
  const channels = drawing.min.length, low = Math.min(0, ...drawing.min), high = Math.max(0, ...drawing.max);
  const height = 220, top = 12, bottom = height - 28;
  return plot(height, 'Weight ranges by output channel',
    `Smallest and largest weight of ${counted(channels, 'channel')}, between ${short(low)} and ${short(high)}.`,
    (width) => {
      const left = 58, x = scaleOf(0, channels, left, width - 4), y = scaleOf(low, high, bottom, top);
      const stroke = Math.max(.5, Math.min(8, (width - left) / channels * .7));
      return [
        yAxis(y, ticks(low, high, 5), left, width),
        drawing.min.map((least, i) => svg('line', {
          class: 'range', 'stroke-width': fixed(stroke), x1: fixed(x(i + .5)), x2: fixed(x(i + .5)),
          y1: fixed(y(least)), y2: fixed(Math.min(y(drawing.max[i]), y(least) - 1)),
        }, svg('title', null, `channel ${i}: ${short(least)} to ${short(drawing.max[i])}`))),
        svg('text', {x: left, y: height - 8}, 'channel 0'),
        channels > 1 && svg('text', {x: width - 2, y: height - 8, 'text-anchor': 'end'}, `channel ${channels - 1}`),
      ].filter(Boolean);
    });
}

/// Squarified treemap (Bruls, Huizing, van Wijk 2000): rows are closed as soon as another leaf would make the worst
/// of them longer. leaves: {bytes}, the largest first; returns {leaf, x, y, width, height}.
function squarify(leaves, x, y, width, height) {
  const total = leaves.reduce((sum, leaf) => sum + leaf.bytes, 0), placed = [];
  if (total <= 0) return placed;
  const unit = width * height / total;
  const worst = (areas, sum, side) => areas.reduce((most, a) => Math.max(most, side * side * a / (sum * sum), sum * sum / (side * side * a)), 0);
  let at = 0;
  while (at < leaves.length) {
    const side = Math.max(1e-6, Math.min(width, height)), areas = [];
    let sum = 0;
    for (let i = at; i < leaves.length; ++i) {
      const area = Math.max(1e-6, leaves[i].bytes * unit);
      if (areas.length && worst(areas.concat(area), sum + area, side) > worst(areas, sum, side)) break;
      areas.push(area);
      sum += area;
    }
    const depth = sum / side;
    let along = 0;
    for (const area of areas) {
      const length = area / depth, leaf = leaves[at++];
      placed.push(width >= height ? {leaf, x, y: y + along, width: depth, height: length}
                                  : {leaf, x: x + along, y, width: length, height: depth});
      along += length;
    }
    if (width >= height) { x += depth; width -= depth; } else { y += depth; height -= depth; }
  }
  return placed;
}

/// leaves: {name, bytes, group, choose}; palette: the numbers of the tile colours of known groups, the largest
/// groups take what is left.
function treemap(title, leaves, palette = {}) {
  const ordered = leaves.filter((leaf) => leaf.bytes > 0).sort((a, b) => b.bytes - a.bytes);
  const sums = new Map();
  for (const leaf of ordered) sums.set(leaf.group, (sums.get(leaf.group) || 0) + leaf.bytes);
  const groups = [...sums].sort((a, b) => b[1] - a[1]).map(([name]) => name);
  const number = (group) => palette[group] || Math.min(6, groups.indexOf(group) + 1);
  const total = ordered.reduce((sum, leaf) => sum + leaf.bytes, 0);
  const largest = ordered.slice(0, 3).map((leaf) => `${leaf.name} ${bytesText(leaf.bytes)}`).join(', ');
  const drawing = plot(340, title, `${bytesText(total)} in ${counted(ordered.length, 'part')}; the largest: ${largest}.`, (width) =>
    squarify(ordered, 0, 0, width, 340).map((box) => {
      const room = Math.floor((box.width - 12) / 7.6), fits = (text) => (text.length <= room ? text : room > 6 ? `…${text.slice(1 - room)}` : '');
      const named = box.height > 22 && fits(box.leaf.name), sized = box.height > 40 && named && fits(bytesText(box.leaf.bytes));
      return svg('g', {click: box.leaf.choose}, svg('rect', {
        class: `leaf${box.leaf.choose ? ' known' : ''}`, x: fixed(box.x), y: fixed(box.y), width: fixed(box.width), height: fixed(box.height),
        style: `fill:var(--tile-${number(box.leaf.group)})`,
      }), svg('title', null, `${box.leaf.name} (${box.leaf.what || box.leaf.group}): ${bytesText(box.leaf.bytes)}, ${percent(box.leaf.bytes / total)}`),
      named && svg('text', {class: 'label', x: fixed(box.x + 7), y: fixed(box.y + 16)}, named),
      sized && svg('text', {class: 'label second', x: fixed(box.x + 7), y: fixed(box.y + 31)}, sized));
    }));
  const key = groups.slice(0, 5).map((group) => [group, number(group)]).concat(groups.length > 5 ? [[groups.length === 6 ? groups[5] : 'others', 6]] : []);
  const legend = h('ul', {class: 'legend'}, key.map(([name, i]) => h('li', null, h('span', {class: 'swatch', style: `background:var(--tile-${i})`}), name)));
  return [drawing, legend];
}

/// points: {name, x, y, chosen}
function frontierPlot(points, axis = 'time by the cost table, float = 1', said = (x) => `time ${short(x)} of float`) {
  const height = 260, left = 46, top = 14, bottom = height - 40;
  const lowX = Math.min(...points.map((p) => p.x)), highX = Math.max(...points.map((p) => p.x));
  const lowY = Math.min(...points.map((p) => p.y)), highY = Math.max(...points.map((p) => p.y));
  const padX = (highX - lowX || highX || 1) * .08, padY = (highY - lowY || 1) * .12;
  return plot(height, 'Cost against error of what was tried',
    points.map((p) => `${p.name}: ${said(p.x)}, ${decibel(p.y)}${p.chosen ? ', chosen' : ''}`).join('; '),
    (width) => {
      const x = scaleOf(lowX - padX, highX + padX, left, width - 10), y = scaleOf(lowY - padY, highY + padY, bottom, top);
      return [
        yAxis(y, ticks(lowY - padY, highY + padY, 5), left, width),
        xAxis(x, ticks(lowX - padX, highX + padX, Math.max(2, width / 140)), bottom),
        svg('text', {x: 0, y: top}, 'dB'),
        svg('text', {x: width - 2, y: height - 4, 'text-anchor': 'end'}, axis),
        points.map((p) => svg('circle', {class: `dot${p.chosen ? ' chosen' : ' float'}`, r: 6, cx: fixed(x(p.x)), cy: fixed(y(p.y))}, svg('title', null, p.name))),
      ];
    });
}
