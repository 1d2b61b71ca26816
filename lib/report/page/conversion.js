// The report of a conversion: the verdict first, then ever finer detail.

views.conversion = (report, drawings) => {
  let chosen = -1;
  const redrawn = [];
  const layer = h('div', {id: 'layer-detail'});
  const heading = h('h2', {id: 'layer-title', tabindex: -1}, 'One layer');
  let rows = [];
  function choose(index, move) {
    chosen = index;
    for (const entry of rows) entry.line.classList.toggle('chosen', entry.index === index);
    for (const drawing of redrawn) drawing.redraw();
    heading.textContent = `Layer ${report.nodes[index].node}`;
    layer.replaceChildren(...layerDetail(report, drawings, index).flat(9).filter(Boolean));
    if (move) {
      heading.focus({preventScroll: true});
      heading.scrollIntoView({block: 'start'});
    }
  }

  const layers = layerTable(report, choose);
  rows = layers.lines;
  const error = errorSection(report, (index) => choose(index, true), () => chosen, redrawn);
  const measured = report.nodes.map((node, index) => ({index, db: node.sqnr_db})).filter((entry) => entry.db !== null);
  const start = measured.length ? measured.reduce((a, b) => (b.db < a.db ? b : a)).index
                                : Math.max(0, report.nodes.findIndex((node) => node.float_bytes > 0));
  if (report.nodes.length) choose(start, false);
  return [
    conversionHead(report),
    stayedFloat(report),
    report.nodes.length > 0 && section('layers', 'Layers', h('p', {class: 'soft'},
      'In the order in which they run. A click on a heading sorts, one on a name shows the layer below. W8 A8: weights and output values of 8 bits. SQNR compares a layer\'s output with float when everything up to it is rounded, simulated.'), layers.element),
    error,
    ablationSection(report, (index) => choose(index, true)),
    report.nodes.length > 0 && h('section', {id: 'layer', 'aria-labelledby': 'layer-title'}, heading, layer),
    report.files.map((file, i) => fileSection(report, file, i, (index) => choose(index, true))),
    resourcesSection(report),
    frontierSection(report),
    calibrationSection(report, drawings),
    changesSection(report),
    hintsSection(report),
    warningsSection(report),
    section('config', 'Configuration', rulesTable(report),
      h('p', {class: 'soft'}, `Every key with the value that was in force (${report.config_hash}).`),
      h('details', null, h('summary', null, 'Show the resolved configuration'), h('pre', {tabindex: 0}, JSON.stringify(report.config, null, 2)))),
    h('footer', null, `qconvert ${report.qconvert_version}, ONNX Runtime ${report.runtime_version}. The numbers are those of the JSON report, schema version ${report.schema_version}.`),
  ];
};

function worstOutput(accuracy) {
  const outputs = accuracy.integer.length ? accuracy.integer : accuracy.simulated;
  return outputs.length ? outputs.reduce((a, b) => ((b.sqnr_db ?? 0) < (a.sqnr_db ?? 0) ? b : a)) : null;
}

function gateVerdict(gates) {
  if (!gates.length) return h('span', {class: 'soft'}, 'No gates are set.');
  const failed = gates.filter((gate) => !gate.held);
  return failed.length ? h('span', {class: 'fails'}, `✗ ${gates.length === 1 ? 'The gate is' : `${failed.length} of ${counted(gates.length, 'gate')}`} not held: ${failed.map((gate) => gate.name).join(', ')}`)
                       : h('span', {class: 'holds'}, gates.length === 1 ? '✓ The gate holds.' : `✓ All ${gates.length} gates hold.`);
}

function judgedImages(report, count) {
  const {held_out, unit} = report.calibration;
  if (held_out) return counted(count, `held-out ${unit}`);
  return `${counted(count, unit)} that ${count === 1 ? 'was' : 'were'} calibrated on as well`;
}

