// Opens qconvert's pages in chromium and judges them from outside: nothing in the console, nothing asked of the network,
// every number equal to the JSON report's, sorting and searching, light and dark, wide and narrow.
//
//   node run.mjs QCONVERT SAMPLE          the sample's report and inspections
//   node run.mjs QCONVERT SAMPLE REAL     the bounds of the largest real model's page; REAL is QCONVERT_TEST_DATA
import {execFileSync} from 'node:child_process';
import {mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, readdirSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {Browser} from './chromium.mjs';

const [qconvert, sample, real] = process.argv.slice(2);
const work = mkdtempSync(join(tmpdir(), 'qconvert-pages-'));
const mistakes = [];
let checks = 0;
function check(holds, what) {
  ++checks;
  if (!holds) mistakes.push(what);
}
function equal(found, expected, what) {
  check(JSON.stringify(found) === JSON.stringify(expected), `${what}: ${JSON.stringify(found)} instead of ${JSON.stringify(expected)}`);
}
const run = (...args) => execFileSync(qconvert, args, {cwd: work, encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'inherit']});

// --- how figures read: written anew here, so that a mistake in the page's own rules shows ---------------------------
const bytes = (n) => (n < 1e3 ? `${n} B` : n < 1e6 ? `${(n / 1e3).toFixed(1)} kB` : `${(n / 1e6).toFixed(2)} MB`);
const db = (x) => (x === null ? '–' : x >= 200 ? 'exact' : `${x.toFixed(1)} dB`);
const plain = (x) => (x === null ? '–' : String(Number(x.toPrecision(6))));
const grouped = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ',');

// --- asking a page ----------------------------------------------------------------------------------------------------
const cells = (page, label) => page.evaluate(`[...document.querySelector('table[aria-label=${JSON.stringify(label)}]').tBodies[0].rows]
  .filter((row) => !row.hidden).map((row) => [...row.cells].map((cell) => cell.textContent))`);
const textOf = (page, selector) => page.evaluate(`document.querySelector(${JSON.stringify(selector)})?.textContent ?? null`);
async function press(page, key, code, text) {
  await page.send('Input.dispatchKeyEvent', {type: 'keyDown', key, code: key, windowsVirtualKeyCode: code, text});
  await page.send('Input.dispatchKeyEvent', {type: 'keyUp', key, code: key, windowsVirtualKeyCode: code});
}

// What must hold of any page.
async function checkSoundness(page, path, name) {
  equal(page.complaints, [], `${name}: the console`);
  equal(page.requests, [`file://${path}`], `${name}: asked for`);
  check(await page.evaluate('document.querySelectorAll("h1").length') === 1, `${name}: one h1`);
  equal(await page.evaluate(`[...document.querySelectorAll('svg')].filter((s) => s.getAttribute('role') !== 'img' || !s.getAttribute('aria-label') || !s.querySelector('title')).length`), 0, `${name}: drawings without words`);
  equal(await page.evaluate(`[...document.querySelectorAll('input, select')].filter((i) => !i.labels.length).length`), 0, `${name}: fields without a label`);
  equal(await page.evaluate(`[...document.querySelectorAll('img')].filter((i) => !i.alt || !i.naturalWidth).length`), 0, `${name}: pictures without words or broken`);
  equal(await page.evaluate(`[...document.querySelectorAll('th')].filter((t) => !t.scope).length`), 0, `${name}: headings of tables without a scope`);
  equal(await page.evaluate(`/undefined|NaN|\\[object|\\bfalse\\b|\\bnull\\b/.exec([...document.querySelectorAll('main :not(pre):not(.name)')].filter((e) => !e.closest('pre')).map((e) => [...e.childNodes].filter((c) => c.nodeType === 3).map((c) => c.data).join('')).join('\\n'))?.[0] ?? ''`), '', `${name}: a value that slipped through`);
}

