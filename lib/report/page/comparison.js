// The view of `qconvert compare`: the models side by side, each against the first.

/// rows: {label, low, middle, high, title}; `line`: where nothing differs, or null.
function intervalPlot(title, text, unit, rows, line) {
  const values = rows.flatMap((row) => [row.low, row.high]).concat(line === null ? [0] : [line]);
  const low = Math.min(...values), high = Math.max(...values), step = 34, top = 8, height = top + rows.length * step + 30;
  return plot(height, title, text, (width) => {
    const left = Math.min(90, width / 4), bottom = top + rows.length * step, x = scaleOf(low, high, left, width - 18);
    return [
      svg('line', {class: 'axis', x1: left, x2: width - 18, y1: bottom, y2: bottom}),
      line !== null && svg('line', {class: 'limit', x1: fixed(x(line)), x2: fixed(x(line)), y1: top, y2: bottom}),
      rows.map((row, i) => {
        const y = top + (i + .5) * step;
        return svg('g', null, svg('title', null, row.title), svg('text', {x: 0, y: y + 4}, row.label),
          svg('line', {class: 'range', 'stroke-width': 2, x1: fixed(x(row.low)), x2: fixed(Math.max(x(row.high), x(row.low) + 1)), y1: y, y2: y}),
          svg('circle', {class: 'dot', r: 4, cx: fixed(x(row.middle)), cy: y}));
      }),
      xAxis(x, ticks(low, high, Math.max(2, width / 110)), bottom),
      svg('text', {x: width - 2, y: height - 2, 'text-anchor': 'end', class: 'unit'}, unit),
    ].filter(Boolean);
  });
}

const milliseconds = (value) => `${short(value)} ms`;
const points = (share) => `${share >= 0 ? '+' : '−'}${Math.abs(100 * share).toFixed(2)}`;
const times = (ratio) => (ratio === null ? '–' : `${ratioText(ratio)}x`);

function filesTable(models) {
  return table({label: 'Files', rows: models, columns: [
    {title: '', head: true, value: (m) => m.name}, {title: 'file', wide: true, value: (m) => m.file, cell: (m) => h('span', {class: 'name'}, m.file)},
    {title: 'on disk', number: true, value: (m) => bytesText(m.size)}, {title: 'of A', number: true, value: (m) => percent(m.size_ratio)},
    {title: 'packed', number: true, value: (m) => bytesText(m.compressed_size)}, {title: 'of A', number: true, value: (m) => percent(m.compressed_ratio)},
    {title: 'memory', number: true, value: (m) => (m.peak_memory === null ? '–' : bytesText(m.peak_memory))},
  ]}).element;
}

function speedSection(models, which, title) {
  const timed = models.filter((model) => model.latency[which]).map((model) => ({name: model.name, ...model.latency[which]}));
  if (timed.length === 0) return null;
  const words = (row) => `${row.name}: ${milliseconds(row.median_ms)}, half of the rounds between ${milliseconds(row.low_ms)} and ${milliseconds(row.high_ms)}`;
  return section(which, title, h('p', {class: 'soft'}, `${counted(timed[0].rounds, 'round')}, all models by turns; the bars hold the middle half.`),
    intervalPlot(title, timed.map(words).join('; '), 'ms', timed.map((row) => ({label: row.name, low: row.low_ms, middle: row.median_ms, high: row.high_ms, title: words(row)})), null),
    table({label: title, rows: timed, columns: [
      {title: '', head: true, value: (r) => r.name}, {title: 'median', number: true, value: (r) => milliseconds(r.median_ms)},
      {title: 'quartiles', number: true, value: (r) => `${milliseconds(r.low_ms)} to ${milliseconds(r.high_ms)}`}, {title: 'speed to A', number: true, value: (r) => times(r.speedup)},
    ]}).element);
}

function outputsTable(others) {
  const rows = others.flatMap((model) => withParts(model.against_a.outputs).map((output) => ({model: model.name, ...output})));
  return table({label: 'Outputs', noun: 'output', rows, columns: [
    {title: 'model', value: (o) => o.model}, {title: 'output', head: true, value: (o) => o.output, cell: (o) => h('span', {class: 'name'}, o.output + (o.before_op ? ` (before ${o.before_op})` : o.before_softmax ? ' (logits)' : ''))},
    {title: 'SQNR', number: true, value: (o) => o.sqnr_db, cell: (o) => (o.exact ? 'exact' : decibel(o.sqnr_db))},
    {title: 'cosine', number: true, value: (o) => o.cosine, cell: (o) => (o.cosine === null ? '–' : o.cosine.toFixed(5))},
    {title: 'largest error', number: true, value: (o) => o.max_abs_error, cell: (o) => short(o.max_abs_error)},
  ]}).element;
}