function conversionHead(report) {
  const {accuracy, coverage, gates} = report, entries = [];
  for (const file of report.files)
    entries.push([file.file, bytesText(file.size), `from ${bytesText(report.model.size)}, ${percent(file.ratio)} of it`, `size-${file.format}`]);
  const worst = accuracy && worstOutput(accuracy);
  if (worst) {
    entries.push([accuracy.integer.length > 1 ? 'SQNR, worst output' : 'SQNR', decibel(worst.sqnr_db),
      `of ${worst.output}${worst.before_op ? `, before ${worst.before_op}` : worst.before_softmax ? ', its logits' : ''}, ${judgedImages(report, accuracy.images)}`, 'sqnr']);
  }
  if (accuracy && accuracy.agreement !== null) entries.push(['agreement', percent(accuracy.agreement), 'same top-1 class as float', 'agreement']);
  entries.push(['integer kernels', `${coverage.weighted_on_integer_kernels} of ${coverage.weighted_nodes}`,
    `layers with weights; ${coverage.on_integer_kernels} of ${counted(coverage.nodes, 'node')}`, 'coverage']);
  const outputs = accuracy ? (accuracy.integer.length ? accuracy.integer : accuracy.simulated) : [];
  const simulated = new Map(accuracy ? withParts(accuracy.simulated).map((output) => [output.output, output]) : []);
  return h('header', null,
    h('h1', null, `${report.model.file} → ${report.target}`),
    h('p', {class: 'verdict', id: 'verdict'}, gateVerdict(gates)),
    figures(entries),
    gates.length > 0 && table({label: 'Gates', rows: gates, columns: [
      {title: 'gate', head: true, value: (g) => g.name},
      {title: 'bound', number: true, value: (g) => figure(g.bound)},
      {title: 'measured', number: true, value: (g) => figure(g.figure)},
      {title: 'verdict', value: (g) => g.held, cell: (g) => h('span', {class: g.held ? 'holds' : 'fails'}, g.held ? 'holds' : 'not held')},
    ]}).element,
    outputs.length > 0 && table({label: 'Accuracy by output', rows: withParts(outputs), columns: [
      {title: 'output', head: true, value: (o) => o.output, cell: (o) => [h('span', {class: 'name'}, o.output), o.before_op ? h('span', {class: 'soft'}, ` before ${o.before_op}`) : o.before_softmax && h('span', {class: 'soft'}, ' logits')]},
      {title: 'SQNR, integers', number: true, value: (o) => (accuracy.integer.length ? decibel(o.sqnr_db) : '–')},
      {title: 'SQNR, simulated', number: true, value: (o) => decibel((simulated.get(o.output) || {}).sqnr_db)},
      {title: 'cosine', number: true, value: (o) => (o.cosine === null ? '–' : o.cosine.toFixed(5))},
    ]}).element);
}

function stayedFloat(report) {
  const total = report.stayed_float.reduce((sum, group) => sum + group.count, 0);
  const kinds = (group) => Object.entries(group.op_types).sort((a, b) => b[1] - a[1]).map(([op, count]) => `${count} ${op}`).join(', ');
  if (!report.nodes.length) return null;
  return section('float', 'What stayed in float', total === 0 ? h('p', null, 'Nothing: every node runs on integers.') : [
    h('p', {class: 'soft'}, `${counted(total, 'node')} of ${report.nodes.length}, by reason.`),
    table({label: 'What stayed in float', rows: report.stayed_float, columns: [
      {title: 'nodes', number: true, value: (g) => g.count},
      {title: 'why', head: true, wide: true, value: (g) => g.reason},
      {title: 'ops', wide: true, value: kinds},
    ]}).element]);
}

