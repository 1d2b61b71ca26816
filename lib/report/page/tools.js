'use strict';
// What every view needs: elements, figures as text, tables that sort and search. Text goes in as text nodes only, so
// that no name of a model can become markup.

const kExact = 200;  // dB: from here on no noise was measured at all

function build(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  for (const child of children.flat(9)) {
    if (child === null || child === undefined || child === '' || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
  return element;
}
const h = (name, attributes, ...children) => build(document.createElement(name), attributes, children);
const svg = (name, attributes, ...children) =>
  build(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children);

// --- figures -------------------------------------------------------------------------------------------------------

function bytesText(bytes) {
  if (bytes === null || bytes === undefined) return '?';
  if (bytes < 1e3) return `${bytes} B`;
  if (bytes < 999.95e3) return `${(bytes / 1e3).toFixed(1)} kB`;  // from where rounding would make 1000 of it, the next unit
  if (bytes < 999.995e6) return `${(bytes / 1e6).toFixed(2)} MB`;
  return `${(bytes / 1e9).toFixed(2)} GB`;
}
const exactBytes = (bytes) => `${bytes.toLocaleString('en')} bytes`;
function countText(count) {
  if (count === null || count === undefined) return '?';
  if (count < 1e3) return String(count);
  if (count < 999.95e3) return `${(count / 1e3).toFixed(1)} k`;
  if (count < 999.995e6) return `${(count / 1e6).toFixed(2)} M`;
  return count < 999.995e9 ? `${(count / 1e9).toFixed(2)} G` : `${(count / 1e12).toFixed(2)} T`;
}
function decibel(value) {
  if (value === null || value === undefined) return '–';
  if (value <= -kExact) return 'no signal';
  return value >= kExact ? 'exact' : `${value.toFixed(1)} dB`;
}
/// Up to three decimals more where these would make all of what is not, or nothing of what is something.
function percent(share, decimals = 1) {
  for (let more = decimals; more <= decimals + 3; ++more) {
    const text = (100 * share).toFixed(more);
    if (!(share < 1 && Number(text) === 100) && !(share > 0 && Number(text) === 0)) return `${text} %`;
  }
  return `${(100 * share).toFixed(decimals)} %`;
}
/// So many decimals, and two significant digits where these say less.
function ratioText(ratio, decimals = 2) {
  while (ratio > 0 && ratio * 10 ** decimals < 9.5 && decimals < 9) ++decimals;
  return ratio.toFixed(decimals);
}
const figure = (value) => (value === null || value === undefined ? '–' : String(Number(value.toPrecision(6))));
const short = (value) => (value === null || value === undefined ? '–' : String(Number(value.toPrecision(4))));
const counted = (count, noun) => `${count} ${noun}${count === 1 ? '' : 's'}`;

// --- parts of a page -------------------------------------------------------------------------------------------------

function section(id, title, ...content) {
  return h('section', {id, 'aria-labelledby': `${id}-title`}, h('h2', {id: `${id}-title`}, title), ...content);
}
/// [[label, large, small], ...]
function figures(entries) {
  return h('dl', {class: 'figures'}, entries.map(([label, large, small, id, kind]) =>
    h('div', null, h('dt', null, label), h('dd', {class: `big ${kind || ''}`, id}, large), h('dd', {class: 'soft small'}, small))));
}
function facts(entries) {
  return h('dl', {class: 'facts'}, entries.filter(([, value]) => value !== '' && value !== null && value !== undefined)
    .map(([label, value]) => [h('dt', null, label), h('dd', null, value)]));
}
const list = (items) => h('ul', {class: 'plain'}, items.map((item) => h('li', null, item)));

let tables = 0;
/// columns: {title, value(row): what is sorted by, cell(row): what is shown (default: the value), number, wide, head}.
/// A table with a `noun` gets a search field and sorts by a click on its headings; others just stand there.
function table({label, noun, columns, rows, tall, filter}) {
  const id = `table-${++tables}`;
  const text = (column, row) => (column.cell ? column.cell(row) : column.value(row));
  const lines = rows.map((row, index) => {
    const line = h('tr', null, columns.map((column) => h(column.head ? 'th' : 'td', {
      scope: column.head ? 'row' : null,
      class: [column.number && 'number', column.wide && 'wide', column.nowrap && 'nowrap'].filter(Boolean).join(' ') || null,
    }, text(column, row))));
    return {row, index, line, words: ''};
  });
  const body = h('tbody', null, lines.map((entry) => entry.line));
  let order = null;
  const heads = columns.map((column) => {
    const head = h('th', {scope: 'col', class: column.number ? 'number' : null, 'aria-sort': noun ? 'none' : null},
      noun ? h('button', {type: 'button', click: () => sort(column, head)}, column.title) : column.title);
    return head;
  });
  function sort(column, head) {
    const down = order && order.column === column && !order.down;
    order = {column, down};
    for (const other of heads) other.setAttribute('aria-sort', other === head ? (down ? 'descending' : 'ascending') : 'none');
    const rank = (a, b) => {
      const x = column.value(a.row), y = column.value(b.row);
      const missing = (v) => v === null || v === undefined || v === '';
      if (missing(x) || missing(y)) return missing(x) - missing(y);  // what was not measured stands last either way
      const side = typeof x === 'number' ? x - y : String(x).localeCompare(String(y), 'en', {numeric: true});
      return down ? -side : side;
    };
    lines.sort((a, b) => rank(a, b) || a.index - b.index);
    body.append(...lines.map((entry) => entry.line));
  }
  const whole = h('div', {class: `scroll${tall ? ' tall' : ''}${noun ? '' : ' fit'}`, role: 'region', tabindex: 0, 'aria-label': label},
    h('table', {id, 'aria-label': label}, h('thead', null, h('tr', null, heads)), body));
  if (!noun) return {element: whole, lines};

  const status = h('p', {role: 'status'});
  const search = h('input', {type: 'search', id: `${id}-search`, autocomplete: 'off', spellcheck: 'false', input: show});
  const choice = filter && h('select', {change: show}, filter.choices.map(([name]) => h('option', null, name)));
  function show() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const passes = filter ? filter.choices[choice.selectedIndex][1] : () => true;
    let shown = 0;
    for (const entry of lines) {
      if (words.length && !entry.words) entry.words = entry.line.textContent.toLowerCase();
      const visible = passes(entry.row) && words.every((word) => entry.words.includes(word));
      entry.line.hidden = !visible;
      shown += visible;
    }
    status.textContent = shown === lines.length ? counted(shown, noun) : `${shown} of ${counted(lines.length, noun)}`;
  }
  show();
  const tools = h('div', {class: 'tools'}, h('label', null, `Search ${noun}s`, search),
    filter && h('label', null, filter.title, choice), status);
  return {element: h('div', null, tools, whole), lines};
}

// --- start -----------------------------------------------------------------------------------------------------------

const views = {};
function start() {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const main = document.getElementById('main');
  main.replaceChildren(...views[document.body.dataset.kind](read('data'), read('drawings')).flat(9).filter(Boolean));
}

// An output, and below it the parts that it joins, as rows of their own.
function withParts(outputs) {
  return outputs.flatMap((output) => [output, ...(output.parts || []).map((part) => ({...part, output: `${output.output}${part.part}`}))]);
}
