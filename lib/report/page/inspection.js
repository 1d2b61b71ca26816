// The views of `qconvert inspect`: an ONNX file, a TFLite file, two files against each other.

const notesOf = (notes) => notes.length > 0 && section('notes', 'Notes', list(notes));
const share = (part, whole) => (whole > 0 ? percent(part / whole) : '–');

function portsTable(found) {
  const ports = found.inputs.map((port) => ({way: 'input', ...port})).concat(found.outputs.map((port) => ({way: 'output', ...port})));
  return table({label: 'Inputs and outputs', rows: ports, columns: [
    {title: '', value: (p) => p.way}, {title: 'name', head: true, value: (p) => p.name, cell: (p) => h('span', {class: 'name'}, p.name)},
    {title: 'type', value: (p) => p.type}, {title: 'shape', nowrap: true, value: (p) => p.shape},
    ...(ports.some((p) => p.params) ? [{title: 'values', value: (p) => p.params || ''}] : []),
  ]}).element;
}
function opsTable(ops) {
  return table({label: 'Ops', rows: Object.entries(ops).sort((a, b) => b[1] - a[1]), columns: [
    {title: 'op', head: true, value: ([op]) => op}, {title: 'nodes', number: true, value: ([, count]) => count},
  ]}).element;
}

views.inspection = (found) => {
  const {quantized} = found, entries = [['file', bytesText(found.model.size), `opset ${found.opset}, IR ${found.ir_version}${found.producer ? `, by ${found.producer}` : ''}`, 'size']];
  if (quantized) {
    entries.push(['constants', bytesText(found.constant_bytes), 'as stored', 'constants']);
    entries.push(['integer kernels', found.on_integer_kernels === null ? '?' : `${found.on_integer_kernels} of ${found.working_nodes}`, 'nodes, Quantize and Dequantize left out', 'integers']);
  } else {
    entries.push([`constants for ${found.target}`, bytesText(found.quantized_constant_bytes), `from ${bytesText(found.constant_bytes)}`, 'constants']);
    entries.push(['could be integers', `${found.could_be_integer} of ${found.nodes.length}`, `nodes, target ${found.target}`, 'integers']);
  }
  entries.push(['activations alive at once', bytesText(found.peak_activation_bytes),
    [quantized ? '' : `${bytesText(found.quantized_peak_activation_bytes)} for ${found.target}`, found.peak_node && `at ${found.peak_node}`].filter(Boolean).join(', '), 'peak']);
  entries.push(['weights and activations', bytesText(found.total_bytes), quantized ? 'as stored' : `${bytesText(found.quantized_total_bytes)} for ${found.target}`, 'total']);
  entries.push(['multiply-accumulates', countText(found.macs), `${countText(found.parameters)} parameters`, 'macs']);
  entries.push(['bit operations', countText(found.bops), quantized ? 'products times the bits of both operands' : `${countText(found.quantized_bops)} for ${found.target}`, 'bops']);
  const leaves = found.nodes.map((node) => ({name: node.node, bytes: node.constant_bytes, group: node.op_type}));
  return [
    h('header', null, h('h1', null, found.model.file),
      h('p', {class: 'verdict soft'}, quantized ? (found.weights_alone ? 'Weights in fewer bits, activations in float.' : 'Quantized already.') : `Float; what ${found.target} would make of it, without looking at images.`), figures(entries), portsTable(found)),
    !quantized && whyNot(found),
    section('layers', 'Layers', inspectedLayers(found).element),
    leaves.some((leaf) => leaf.bytes > 0) && section('bytes', 'Constants by layer', treemap('Constants by layer', leaves)),
    found.largest_activations.length > 0 && section('activations', 'Largest activations', h('p', {class: 'soft'}, 'Values made while running, batch 1.'),
      table({label: 'Largest activations', rows: found.largest_activations, columns: [
        {title: 'made by', head: true, value: (a) => a.node || 'input', cell: (a) => (a.node ? h('span', {class: 'name'}, a.node) : 'an input')},
        {title: 'shape', nowrap: true, value: (a) => a.shape}, {title: 'bytes', number: true, value: (a) => bytesText(a.bytes)},
        ...(quantized ? [] : [{title: found.target, number: true, value: (a) => bytesText(a.quantized_bytes)}]),
      ]}).element),
    section('ops', 'Ops', opsTable(found.ops)),
    notesOf(found.notes),
  ];
};