function layerTable(report, choose) {
  const bits = (node) => [node.weights && `W${node.weights.bits}`, node.output && `A${node.output.bits}`].filter(Boolean).join(' ');
  const width = (node) => (node.weights || node.output ? Math.min(node.weights ? node.weights.bits : 64, node.output ? node.output.bits : 64) : null);
  const index = new Map(report.nodes.map((node, i) => [node, i]));
  return table({
    label: 'Layers', noun: 'layer', tall: true, rows: report.nodes,
    filter: {title: 'Runs on', choices: [['everything', () => true], ['integer kernels', (n) => n.integer_kernel], ['float kernels', (n) => !n.integer_kernel]]},
    columns: [
      {title: '#', number: true, value: (n) => index.get(n) + 1},
      {title: 'layer', head: true, value: (n) => n.node, cell: (n) => h('button', {type: 'button', click: () => choose(index.get(n), true)}, n.node)},
      {title: 'op', value: (n) => n.op_type},
      {title: 'shape', nowrap: true, value: (n) => n.shape},
      {title: 'bits', nowrap: true, value: width, cell: (n) => bits(n) || '–'},
      {title: 'scale', number: true, value: (n) => (n.output ? n.output.scale : null), cell: (n) => (n.output ? figure(n.output.scale) : '–')},
      {title: 'weights', number: true, value: (n) => (n.float_bytes ? n.bytes : null), cell: (n) => (n.float_bytes ? bytesText(n.bytes) : '–')},
      {title: 'SQNR', number: true, value: (n) => n.sqnr_db, cell: (n) => decibel(n.sqnr_db)},
      {title: 'kernel', value: (n) => n.verdict, cell: (n) => h('span', {class: n.integer_kernel ? 'integer' : 'float'}, n.verdict || n.compute)},
      {title: 'reason', wide: true, value: (n) => n.reason, cell: (n) => (n.detail ? `${n.reason}: ${n.detail}` : n.reason)},
    ],
  });
}

function errorSection(report, choose, chosen, redrawn) {
  const points = report.nodes.map((node, index) => ({
    index, name: node.node, value: node.sqnr_db, float: !node.integer_kernel,
    title: `${node.node} (${node.op_type}): ${decibel(node.sqnr_db)}`,
  })).filter((point) => point.value !== null && point.value < kExact);
  if (points.length < 2) return null;
  const worst = report.accuracy && worstOutput(report.accuracy);
  const line = worst && worst.sqnr_db !== null && worst.sqnr_db < kExact ? {value: worst.sqnr_db, title: `worst output: ${decibel(worst.sqnr_db)}`} : null;
  const drawing = errorPlot(points, report.nodes.length, line, choose, chosen);
  redrawn.push(drawing);
  return section('error', 'Error along the network', h('p', {class: 'soft'},
    'Signal to noise at each rounded output with everything before it rounded as well; higher is better. A drop shows where error enters, a click on a point its layer.'),
    drawing, h('ul', {class: 'legend'}, h('li', null, h('span', {class: 'swatch disc'}), 'integer kernel'),
      h('li', null, h('span', {class: 'swatch ring'}), 'float kernel'), line && h('li', null, `dashed: ${line.title}`)));
}

function ablationSection(report, choose) {
  const ablation = report.ablation;
  if (!ablation) return null;
  const index = new Map(report.nodes.map((node, i) => [node.node, i]));
  const named = (row) => {
    const at = index.get(row.node);
    return at === undefined ? h('span', {class: 'name'}, row.node) : h('button', {type: 'button', click: () => choose(at)}, row.node);
  };
  return section('ablation', 'What each rounding costs', h('p', {class: 'soft'},
    `The worst output with this rounding alone, and with all but this one, on ${judgedImages(report, ablation.images)}, simulated. With all of them it is at ${decibel(ablation.all_db)}, with those of weights at ${decibel(ablation.weights_db)}, with those of activations at ${decibel(ablation.activations_db)}; the costliest first.`),
    table({label: 'Ablation', noun: 'rounding', rows: ablation.rows, tall: true, columns: [
      {title: 'layer', head: true, value: (r) => r.node, cell: named},
      {title: 'op', value: (r) => r.op_type},
      {title: 'what', value: (r) => r.what},
      {title: 'bits', number: true, value: (r) => r.bits},
      {title: 'alone', number: true, value: (r) => r.only_db, cell: (r) => decibel(r.only_db)},
      {title: 'without it', number: true, value: (r) => r.without_db, cell: (r) => decibel(r.without_db)},
    ]}).element);
}