// WCAG 2: contrast of every text colour in use with the ground, at least 4.5.
const kContrast = `(() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map((v) => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; });
  const light = (colour) => { const [r, g, b] = channels(colour); return .2126 * r + .7152 * g + .0722 * b; };
  const ground = light(getComputedStyle(document.body).backgroundColor);
  let least = 21;
  for (const element of document.querySelectorAll('main *:not(svg *)')) {
    if (![...element.childNodes].some((c) => c.nodeType === 3 && c.data.trim())) continue;
    const ink = light(getComputedStyle(element).color);
    least = Math.min(least, (Math.max(ink, ground) + .05) / (Math.min(ink, ground) + .05));
  }
  return least;
})()`;

async function checkLooks(browser, path, name) {
  for (const dark of [false, true]) {
    const page = await browser.open(path, {dark});
    await checkSoundness(page, path, `${name}, ${dark ? 'dark' : 'light'}`);
    const ground = await page.evaluate('getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)');
    check(dark ? Math.max(...ground) < 60 : Math.min(...ground) > 200, `${name}: the ground is ${ground} when ${dark ? 'dark' : 'light'}`);
    const contrast = await page.evaluate(kContrast);
    check(contrast >= 4.5, `${name}: contrast ${contrast} when ${dark ? 'dark' : 'light'}`);
    await page.close();
  }
  const narrow = await browser.open(path, {width: 400});
  await checkSoundness(narrow, path, `${name}, narrow`);
  check(await narrow.evaluate('document.documentElement.scrollWidth') <= 400, `${name}: wider than a narrow window`);
  await narrow.close();
}

// --- the report of a conversion -----------------------------------------------------------------------------------------
function convertSample() {
  run(join(sample, 'model.onnx'), '--config', join(sample, 'config.json'), '--format', 'onnx,tflite', '-o', 'out', '-q', '--report', 'html', '--report', 'markdown',
    '--diagnose', '--set', '/quantization_config/relu_bound_to_power_of_2=true', '--set', '/placement=full', '--set', '/representative_dataset/max_images=40', '--set', '/gates/min_sqnr_db=5', '--set', '/gates/max_file_size="90 kB"');
  return JSON.parse(readFileSync(join(work, 'out/model.report.json'), 'utf8'));
}

async function checkNumbers(page, report) {
  equal(await textOf(page, 'h1'), `${report.model.file} → ${report.target}`, 'title');
  for (const file of report.files) equal(await textOf(page, `#size-${file.format}`), bytes(file.size), `size of ${file.file}`);
  equal(await textOf(page, '#sqnr'), db(report.accuracy.worst_sqnr_db), 'worst SQNR');
  equal(await textOf(page, '#agreement'), `${(100 * report.accuracy.agreement).toFixed(1)} %`, 'agreement');
  equal(await textOf(page, '#coverage'), `${report.coverage.weighted_on_integer_kernels} of ${report.coverage.weighted_nodes}`, 'coverage');
  equal(await textOf(page, '#verdict'), report.gates.every((gate) => gate.held) ? `✓ All ${report.gates.length} gates hold.` : 'x', 'verdict');
  equal(await cells(page, 'Gates'), report.gates.map((g) => [g.name, plain(g.bound), plain(g.figure), g.held ? 'holds' : 'not held']), 'gates');
  equal(await cells(page, 'Accuracy by output'), report.accuracy.integer.map((o, i) => [o.output + (o.before_softmax ? ' logits' : ''), db(o.sqnr_db),
    db(report.accuracy.simulated[i].sqnr_db), o.cosine.toFixed(5)]), 'accuracy');
  equal((await cells(page, 'What stayed in float')).map((row) => row.slice(0, 2)), report.stayed_float.map((g) => [String(g.count), g.reason]), 'stayed float');
  const layers = await cells(page, 'Layers');
  equal(layers, report.nodes.map((n, i) => [String(i + 1), n.node, n.op_type, n.shape,
    [n.weights && `W${n.weights.bits}`, n.output && `A${n.output.bits}`].filter(Boolean).join(' ') || '–', n.output ? plain(n.output.scale) : '–',
    n.float_bytes ? bytes(n.bytes) : '–', db(n.sqnr_db), n.verdict || n.compute, n.detail ? `${n.reason}: ${n.detail}` : n.reason]), 'layers');
  for (const file of report.files)
    equal(await cells(page, `Bytes by kind, ${file.file}`), Object.entries(file.bytes_by_kind).sort((a, b) => b[1] - a[1])
      .map(([kind, n]) => [kind, grouped(n), `${(100 * n / file.size).toFixed(1)} %`]), `bytes of ${file.file}`);
  equal(await cells(page, 'Corrections'), report.corrections.map((c) => [c.name, c.kept ? 'kept' : 'left out', db(c.before_db), db(c.after_db)]), 'corrections');
  const corrected = report.corrections.flatMap((c) => c.layers.map((l) => [l.node, c.name + (c.kept ? '' : ', left out'), l.detail, db(l.gain_db)]));
  check(corrected.length > 0, 'no correction names a layer');
  equal(await cells(page, 'Corrected layers'), corrected, 'corrected layers');
  equal(await cells(page, 'Ablation'), report.ablation.rows.map((r) => [r.node, r.op_type, r.what, String(r.bits), db(r.only_db), db(r.without_db)]), 'ablation');
  check(report.hints.length > 0, 'no hints');
  const hints = await page.evaluate(`[...document.querySelectorAll('#hints li')].map((e) => [e.querySelector('p').textContent, e.querySelector('pre').textContent])`);
  equal(hints, report.hints.map((hint) => [hint.text, JSON.stringify(hint.lines)]), 'hints');
  equal(JSON.parse(await textOf(page, '#config pre')), report.config, 'config');
  equal(JSON.parse(await textOf(page, '#data')), report, 'the document inside');
  const points = await page.evaluate(`[...document.querySelectorAll('#error circle title')].map((t) => t.textContent)`);
  equal(points, report.nodes.filter((n) => n.sqnr_db !== null && n.sqnr_db < 200).map((n) => `${n.node} (${n.op_type}): ${db(n.sqnr_db)}`), 'points of the plot');
}