function whyNot(found) {
  const groups = new Map();
  for (const node of found.nodes) {
    if (node.could_be_integer) continue;
    const group = groups.get(node.reason) || groups.set(node.reason, {reason: node.reason, count: 0, ops: new Map()}).get(node.reason);
    ++group.count;
    group.ops.set(node.op_type, (group.ops.get(node.op_type) || 0) + 1);
  }
  const rows = [...groups.values()].sort((a, b) => b.count - a.count);
  return section('float', 'What would stay in float', rows.length === 0 ? h('p', null, 'Nothing: the target computes every node in integers.') :
    table({label: 'What would stay in float', rows, columns: [
      {title: 'nodes', number: true, value: (g) => g.count}, {title: 'why', head: true, wide: true, value: (g) => g.reason},
      {title: 'ops', wide: true, value: (g) => [...g.ops].sort((a, b) => b[1] - a[1]).map(([op, count]) => `${count} ${op}`).join(', ')},
    ]}).element);
}

function inspectedLayers(found) {
  const index = new Map(found.nodes.map((node, i) => [node, i]));
  const columns = [
    {title: '#', number: true, value: (n) => index.get(n) + 1},
    {title: 'layer', head: true, value: (n) => n.node, cell: (n) => h('span', {class: 'name'}, n.node)},
    {title: 'op', value: (n) => n.op_type}, {title: 'output', nowrap: true, value: (n) => n.output_shape || '', cell: (n) => n.output_shape || '?'},
    {title: 'parameters', number: true, value: (n) => n.parameters || null, cell: (n) => (n.parameters ? countText(n.parameters) : '–')},
    {title: 'MACs', number: true, value: (n) => n.macs, cell: (n) => (n.macs === null ? '–' : countText(n.macs))},
    {title: 'bytes', number: true, value: (n) => n.constant_bytes || null, cell: (n) => (n.constant_bytes ? bytesText(n.constant_bytes) : '–')},
  ];
  if (found.quantized) {
    columns.push({title: 'weights', value: (n) => n.weight_params}, {title: 'output values', value: (n) => n.output_params},
      {title: 'kernel', value: (n) => n.kernel, cell: (n) => h('span', {class: n.integer_kernel ? 'integer' : 'float'}, n.kernel)});
  } else {
    columns.push({title: found.target, number: true, value: (n) => n.quantized_bytes || null, cell: (n) => (n.quantized_bytes ? bytesText(n.quantized_bytes) : '–')},
      {title: 'runs on', value: (n) => (n.could_be_integer ? 'integers' : 'float'), cell: (n) => h('span', {class: n.could_be_integer ? 'integer' : 'float'}, n.could_be_integer ? 'integers' : 'float')},
      {title: 'remark', wide: true, value: (n) => n.reason});
  }
  return table({label: 'Layers', noun: 'layer', tall: true, rows: found.nodes, columns});
}