function layerDetail(report, drawings, index) {
  const node = report.nodes[index], output = node.output, weights = node.weights;
  const histogram = output && drawings.outputs[index], ranges = weights && drawings.weights[index];
  return [
    facts([
      ['op', node.op_type], ['output', node.shape], ['runs', `${node.compute}${node.verdict ? `, seen as ${node.verdict}` : ''}`],
      ['why', node.detail ? `${node.reason}: ${node.detail}` : node.reason],
      ['SQNR here', node.sqnr_db === null ? '' : decibel(node.sqnr_db)],
      ['output values', output ? `${output.type}, scale ${figure(output.scale)}, zero point ${output.zero_point}, covers ${figure(output.grid[0])} to ${figure(output.grid[1])}` : 'float32'],
      ['values seen', output && output.seen[0] !== null ? `${figure(output.seen[0])} to ${figure(output.seen[1])}` : ''],
      ['weights', weights ? `${weights.type}, ${counted(weights.channels, 'scale')}, ${weights.channels > 1 ? `${figure(weights.scale_min)} to ${figure(weights.scale_max)}` : figure(weights.scale_min)}` : ''],
      ['weight bytes', node.float_bytes ? `${bytesText(node.float_bytes)} → ${bytesText(node.bytes)}` : ''],
      ['made from', node.made_from.join(', ')],
    ]),
    h('div', {class: 'pair'},
      histogram && h('div', null, h('h3', null, 'Output values over the calibration set'), histogramPlot(histogram, output),
        h('p', {class: 'soft small'}, 'Counts on a logarithmic scale; the lines are the ends of the integer range, what lies beyond (shaded) is clipped.')),
      ranges && h('div', null, h('h3', null, `Weight ranges by ${weights.channels > 1 ? 'output channel' : 'tensor'}`), rangesPlot(ranges),
        h('p', {class: 'soft small'}, weights.channels > 1 ? 'Each channel has a scale of its own, so a narrow one loses nothing beside a wide one.' : 'One scale for all of them.'))),
    h('p', null, h('a', {href: '#layers'}, 'Back to the table')),
  ];
}

function fileSection(report, file, number, choose) {
  const index = new Map(report.nodes.map((node, i) => [node.node, i]));
  const sums = new Map();
  for (const row of file.rows) {
    const name = row.node || (row.kind === '[file structure]' ? 'file structure' : 'graph');
    sums.set(name, (sums.get(name) || 0) + row.bytes);
  }
  const leaves = [...sums].map(([name, bytes]) => {
    const at = index.get(name);
    return {name, bytes, group: at === undefined ? 'belongs to no node' : report.nodes[at].integer_kernel ? 'integer kernel' : 'float kernel',
      what: at === undefined ? '' : report.nodes[at].op_type, choose: at === undefined ? null : () => choose(at)};
  });
  const kinds = Object.entries(file.bytes_by_kind).sort((a, b) => b[1] - a[1]);
  return section(`bytes-${number}`, `Where the bytes of ${file.file} are`,
    h('p', {class: 'soft'}, `Every byte has an owner; the parts add up to the ${exactBytes(file.size)} on disk.`),
    treemap(`Size by layer, ${file.file}`, leaves, {'integer kernel': 1, 'float kernel': 4, 'belongs to no node': 6}),
    table({label: `Bytes by kind, ${file.file}`, rows: kinds, columns: [
      {title: 'kind', head: true, value: ([kind]) => kind},
      {title: 'bytes', number: true, value: ([, bytes]) => bytes, cell: ([, bytes]) => bytes.toLocaleString('en')},
      {title: 'share', number: true, value: ([, bytes]) => percent(bytes / file.size)},
    ]}).element);
}