async function checkTable(page, report) {
  const heading = `[...document.querySelectorAll('table[aria-label="Layers"] thead button')].find((b) => b.textContent === 'SQNR')`;
  const column = async () => (await cells(page, 'Layers')).map((row) => row[7]);
  const sorted = (factor) => report.nodes.map((n, i) => [n.sqnr_db, i]).sort((a, b) =>
    ((a[0] === null) - (b[0] === null)) || factor * ((a[0] ?? 0) - (b[0] ?? 0)) || a[1] - b[1]).map(([x]) => db(x));
  await page.evaluate(`${heading}.focus()`);
  await press(page, 'Enter', 13, '\r');
  equal(await column(), sorted(1), 'sorted by SQNR, from the keyboard');
  equal(await page.evaluate(`${heading}.closest('th').ariaSort`), 'ascending', 'aria-sort');
  await page.evaluate(`${heading}.click()`);
  equal(await column(), sorted(-1), 'sorted the other way');
  equal(await page.evaluate(`${heading}.closest('th').ariaSort`), 'descending', 'aria-sort');

  await page.evaluate(`document.querySelector('#layers input[type=search]').focus()`);
  for (const letter of 'depthwise conv') await page.send('Input.insertText', {text: letter});
  const expected = report.nodes.filter((n) => ['depthwise', 'conv'].every((word) =>
    [n.node, n.op_type, n.verdict, n.reason, n.detail].join('\n').toLowerCase().includes(word))).map((n) => n.node).sort();
  check(expected.length > 0 && expected.length < report.nodes.length, 'the search finds some');
  equal((await cells(page, 'Layers')).map((row) => row[1]).sort(), expected, 'searched');
  equal(await textOf(page, '#layers [role=status]'), `${expected.length} of ${report.nodes.length} layers`, 'how many were found');
  await page.evaluate(`(() => { const s = document.querySelector('#layers input[type=search]'); s.value = ''; s.dispatchEvent(new Event('input')); })()`);
  await page.evaluate(`(() => { const s = document.querySelector('#layers select'); s.selectedIndex = 1; s.dispatchEvent(new Event('change')); })()`);
  equal((await cells(page, 'Layers')).length, report.coverage.on_integer_kernels, 'those on integer kernels');
}