views.tflite = (found) => {
  const sizes = Object.entries(found.bytes).sort((a, b) => b[1] - a[1]);
  const leaves = found.tensors.map((tensor) => ({name: tensor.name, bytes: tensor.bytes, group: tensor.kind || 'values'}))
    .concat([{name: 'no tensor', bytes: found.bytes_of_no_tensor, group: 'graph'}]);
  return [
    h('header', null, h('h1', null, found.model.file), h('p', {class: 'verdict soft'}, `TFLite${found.quantized ? ', quantized' : ''}${found.description ? ` – ${found.description}` : ''}`),
      figures([['file', bytesText(found.model.size), counted(found.graphs, 'graph'), 'size'],
        ['weights and activations', bytesText(found.total_bytes), `${bytesText(found.constant_bytes)} and ${bytesText(found.peak_activation_bytes)} alive at once`, 'total'],
        ['bit operations', countText(found.bops), `${countText(found.macs)} multiply-accumulates`, 'bops'],
        ['operators', String(found.operators.length), `${Object.keys(found.ops).length} kinds`, 'operators'],
        ['tensors', String(found.tensors.length), Object.entries(found.types).map(([type, count]) => `${count} ${type}`).join(', '), 'tensors']]), portsTable(found)),
    section('layers', 'Operators', table({label: 'Operators', noun: 'operator', tall: true, rows: found.operators.map((op, i) => ({...op, i})), columns: [
      {title: '#', number: true, value: (o) => o.i + 1}, {title: 'operator', head: true, value: (o) => o.op}, {title: 'version', number: true, value: (o) => o.version},
      {title: 'output', wide: true, value: (o) => o.outputs.join(', '), cell: (o) => h('span', {class: 'name'}, o.outputs.join(', '))},
      {title: 'type', value: (o) => o.output_type}, {title: 'shape', nowrap: true, value: (o) => o.output_shape}, {title: 'output values', value: (o) => o.output_params},
      {title: 'weights', value: (o) => o.weight_params}, {title: 'constants', number: true, value: (o) => o.constant_bytes || null, cell: (o) => (o.constant_bytes ? bytesText(o.constant_bytes) : '–')},
      {title: 'options', wide: true, value: (o) => o.options},
    ]}).element),
    section('bytes', 'Where the bytes are', h('p', {class: 'soft'}, `Every byte has an owner; the parts add up to the ${exactBytes(found.model.size)} of the file.`),
      treemap('Size by tensor', leaves), table({label: 'Bytes by kind', rows: sizes, columns: [
        {title: 'kind', head: true, value: ([kind]) => kind}, {title: 'bytes', number: true, value: ([, bytes]) => bytes, cell: ([, bytes]) => bytes.toLocaleString('en')},
        {title: 'share', number: true, value: ([, bytes]) => share(bytes, found.model.size)},
      ]}).element),
    section('tensors', 'Tensors', table({label: 'Tensors', noun: 'tensor', tall: true, rows: found.tensors, columns: [
      {title: 'tensor', head: true, wide: true, value: (t) => t.name, cell: (t) => h('span', {class: 'name'}, t.name)}, {title: 'type', value: (t) => t.type},
      {title: 'shape', nowrap: true, value: (t) => t.shape}, {title: 'what', value: (t) => t.kind}, {title: 'bytes', number: true, value: (t) => t.bytes, cell: (t) => t.bytes.toLocaleString('en')},
      {title: 'values', value: (t) => t.params},
    ]}).element),
    (found.signatures.length > 0 || Object.keys(found.metadata).length > 0) && section('metadata', 'Metadata', facts([
      ['signatures', found.signatures.join(', ')], ...Object.entries(found.metadata)])),
    notesOf(found.notes),
  ];
};

views.difference = (found) => {
  const kinds = ['changed', 'added', 'removed'].map((change) => [change, (layer) => layer.change === change]);
  const total = (row, value) => (value === null ? '?' : row.bytes ? bytesText(value) : value.toLocaleString('en'));
  const words = (layer) => layer.fields.map((field) => `${field.field}: ${field.a || '–'} → ${field.b || '–'}`);
  return [
    h('header', null, h('h1', null, `${found.a} against ${found.b}`), h('p', {class: 'verdict soft', id: 'verdict'}, found.layers.length === 0
      ? `No layer differs (${counted(found.same_layers, 'layer')}).` : `${counted(found.layers.length, 'layer')} differ, ${found.same_layers} are the same.`),
    table({label: 'Totals', rows: found.totals, columns: [
      {title: '', head: true, value: (t) => t.what}, {title: found.a, number: true, value: (t) => total(t, t.a)}, {title: found.b, number: true, value: (t) => total(t, t.b)},
      {title: 'change', number: true, value: (t) => (t.a && t.b !== null ? `${t.b >= t.a ? '+' : '−'}${(Math.abs(t.b / t.a - 1) * 100).toFixed(1)} %` : '–')},
    ]}).element),
    found.layers.length > 0 && section('layers', 'What differs', table({label: 'Layers', noun: 'layer', tall: true, rows: found.layers,
      filter: {title: 'Show', choices: [['every change', () => true], ...kinds]}, columns: [
        {title: 'layer', head: true, value: (l) => l.layer, cell: (l) => h('span', {class: 'name'}, l.layer)}, {title: 'op', value: (l) => l.op}, {title: 'change', value: (l) => l.change},
        {title: 'bytes', number: true, value: (l) => l.b_bytes - l.a_bytes, cell: (l) => (l.a_bytes || l.b_bytes ? `${bytesText(l.a_bytes)} → ${bytesText(l.b_bytes)}` : '–')},
        {title: 'what', wide: true, value: (l) => words(l).join(' '), cell: (l) => words(l).map((line) => h('div', null, line))},
      ]}).element),
  ];
};