function resourcesSection(report) {
  const rows = report.resources || [];
  if (!rows.length) return null;
  const amount = (row, figure) => (figure === null ? '' : row.name === 'bops' ? short(figure) : bytesText(figure));
  return section('resources', 'Budget', h('p', {class: 'soft'},
    'What the written model takes beside what it may take: constants as written, activations alive at one time in the best order of the nodes that was found, both together, and bit operations of one run.'),
    table({label: 'Budget', rows, columns: [
      {title: 'resource', head: true, value: (row) => row.name},
      {title: 'allowed', number: true, value: (row) => row.allowed ?? '', cell: (row) => amount(row, row.allowed)},
      {title: 'taken', number: true, value: (row) => row.taken, cell: (row) => amount(row, row.taken)},
    ]}).element);
}

function frontierSection(report) {
  const all = report.frontier || [];
  const widths = all.filter((point) => point.bytes && point.sqnr_db !== null).map((point) => ({...point, x: point.bytes, y: point.sqnr_db}));
  if (widths.length > 1) return section('frontier', 'Widths that were tried', h('p', {class: 'soft'},
    'Choices of a width for every layer that were built and measured before this one was chosen: bytes of all constants against the error of the worst output.'),
    frontierPlot(widths, 'bytes of all constants', bytesText), table({label: 'Widths tried', rows: all.filter((point) => point.bytes), columns: [
      {title: 'widths', head: true, value: (p) => p.name},
      {title: 'constants', number: true, value: (p) => p.bytes, cell: (p) => bytesText(p.bytes)},
      {title: 'predicted', number: true, value: (p) => (p.predicted_db === null ? '' : decibel(p.predicted_db))},
      {title: 'measured', number: true, value: (p) => (p.sqnr_db === null ? '' : decibel(p.sqnr_db))},
      {title: '', value: (p) => (p.chosen ? 'chosen' : '')},
    ]}).element);
  const points = all.filter((point) => !point.bytes).map((point) => ({...point, x: point.time, y: point.sqnr_db}));
  if (points.length < 2) return null;
  return section('frontier', 'What else could be had', h('p', {class: 'soft'},
    'Placements of integers and float that no other one beats in both time and error: time by the cost table of the target, the worst output as predicted from what rounding each value was measured to cost; that of the chosen one is measured.'),
    frontierPlot(points), table({label: 'Placements', rows: points, columns: [
      {title: 'placement', head: true, value: (p) => p.name},
      {title: 'time, float = 1', number: true, value: (p) => ratioText(p.time)},
      {title: 'worst output', number: true, value: (p) => decibel(p.sqnr_db)},
      {title: '', value: (p) => (p.chosen ? 'chosen' : '')},
    ]}).element);
}

function calibrationSection(report, drawings) {
  const set = report.calibration;
  if (!set.images) return null;
  const copies = set.copies.reduce((sum, group) => sum + group.length - 1, 0);
  return section('calibration', 'Calibration set', facts([
    [`${set.unit}s`, `${set.images} to calibrate on, ${set.held_out} held out to judge with${set.held_out ? '' : ': too few, the same ones judge'}`],
    ['copies', copies ? `${counted(copies, 'file')} repeat another one: ${set.copies.slice(0, 5).map((group) => group.join(' = ')).join('; ')}${set.copies.length > 5 ? '; …' : ''}` : 'none'],
    ['preprocessing', report.preprocessing],
  ]), set.shown.length > 0 && [
    h('p', {class: 'soft'}, 'As the network sees them, mean and std undone: cropped as meant, upright, in the right colours?'),
    h('ul', {class: 'pictures'}, set.shown.map((name, i) => h('li', null, h('figure', null,
      h('img', {src: drawings.pictures[i], alt: `${name} as the network sees it`, load: (event) => event.target.classList.toggle('tiny', event.target.naturalHeight < 80)}), h('figcaption', null, name))))),
  ]);
}