async function checkLayer(page, report) {
  const at = report.nodes.findIndex((n) => n.weights && n.output && n.weights.channels > 1);
  await page.evaluate(`[...document.querySelectorAll('table[aria-label="Layers"] tbody button')].find((b) => b.textContent === ${JSON.stringify(report.nodes[at].node)}).click()`);
  await page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))');
  const n = report.nodes[at], said = await textOf(page, '#layer');
  equal(await textOf(page, '#layer-title'), `Layer ${n.node}`, 'the chosen layer');
  check(await page.evaluate(`document.activeElement.id`) === 'layer-title', 'the reader is taken to the layer');
  for (const words of [`${n.output.type}, scale ${plain(n.output.scale)}, zero point ${n.output.zero_point}, covers ${plain(n.output.grid[0])} to ${plain(n.output.grid[1])}`,
    `${plain(n.output.seen[0])} to ${plain(n.output.seen[1])}`, `${n.weights.type}, ${n.weights.channels} scales, ${plain(n.weights.scale_min)} to ${plain(n.weights.scale_max)}`,
    `${bytes(n.float_bytes)} → ${bytes(n.bytes)}`])
    check(said.includes(words), `the layer does not say '${words}'`);
  const bars = await page.evaluate(`document.querySelectorAll('#layer .bar').length`);
  check(bars > 5 && bars <= 128, `${bars} bars`);
  equal(await page.evaluate(`document.querySelectorAll('#layer .range').length`), n.weights.channels, 'weight ranges');
  equal(await page.evaluate(`document.querySelectorAll('#layer .threshold').length`), 2, 'thresholds');
  // Every value that was seen is in a bar, and the bars reach from the smallest to the largest.
  const drawing = await page.evaluate(`JSON.parse(document.getElementById('drawings').textContent).outputs[${at}]`);
  check(drawing.first <= n.output.seen[0] && drawing.first + drawing.width * drawing.bars.length >= n.output.seen[1], 'the bars cover what was seen');
}