function accuracySection(others, unit) {
  const rows = others.filter((model) => model.against_a.agreement !== null).map((model) => ({name: model.name, agreement: model.against_a.agreement, ...model.against_a.labelled}));
  if (rows.length === 0) return null;
  const labelled = rows.filter((row) => row.top1 !== undefined);
  const interval = (row) => `${points(row.top1_difference)} [${points(row.top1_difference_low)}, ${points(row.top1_difference_high)}]`;
  const words = (row) => `${row.name} minus A: ${interval(row)} points of top-1`;
  return section('accuracy', 'Classes', labelled.length > 0 && [
    h('p', {class: 'soft'}, `Top-1 minus that of A on the same ${counted(labelled[0].images, unit)} with labels; the bars are paired 95 % intervals.`),
    intervalPlot('Difference of top-1', labelled.map(words).join('; '), 'points', labelled.map((row) => ({label: row.name, low: 100 * row.top1_difference_low,
      middle: 100 * row.top1_difference, high: 100 * row.top1_difference_high, title: words(row)})), 0)],
    table({label: 'Classes', rows, columns: [
      {title: '', head: true, value: (r) => r.name}, {title: 'same class as A', number: true, value: (r) => percent(r.agreement, 2)},
      ...(labelled.length === 0 ? [] : [
        {title: 'top-1 of A', number: true, value: (r) => percent(r.top1_a, 2)}, {title: 'top-1', number: true, value: (r) => percent(r.top1, 2)},
        {title: 'difference, 95 %', number: true, nowrap: true, value: (r) => interval(r)},
        {title: 'top-5 of A', number: true, value: (r) => percent(r.top5_a, 2)}, {title: 'top-5', number: true, value: (r) => percent(r.top5, 2)}]),
    ]}).element);
}

function classesSection(others) {
  const rows = others.flatMap((model) => model.against_a.classes.map((one) => ({model: model.name, ...one})));
  if (rows.length === 0) return null;
  return section('by-class', 'Top-1 by class', table({label: 'Top-1 by class', noun: 'row', tall: true, rows, columns: [
    {title: 'class', head: true, number: true, value: (c) => c.class_index}, {title: 'model', value: (c) => c.model}, {title: 'images', number: true, value: (c) => c.images},
    {title: 'right in A', number: true, value: (c) => c.right_a}, {title: 'right', number: true, value: (c) => c.right}, {title: 'lost', number: true, value: (c) => c.right_a - c.right},
  ]}).element);
}

views.comparison = (found) => {
  const others = found.models.slice(1), failed = found.gates.filter((gate) => !gate.held).length;
  const verdict = found.gates.length === 0 ? `${counted(found.images, found.unit)}, no gate was asked for.`
    : failed > 0 ? `✗ ${failed} of ${counted(found.gates.length, 'gate')} not held.` : `✓ All ${counted(found.gates.length, 'gate')} hold.`;
  return [
    h('header', null, h('h1', null, `${found.models[0].file} and ${counted(others.length, 'other')}`),
      h('p', {class: `verdict ${found.gates.length === 0 ? 'soft' : failed > 0 ? 'bad' : 'good'}`, id: 'verdict'}, verdict), filesTable(found.models)),
    found.gates.length > 0 && section('gates', 'Gates', table({label: 'Gates', rows: found.gates, columns: [
      {title: 'gate', head: true, value: (g) => g.gate}, {title: 'model', value: (g) => g.model}, {title: 'measured', number: true, value: (g) => figure(g.figure)},
      {title: '', value: (g) => (g.held ? 'holds' : 'not held')},
    ]}).element),
    section('outputs', 'Outputs against A', outputsTable(others)),
    accuracySection(others, found.unit),
    speedSection(found.models, 'one_thread', 'One inference, one thread'),
    speedSection(found.models, 'all_threads', 'One inference, all threads'),
    classesSection(others),
    section('notes', 'Notes', list([`${counted(found.images, found.unit)}${found.preprocessing ? `: ${found.preprocessing}` : ''}`].concat(found.notes))),
  ];
};