function changesSection(report) {
  const done = report.rewrites.filter((rewrite) => !rewrite.undone), undone = report.rewrites.filter((rewrite) => rewrite.undone);
  const names = (rewrites) => rewrites.map((rewrite) => `${rewrite.count} ${rewrite.name}`).join(', ');
  if (!report.nodes.length) return null;
  return section('changes', 'What was changed on the way',
    report.corrections.length > 0 && table({label: 'Corrections', rows: report.corrections, columns: [
      {title: 'correction', head: true, value: (c) => c.name},
      {title: 'verdict', value: (c) => (c.kept ? 'kept' : 'left out')},
      {title: 'worst output before', number: true, value: (c) => decibel(c.before_db)},
      {title: 'after', number: true, value: (c) => decibel(c.after_db)},
    ]}).element,
    correctedLayers(report),
    facts([
      ['float rewrites', names(done)], ['undone, because they changed the output', names(undone)],
      ['saturation on x86 without VNNI', report.saturation.summary],
    ]),
    report.notes.length > 0 && [h('h3', null, 'Notes'), list(report.notes)]);
}

function correctedLayers(report) {
  const rows = report.corrections.flatMap((correction) => correction.layers.map((layer) => ({...layer, name: correction.name, kept: correction.kept})));
  return rows.length > 0 && [h('h3', null, 'Layer by layer'),
    h('p', {class: 'soft'}, 'What corrections of the float graph did to single layers; the gain is predicted, of the rounding of that result alone.'),
    table({label: 'Corrected layers', noun: 'layer', rows, tall: true, columns: [
      {title: 'layer', head: true, value: (r) => r.node, cell: (r) => h('span', {class: 'name'}, r.node)},
      {title: 'correction', value: (r) => `${r.name}${r.kept ? '' : ', left out'}`},
      {title: 'what', wide: true, value: (r) => r.detail},
      {title: 'gain', number: true, value: (r) => r.gain_db, cell: (r) => decibel(r.gain_db)},
    ]}).element];
}

function hintsSection(report) {
  if (!report.hints.length) return null;
  const tried = (hint) => hint.before_db !== null && hint.after_db !== null &&
    h('p', null, `Tried: the worst output went from ${decibel(hint.before_db)} to ${decibel(hint.after_db)}.`);
  return section('hints', 'Hints', h('p', {class: 'soft'}, 'What the collected statistics show, and what to write into the config about it.'),
    h('ul', {class: 'remarks'}, report.hints.map((hint) => h('li', null, h('p', null, hint.text), tried(hint),
      h('pre', {tabindex: 0}, JSON.stringify(hint.lines))))));
}

function rulesTable(report) {
  if (!report.rules || !report.rules.length) return null;
  const few = (names) => (names.length > 8 ? `${names.slice(0, 8).join(', ')} and ${names.length - 8} more` : names.join(', ')) || 'none';
  return table({label: 'Rules', rows: report.rules, columns: [
    {title: 'rule', head: true, value: (r) => r.place, cell: (r) => h('span', {class: 'name'}, r.place)},
    {title: 'says', wide: true, value: (r) => JSON.stringify(r.rule), cell: (r) => h('code', null, JSON.stringify(r.rule))},
    {title: 'means', wide: true, value: (r) => few(r.nodes)},
  ]}).element;
}

function warningsSection(report) {
  if (!report.warnings.length) return section('warnings', 'Warnings', h('p', {class: 'soft'}, 'None.'));
  return section('warnings', 'Warnings', h('ul', {class: 'remarks'}, report.warnings.map((warning) => h('li', null,
    h('p', null, h('span', {class: 'name'}, warning.place)), h('p', null, warning.cause),
    warning.remedy && h('p', null, h('strong', null, 'Remedy: '), warning.remedy)))));
}