// Figures of the markdown report, by its own words.
function checkMarkdown(report) {
  const text = readFileSync(join(work, 'out/model.report.md'), 'utf8'), row = (...entries) => `| ${entries.join(' | ')} |\n`;
  const safe = (name) => name.replace(/[\\`*_{}[\]<>|#~]/g, '\\$&');
  const wanted = [
    `### ${safe(report.model.file)} → ${report.target}\n`, `All ${report.gates.length} gates hold`,
    ...report.files.map((f) => row(safe(f.file), bytes(report.model.size), bytes(f.size), `${(100 * f.ratio).toFixed(1)} %`)),
    ...report.accuracy.integer.map((o) => row(o.output, db(o.sqnr_db), o.cosine.toFixed(5))),
    ...report.stayed_float.map((g) => row(g.count, safe(g.reason))),
    `Same top-1 class as float: ${(100 * report.accuracy.agreement).toFixed(1)} %`,
    `Integer kernels: ${report.coverage.weighted_on_integer_kernels} of ${report.coverage.weighted_nodes} layers with weights, ${report.coverage.on_integer_kernels} of ${report.coverage.nodes} nodes.`,
    ...[...report.nodes].filter((n) => n.sqnr_db !== null).sort((a, b) => a.sqnr_db - b.sqnr_db).slice(0, 5).map((n) => row(safe(n.node), n.op_type, db(n.sqnr_db))),
  ];
  for (const words of wanted) check(text.includes(words), `the markdown report lacks '${words.trim()}'`);
  for (const gate of report.gates) {
    const found = text.split('\n').map((line) => line.split('|').map((entry) => entry.trim())).find((entries) => entries[1] === safe(gate.name));
    equal(found && [Number(found[2]), Number(found[3]), found[4]], [gate.bound, gate.figure, 'holds'], `gate ${gate.name} in markdown`);
  }
}

async function sampleReport(browser) {
  const report = convertSample(), path = join(work, 'out/model.report.html');
  checkMarkdown(report);
  await checkLooks(browser, path, 'report');
  const page = await browser.open(path);
  await checkNumbers(page, report);
  await checkTable(page, report);
  await checkLayer(page, report);
  equal(page.complaints, [], 'the console after all that');
  await page.close();
}

// --- inspections ------------------------------------------------------------------------------------------------------
const counts = (n) => (n < 1e3 ? String(n) : n < 1e6 ? `${(n / 1e3).toFixed(1)} k` : `${(n / 1e6).toFixed(2)} M`);
const orDash = (n, text) => (n ? text(n) : '–');

async function inspectedPage(browser, name, args) {
  const path = join(work, `${name}.html`);
  writeFileSync(path, run('inspect', ...args, '--report', 'html'));
  await checkLooks(browser, path, name);
  return {page: await browser.open(path), found: JSON.parse(run('inspect', ...args, '--report', 'json'))};
}

async function inspections(browser) {
  const float = join(sample, 'model.onnx');
  let {page, found} = await inspectedPage(browser, 'inspection', [float]);
  equal(await textOf(page, '#size'), bytes(found.model.size), 'inspected size');
  equal(await textOf(page, '#integers'), `${found.could_be_integer} of ${found.nodes.length}`, 'could be integers');
  equal(await textOf(page, '#constants'), bytes(found.quantized_constant_bytes), 'constants');
  equal(await textOf(page, '#macs'), counts(found.macs), 'MACs');
  equal(await cells(page, 'Layers'), found.nodes.map((n, i) => [String(i + 1), n.node, n.op_type, n.output_shape, orDash(n.parameters, counts), n.macs === null ? '–' : counts(n.macs),
    orDash(n.constant_bytes, bytes), orDash(n.quantized_bytes, bytes), n.could_be_integer ? 'integers' : 'float', n.reason]), 'inspected layers');
  equal(await cells(page, 'Largest activations'), found.largest_activations.map((a) => [a.node || 'an input', a.shape, bytes(a.bytes), bytes(a.quantized_bytes)]), 'largest activations');
  await page.close();

  ({page, found} = await inspectedPage(browser, 'quantized', ['out/model.quant.onnx']));
  equal(await textOf(page, '#integers'), `${found.on_integer_kernels} of ${found.working_nodes}`, 'integer kernels');
  check(found.on_integer_kernels > 10, 'integer kernels are found');
  equal((await cells(page, 'Layers')).map((row) => row.slice(6)), found.nodes.map((n) => [orDash(n.constant_bytes, bytes), n.weight_params, n.output_params, n.kernel]), 'quantized layers');
  await page.close();

  ({page, found} = await inspectedPage(browser, 'tflite', ['out/model.quant.tflite']));
  equal(await cells(page, 'Tensors'), found.tensors.map((t) => [t.name, t.type, t.shape, t.kind, grouped(t.bytes), t.params]), 'tensors');
  equal(await cells(page, 'Bytes by kind'), Object.entries(found.bytes).sort((a, b) => b[1] - a[1]).map(([kind, n]) => [kind, grouped(n), `${(100 * n / found.model.size).toFixed(1)} %`]), 'bytes of the .tflite');
  await page.close();

  ({page, found} = await inspectedPage(browser, 'difference', [float, '--against', 'out/model.quant.onnx']));
  equal(await textOf(page, '#verdict'), `${found.layers.length} layers differ, ${found.same_layers} are the same.`, 'verdict of the difference');
  equal((await cells(page, 'Layers')).map((row) => row.slice(0, 3)), found.layers.map((l) => [l.layer, l.op, l.change]), 'layers that differ');
  equal((await cells(page, 'Totals')).map((row) => row.slice(1, 3)), found.totals.map((t) => [t.a, t.b].map((n) => (n === null ? '?' : t.bytes ? bytes(n) : grouped(n)))), 'totals');
  await page.close();
}

// --- a comparison -------------------------------------------------------------------------------------------------------
async function comparison(browser) {
  const path = join(work, 'comparison.html'), share = (x) => `${(100 * x).toFixed(2)} %`;
  writeFileSync(path, run('compare', join(sample, 'model.onnx'), 'out/model.quant.onnx', 'out/model.quant.tflite', '--config', join(sample, 'config.json'),
    '--images', join(sample, 'eval'), '--labels', join(sample, 'labels.csv'), '--max-images', '60', '--per-class', '--gate', 'size_ratio < 0.6', '--report', 'html'));
  await checkLooks(browser, path, 'comparison');
  const page = await browser.open(path), found = JSON.parse(await textOf(page, '#data')), [a, ...others] = found.models;
  equal(await textOf(page, '#verdict'), `✓ All ${found.gates.length} gates hold.`, 'verdict of the comparison');
  equal(await cells(page, 'Files'), found.models.map((m) => [m.name, m.file, bytes(m.size), `${(100 * m.size / a.size).toFixed(1)} %`, bytes(m.compressed_size),
    `${(100 * m.compressed_size / a.compressed_size).toFixed(1)} %`, m.peak_memory === null ? '–' : bytes(m.peak_memory)]), 'compared files');
  equal(await cells(page, 'Outputs'), others.flatMap((m) => m.against_a.outputs.map((o) => [m.name, o.output + (o.before_softmax ? ' (logits)' : ''), db(o.sqnr_db), o.cosine.toFixed(5),
    String(Number(o.max_abs_error.toPrecision(4)))])), 'compared outputs');
  equal((await cells(page, 'Classes')).map((row) => [row[0], row[1], row[3]]), others.map((m) => [m.name, share(m.against_a.agreement), share(m.against_a.labelled.top1)]), 'compared classes');
  equal((await cells(page, 'Gates')).map((row) => [row[0], row[1], row[2]]), found.gates.map((g) => [g.gate, g.model, plain(g.figure)]), 'compared gates');
  equal((await cells(page, 'Top-1 by class')).length, others.reduce((sum, m) => sum + m.against_a.classes.length, 0), 'rows by class');
  equal(await page.evaluate(`document.querySelectorAll('#one_thread circle').length`), found.models.filter((m) => m.latency.one_thread).length, 'points of speed');
  equal(await page.evaluate(`document.querySelectorAll('#accuracy circle').length`), others.length, 'points of accuracy');
  await page.close();
}

// --- the largest real model: size and speed of its page -------------------------------------------------------------------
async function realReport(browser) {
  const folder = join(work, 'calib'), pictures = join(real, 'images/imagenet1k/calib');
  mkdirSync(folder);
  for (const name of readdirSync(pictures).filter((n) => /\.(jpe?g|png)$/i.test(n)).sort().slice(0, 12)) symlinkSync(join(pictures, name), join(folder, name));
  writeFileSync(join(work, 'config.json'), JSON.stringify({representative_dataset: {path: 'calib', preprocess: {color: 'BGR', resize: {letterbox: [416, 416], pad: 114}}}}));
  run(join(real, 'models/yolox_nano_416.onnx'), '--config', 'config.json', '-o', 'real', '-q', '--report', 'html');
  const path = join(work, 'real/yolox_nano_416.report.html'), report = JSON.parse(readFileSync(join(work, 'real/yolox_nano_416.report.json'), 'utf8'));
  const size = statSync(path).size, seconds = [];
  for (let i = 0; i < 3; ++i) {  // the best of three
    const page = await browser.open(path);
    await checkSoundness(page, path, 'yolox_nano');
    equal((await cells(page, 'Layers')).length, report.nodes.length, 'layers of yolox_nano');
    seconds.push(page.seconds);
    await page.close();
  }
  check(size <= 1.5e6, `yolox_nano: the page has ${size} bytes`);
  check(Math.min(...seconds) < 2, `yolox_nano: drawn after ${seconds} s`);
  console.log(`yolox_nano: ${bytes(size)}, drawn after ${Math.min(...seconds).toFixed(2)} s`);
}

const browser = await Browser.start();
try {
  if (real) await realReport(browser);
  else {
    await sampleReport(browser);
    await inspections(browser);
    await comparison(browser);
  }
} finally {
  await browser.close();
  rmSync(work, {recursive: true, force: true});
}
for (const mistake of mistakes) console.log(`FAILED ${mistake.slice(0, 1500)}`);
console.log(`${checks} checks, ${mistakes.length} failed`);
process.exit(mistakes.length ? 1 : 0);
