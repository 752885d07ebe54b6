// SPDX-License-Identifier: Apache-2.0
// The page: documents come by revision, and are drawn in four columns. Where they come from, and what can be changed, is
// the `transport`'s of the script before this one (web.js). Every text that comes from elsewhere goes in as text; nothing
// here makes HTML of it (the policy refuses that, too).
'use strict';

const ROW = 26, PF_GAP = 14, HISTORY = 120;
const X = { uplink: 10, pf: 180, bus: 345, vf: 440, guest: 960, end: 1200 };
const W = { uplink: 150, pf: 140, vf: 370, guest: 220 };

const docs = new Map();     // key -> document
const past = new Map();  // key of a VF -> [{t, rx, tx}]
const touched = new Set();  // keys since the last drawing
let write = false, chosen = null, shape = '', places = new Map(), chosenShape = '';

const $ = id => document.getElementById(id);
const say = (text, bad) => { setText($('said'), text); $('said').classList.toggle('bad', Boolean(bad)); };
function setText(node, text) { if (node.textContent !== text) node.textContent = text; }
function setAttr(node, name, value) { if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value); }
const kindOf = key => key.slice(0, key.indexOf('/'));
const of = kind => [...docs.keys()].filter(k => kindOf(k) === kind);
const sum = o => Object.values(o || {}).reduce((a, b) => a + b, 0);

// --- what documents say ---

function short(n) {
  if (n === undefined) return '–'; // nobody tells
  for (const [unit, size] of [['G', 1e9], ['M', 1e6], ['k', 1e3]])
    if (n >= size) return (n / size).toFixed(n < 10 * size ? 1 : 0) + unit;
  return String(n);
}

// Undefined where nobody tells.
function dropped(s) {
  if (s.drops) return sum(s.drops);
  return s.rx_dropped === undefined && s.tx_dropped === undefined ? undefined : (s.rx_dropped || 0) + (s.tx_dropped || 0);
}

// The reason of most drops, for a row; where reasons are not told, none.
function worst(s) {
  const [reason] = Object.entries(s.drops || {}).reduce((a, b) => b[1] > a[1] ? b : a, ['', 0]);
  return reason;
}

function rowOf(d) {
  if (d.row) return d.row;
  const s = d.stats, n = dropped(s);
  return {
    number: String(d.vf),
    vlan: d.config.vlan ? 'vlan ' + d.config.vlan : d.config.trunk !== 'any' && d.config.trunk !== 'none' ? 'trunk' : '',
    state: d.state || (d.status.link_up ? 'up' : 'down'),
    rx: '↓' + short(d.rates.rx_bit),
    tx: '↑' + short(d.rates.tx_bit),
    drops: n ? `${n} ${worst(s) || 'dropped'}` : '',
  };
}

function rowName(d) {
  if (d.name) return d.name;
  const r = rowOf(d);
  return [`VF ${r.number} of ${d.pf}`, r.vlan, d.state || `link ${r.state}`, `to it ${short(d.rates.rx_bit)} bit/s`,
    `from it ${short(d.rates.tx_bit)} bit/s`, r.drops && `dropped ${r.drops}`, guestOf(d) && `${wireName(d)} of ${guestOf(d).name}`]
    .filter(Boolean).join(', ');
}

// What a VF is plugged into: a VM, a container, or a netdev of its own.
function guestOf(d) {
  if (d.guest !== undefined) return d.guest;
  const a = d.attach, ns = a.netns || d.status.netns, own = `${d.pf} vf ${d.vf}`;
  if (a.kind === 'none') return null;
  if (d.config.server) return { key: 'guest/vm/' + d.config.server, name: d.config.server, kind: 'VM' };
  if (ns) return { key: 'guest/ns/' + ns, name: ns, kind: 'namespace' };
  if (a.kind === 'vhost' || a.kind === 'vfio')
    return { key: 'guest/own/' + own, name: 'guest of ' + own, kind: 'VM' };
  return { key: 'guest/own/' + own, name: a.tap || a.name || d.status.netdev || own, kind: a.kind };
}

function wireName(d) {
  if (d.wire !== undefined) return d.wire;
  const a = d.attach, name = a.tap || a.name || d.status.tap || d.status.netdev || d.status.driver;
  const there = d.status.connected ? '' : a.kind === 'vhost' ? ', waits' : ', missing';
  return a.kind + (name ? ' ' + name : '') + there;
}

const uplinkName = p => p.config.uplink === 'none' ? (p.status.kind === 'hw' ? 'wire' : 'no uplink') : p.config.uplink_arg || p.config.uplink;
const mirrorTo = m => m.to_name || (m.to === 'vf' ? `vf ${m.to_pf} ${m.to_vf}` : `${m.to} ${m.tap || m.file || m.remote || ''}`);
const mirrorFrom = m => m.from_name || `${m.from} ${m.from_pf}` + (m.from === 'vf' ? ` ${m.from_vf}` : m.from === 'vlan' ? ` ${m.from_vlan}` : '');
const mirrorName = m => `mirror ${m.name}, from ${mirrorFrom(m)} ${m.dir} to ${mirrorTo(m)}`;

// --- where things stand ---

const pfKeys = () => of('pf').sort();
const vfKeys = pf => of('vf').filter(k => docs.get(k).pf === pf).sort((a, b) => docs.get(a).vf - docs.get(b).vf);

function wanted(d) {
  const find = $('find').value.trim().toLowerCase(), g = guestOf(d);
  if ($('plugged').checked && !g) return false;
  return !find || [d.pf, `vf ${d.vf}`, `vlan ${d.config.vlan}`, d.config.mac, d.config.port_id, d.config.addresses, d.config.network, g && g.name, wireName(d)]
    .join(' ').toLowerCase().includes(find);
}

// Columns do not jump: the place of everything follows from the order of PFs and VFs.
function layout() {
  const nodes = [], wires = [], arcs = [], at = new Map(), guests = new Map();
  let y = 10;
  const put = (key, x, top, wide, tall, type) => { const n = { key, x, y: top, wide, tall, type }; nodes.push(n); at.set(key, n); return n; };
  for (const key of pfKeys()) {
    const pf = key.slice(3), top = y;
    put(key, X.pf, top, W.pf, 40, 'pf');
    if (!docs.get(key).bare) {
      put('uplink/' + pf, X.uplink, top, W.uplink, 40, 'uplink');
      wires.push({ key: 'u' + key, d: `M${X.uplink + W.uplink} ${top + 20}H${X.pf}`, of: [key, 'uplink/' + pf] });
    }
    for (const vf of vfKeys(pf)) {
      const d = docs.get(vf), g = guestOf(d);
      if (!wanted(d)) continue;
      put(vf, X.vf, y, W.vf, ROW - 4, 'vf');
      wires.push({ key: 'p' + vf, d: `M${X.pf + W.pf} ${top + 20}H${X.bus}V${y + ROW / 2 - 2}H${X.vf}`, of: [vf] });
      if (g) guests.set(g.key, { ...g, vfs: [...(guests.get(g.key) || { vfs: [] }).vfs, vf] });
      y += ROW;
    }
    y = Math.max(y, top + 48) + PF_GAP;
  }
  const mirrors = of('mirror').map(key => ({ key, m: docs.get(key) }));
  for (const { key, m } of mirrors)
    if (m.to !== 'vf') guests.set('to/' + key, { key: 'to/' + key, name: mirrorTo(m), kind: 'mirror', vfs: [m.from === 'vf' ? `vf/${m.from_pf}/${m.from_vf}` : 'pf/' + m.from_pf], mirror: key });
  let free = 10;
  const middle = g => d3.mean(g.vfs, v => at.has(v) ? at.get(v).y : 0) || 0;
  for (const g of [...guests.values()].sort((a, b) => middle(a) - middle(b))) {
    const n = put(g.key, X.guest, Math.max(free, middle(g) - 7), W.guest, 36, 'guest');
    n.guest = g;
    free = n.y + 44;
    for (const vf of g.mirror ? [] : g.vfs) {
      const from = at.get(vf), y1 = from.y + ROW / 2 - 2, x1 = X.vf + W.vf;
      wires.push({ key: 'g' + vf, d: `M${x1} ${y1}C${x1 + 130} ${y1} ${X.guest - 20} ${n.y + 18} ${X.guest} ${n.y + 18}`, of: [vf, g.key], name: vf, x: x1 + 6, y: y1 - 3 });
    }
  }
  mirrors.forEach(({ key, m }, i) => {
    const from = at.get(m.from === 'vf' ? `vf/${m.from_pf}/${m.from_vf}` : 'pf/' + m.from_pf);
    const to = at.get(m.to === 'vf' ? `vf/${m.to_pf}/${m.to_vf}` : 'to/' + key);
    if (from && to) arcs.push({ key, ...arc(from, to, i) });
  });
  return { nodes, wires, arcs, height: Math.max(y, free) + 10 };
}

function arc(from, to, i) {
  const left = to.type === 'vf', x1 = left ? (from.type === 'pf' ? X.pf + W.pf : X.vf) : from.x + from.wide, x2 = left ? X.vf : X.guest;
  const y1 = from.y + from.tall / 2 + 4, y2 = to.y + to.tall / 2 - 4, bend = left ? X.vf - 40 - i % 4 * 12 : (x1 + x2) / 2;
  return { d: `M${x1} ${y1}C${bend} ${y1} ${bend} ${y2} ${x2} ${y2}`, head: `M${x2} ${y2}l-8 -4v8z`, x: left ? X.bus + 5 : bend, y: (y1 + y2) / 2 + 12 };
}

// --- drawing ---

const hue = vlan => `hsl(${vlan * 137.5 % 360} 65% 48%)`;

function makeNode(n) {
  const g = d3.select(this);
  g.append('rect').attr('class', 'plate').attr('rx', 4);
  if (n.type === 'vf') {
    g.append('rect').attr('class', 'colour').attr({ x: 0, y: 0, width: 7 });
    for (const [name, x] of [['number', 14], ['vlan', 44], ['state', 112], ['rx', 166], ['tx', 216], ['drops', 266]])
      g.append('text').attr({ class: name, x, y: 15 });
  } else {
    g.append('text').attr({ class: 'name', x: 8, y: 16 });
    g.append('text').attr({ class: 'more faint', x: 8, y: 31 });
  }
}

const cut = (text, n) => text.length > n ? text.slice(0, n - 1) + '…' : text;

function fillNode(el, n) {
  const text = (name, value) => setText(el.querySelector('.' + name), value);
  if (n.type === 'vf') {
    const d = docs.get(n.key), r = rowOf(d);
    for (const name of ['number', 'vlan', 'rx', 'tx']) text(name, r[name]);
    text('state', (d.status.link_up ? '● ' : '○ ') + r.state);
    text('drops', cut(r.drops, 18));
    setAttr(el.querySelector('.state'), 'class', 'state ' + (d.status.link_up ? 'good' : guestOf(d) ? 'bad' : 'faint'));
    setAttr(el.querySelector('.drops'), 'class', d.rates.dropped ? 'drops bad' : 'drops faint');
    el.querySelector('.colour').style.fill = d.config.vlan ? hue(d.config.vlan) : 'none';
    setAttr(el, 'aria-description', rowName(d));
    return;
  }
  let name, more;
  if (n.type === 'guest') {
    [name, more] = [n.guest.name, n.guest.mirror ? 'mirror ' + docs.get(n.guest.mirror).name : `${n.guest.kind}, ${n.guest.vfs.length} ${n.guest.noun || 'VF'}${n.guest.vfs.length > 1 ? 's' : ''}`];
  } else {
    const p = docs.get('pf/' + n.key.slice(n.key.indexOf('/') + 1));
    const up = p.status.carrier ? 'carrier' : 'no carrier';
    [name, more] = n.type === 'pf' ? [p.config.name, p.more || `${p.status.kind}, ${p.config.mode}, ${p.config.up ? 'up' : 'down'}`]
      : [uplinkName(p), p.wire || (p.config.uplink === 'none' && p.status.kind === 'sw' ? '' : `${up} ↓${short(p.rates.rx_bit)} ↑${short(p.rates.tx_bit)}`)];
  }
  text('name', cut(name, n.type === 'guest' ? 30 : n.type === 'pf' ? 18 : 14));
  text('more', more);
  setAttr(el, 'aria-description', `${n.type === 'pf' ? (docs.get(n.key).bare ? '' : 'PF ') : n.type === 'uplink' ? 'uplink of ' + n.key.slice(7) + ': ' : ''}${name}, ${more}`);
}

function draw() {
  const all = layout();
  places = new Map(all.nodes.map(n => [n.key, n]));
  d3.select('#picture').attr({ width: X.end, height: all.height });
  const wires = d3.select('#wires').selectAll('g').data(all.wires, w => w.key);
  const wire = wires.enter().append('g');
  wire.append('path').attr('class', 'wire');
  wire.filter(w => w.name).append('text').attr('class', 'faint');
  wires.exit().remove();
  wires.each(function (w) {
    const [path, text] = this.children;
    setAttr(path, 'd', w.d);
    if (w.name) { setAttr(text, 'x', w.x); setAttr(text, 'y', w.y); setText(text, cut(wireName(docs.get(w.name)), 24)); }
  });
  const nodes = d3.select('#nodes').selectAll('g').data(all.nodes, n => n.key);
  nodes.enter().append('g').attr({ role: 'button', tabindex: -1 }).each(makeNode);
  nodes.exit().remove();
  nodes.order();
  nodes.each(function (n) {
    setAttr(this, 'class', 'node ' + n.type);
    setAttr(this, 'data-key', n.key);
    setAttr(this, 'transform', `translate(${n.x} ${n.y})`);
    for (const rect of this.querySelectorAll('rect')) setAttr(rect, 'height', n.tall);
    setAttr(this.firstChild, 'width', n.wide);
    fillNode(this, n);
    n.el = this;
  });
  const arcs = d3.select('#arcs').selectAll('g').data(all.arcs, a => a.key);
  const arcOf = arcs.enter().append('g').attr({ class: 'arc', role: 'button', tabindex: 0 });
  arcOf.append('path'); arcOf.append('path').attr('class', 'head'); arcOf.append('text');
  arcs.exit().remove();
  arcs.each(function (a) {
    const m = docs.get(a.key), [line, head, text] = this.children;
    setAttr(this, 'data-key', a.key);
    setAttr(this, 'aria-description', mirrorName(m));
    setAttr(line, 'd', a.d); setAttr(head, 'd', a.head); setAttr(text, 'x', a.x); setAttr(text, 'y', a.y);
    setText(text, cut(m.name, 12));
  });
  if (!document.querySelector('#nodes [tabindex="0"]')) rove(document.querySelector('#nodes [data-key]'));
  near();
}

// What decides on places: as long as it is the same, texts alone are renewed.
function shapeNow() {
  const parts = [$('find').value, $('plugged').checked];
  for (const [key, d] of docs) {
    const kind = kindOf(key);
    if (kind === 'vf') { const g = guestOf(d); parts.push(key, g && g.key, wireName(d), $('find').value && wanted(d)); }
    else if (kind === 'mirror') parts.push(key, mirrorName(d));
    else parts.push(key);
  }
  return JSON.stringify(parts);
}

function refresh() {
  const now = shapeNow();
  if (now !== shape) { shape = now; draw(); }
  else for (const key of touched) {
    const names = kindOf(key) === 'pf' ? [key, 'uplink/' + key.slice(3)] : [key];
    for (const n of names) if (places.has(n)) fillNode(places.get(n).el, places.get(n));
  }
  tell();
  touched.clear();
}

// --- details ---

function table(at, name, caption, rows) {
  let t = at.select(`table[data-name="${name}"]`);
  if (t.empty()) { t = at.append('table').attr('data-name', name); t.append('caption').text(caption); }
  t.attr('hidden', rows.length ? null : '');
  const tr = t.selectAll('tr').data(rows, r => r[0]);
  tr.enter().append('tr').each(function (r) {
    const head = d3.select(this).append('th').attr('scope', r.head ? 'col' : 'row');
    head.text(r[0]);
    for (const _ of r.slice(1)) d3.select(this).append(r.head ? 'th' : 'td').attr('scope', r.head ? 'col' : null);
  });
  tr.exit().remove();
  tr.order();
  tr.each(function (r) { r.forEach((v, i) => setText(this.children[i], String(v))); });
}

const pairs = o => Object.entries(o).filter(([, v]) => typeof v !== 'object');
const lists = o => Object.entries(o).filter(([, v]) => Array.isArray(v) && v.length).map(([k, v]) => [k, v.join(' ')]);

function block(key, title) {
  const told = d3.select('#told');
  let b = told.selectAll('div.block').filter(function () { return this.dataset.of === key; });
  if (b.empty()) {
    b = told.append('div').attr({ class: 'block', 'data-of': key });
    b.append('h3').text(title);
  }
  return b;
}

function plot(at, key) {
  const w = 400, h = 50, points = past.get(key) || [], now = performance.now(), span = 120e3;
  const most = d3.max(points, p => Math.max(p.rx, p.tx)) || 0;
  const x = d3.scale.linear().domain([now - span, now]).range([0, w]).clamp(true);
  const y = d3.scale.linear().domain([0, most || 1]).range([h - 1, 1]);
  const line = of => d3.svg.line().interpolate('step-after').x(p => x(p.t)).y(p => y(p[of]));
  const last = points[points.length - 1] || { rx: 0, tx: 0 };
  let svg = at.select('svg.plot');
  if (svg.empty()) {
    svg = at.append('svg').attr({ class: 'plot', role: 'img', viewBox: `0 0 ${w} ${h}` });
    svg.append('rect').attr({ x: .5, y: .5, width: w - 1, height: h - 1 });
    svg.append('path').attr('class', 'rx'); svg.append('path').attr('class', 'tx');
    at.append('p').attr('class', 'rates');
  }
  for (const way of ['rx', 'tx']) svg.select('path.' + way).attr('d', line(way)([...points, { ...last, t: now }]));
  const text = `to it ${short(last.rx)} bit/s (full line), from it ${short(last.tx)} bit/s (dashed); most in two minutes ${short(most)} bit/s`;
  svg.attr('aria-label', text);
  setText(at.select('p.rates').node(), text);
}

const mirrorsOf = vfs => of('mirror').filter(k => {
  const m = docs.get(k);
  return vfs.some(v => (m.from === 'vf' && v === `vf/${m.from_pf}/${m.from_vf}`) || (m.to === 'vf' && v === `vf/${m.to_pf}/${m.to_vf}`));
});

const frame = l => !l ? '' : [`${Math.round(l.age_ms / 1000)} s ago`, l.dst && `to ${l.dst}`, l.src && `from ${l.src}`,
  ...(l.tags || []).map(t => `vlan ${t.vlan}`), l.ethertype, l.length && `${l.length} bytes`].filter(Boolean).join(', ');

// Asked for when a counter of drops has moved, not by the clock.
const dropsSeen = new Map();
async function drops(key) {
  const d = docs.get(key), n = dropped(d.stats);
  if (dropsSeen.get(key) === n) return;
  dropsSeen.set(key, n);
  const got = await transport.drops(d);
  if (!got || chosenVfs().indexOf(key) < 0) return;
  const rows = (got.drops || []).filter(r => r.count).map(r => [r.reason, r.count, frame(r.last)]);
  table(block(key, ''), 'drops', 'Dropped, with the last frame', rows.length ? rows : [['none', '', '']]);
}

function tellVf(key) {
  const d = docs.get(key), b = block(key, d.title || `VF ${d.vf} of ${d.pf}`);
  if (d.rates.rx_bit !== undefined) plot(b, key);
  table(b, 'attach', 'Plugged into', pairs(d.attach));
  table(b, 'config', 'Settings', pairs(d.config));
  table(b, 'status', 'Observed', [...pairs(d.status), ...lists(d.status)]);
  table(b, 'stats', 'Counted', pairs(d.stats));
  drops(key);
}

function tellMirrors(keys) {
  const rows = keys.map(k => docs.get(k)).map(m => [m.name, `${mirrorFrom(m)} ${m.dir}`, mirrorTo(m), m.mirrored ?? m.by, m.dropped ?? m.lacks]);
  const head = Object.assign(['name', 'from', 'to', 'copies', 'lost'], { head: true });
  table(block('mirrors', 'Mirrors'), 'mirrors', 'Mirrors', rows.length ? [head, ...rows] : [['none']]);
}

function tellPf(pf) {
  const p = docs.get('pf/' + pf), b = block('pf/' + pf, p.title || 'PF ' + pf);
  const head = Object.assign(['vf', 'mac', 'vlan', 'link', 'to it', 'from it', 'dropped', 'plugged into'], { head: true });
  table(b, 'config', 'Settings', pairs(p.config));
  table(b, 'status', 'Observed', pairs(p.status));
  table(b, 'wire', 'Wire', pairs(p.status.uplink || {}));
  table(b, 'drops', 'Dropped from the wire', Object.entries((p.status.uplink || {}).drops || {}).filter(([, n]) => n));
  table(b, 'svcs', 'Service ports', of('svc').map(k => docs.get(k)).filter(s => s.pf === pf).map(s => [s.name, s.mac, `vlan ${s.vlan}`, s.netns]));
  table(b, 'vfs', 'VFs', [head, ...vfKeys(pf).map(k => docs.get(k)).map(d => [d.vf, d.config.mac, d.config.vlan, rowOf(d).state,
    short(d.rates.rx_bit), short(d.rates.tx_bit), dropped(d.stats) ?? '–', d.attach.kind === 'none' ? '' : wireName(d)])]);
}

// The VFs that what is chosen is, or has.
function chosenVfs() {
  const guest = places.has(chosen) ? places.get(chosen).guest : null;
  const keys = chosen && kindOf(chosen) === 'vf' ? [chosen] : guest && !guest.mirror ? guest.vfs : [];
  return keys.filter(k => docs.has(k));
}

// The document that it is told from, but for a guest, which has its VFs'.
const docKey = () => ({ to: chosen.slice(3), uplink: 'pf/' + chosen.slice(7) })[kindOf(chosen)] || chosen;

function near() {
  const vfs = chosenVfs(), all = new Set([chosen, ...vfs, ...vfs.map(v => (guestOf(docs.get(v)) || {}).key), ...vfs.map(v => 'pf/' + docs.get(v).pf)]);
  d3.selectAll('.node').classed('near', n => all.has(n.key)).classed('chosen', n => n.key === chosen).attr('aria-pressed', n => n.key === chosen);
  d3.selectAll('.wire').classed('near', w => w.of.some(k => vfs.includes(k)));
}

function titleOf(kind, key) {
  const d = docs.get(key);
  if (d && d.title) return d.title;
  if (kind === 'vf') return `VF ${d.vf} of ${d.pf}`;
  if (kind === 'mirror') return `Mirror ${d.name}`;
  const guest = places.get(chosen).guest;
  return guest ? guest.title || `${guest.kind} ${guest.name}` : `PF ${key.slice(3)}`;
}

function tell() {
  if (!chosen) return;
  const vfs = chosenVfs(), key = docKey(), kind = kindOf(key);
  const gone = !docs.has(key) && !vfs.length;
  const what = JSON.stringify([chosen, write, vfs.map(k => [k, docs.get(k).port]), !gone && titleOf(kind, key)]);
  if (gone) chosen = null;
  if (what !== chosenShape || gone) {
    chosenShape = gone ? '' : what;
    $('told').replaceChildren(); $('forms').replaceChildren();
    dropsSeen.clear();
    setText($('title'), gone ? 'Details' : titleOf(kind, key));
    document.body.classList.toggle('told', !gone);
    if (write && !gone) forms(vfs, key);
  }
  if (gone) return;
  if (kind === 'pf') tellPf(key.slice(3));
  else if (kind === 'mirror') table(block(key, mirrorName(docs.get(key))), 'mirror', 'Mirror', pairs(docs.get(key)));
  else { vfs.forEach(tellVf); tellMirrors(mirrorsOf(vfs)); }
}

function choose(key) { chosen = key; tell(); near(); $('side').scrollTop = 0; }

// --- changes: the line is shown first, then done ---

function form(at, name, fields, make) {
  const f = d3.select(at).append('form').attr('class', 'change');
  const inputs = {};
  fields.forEach(([word, options, value]) => {
    const label = f.append('label').text(word + ' ');
    const input = label.append(Array.isArray(options) ? 'select' : 'input').node();
    if (Array.isArray(options)) for (const o of options) d3.select(input).append('option').attr('value', o).text(o);
    else input.type = options;
    input.value = value || (Array.isArray(options) ? options[0] : '');
    inputs[word] = input;
  });
  f.append('button').text(name);
  f.on('submit', () => { d3.event.preventDefault(); propose(make(Object.fromEntries(Object.entries(inputs).map(([k, i]) => [k, i.value])))); });
}

function forms(vfs, key) {
  const at = $('forms');
  for (const { title, all } of transport.forms(vfs.map(k => docs.get(k)), docs.get(key), key)) {
    d3.select(at).append('h3').text(title);
    for (const [name, fields, make] of all) form(at, name, fields, make);
  }
}

async function propose(what) {
  const plan = await transport.change(what).catch(e => ({ error: String(e) }));
  setText($('line'), plan.line || '');
  setText($('was'), plan.was || '');
  setText($('refused'), plan.error || '');
  $('do').disabled = Boolean(plan.error);
  $('do').onclick = async () => {
    $('do').disabled = true;
    const done = await transport.change({ ...what, shown: { line: plan.line, was: plan.was } }).catch(e => ({ error: String(e) }));
    if (done.error) setText($('refused'), done.error);
    else { $('ask').close(); say('done: ' + plan.line); }
  };
  if (!$('ask').open) $('ask').showModal();
}

// --- keys: one stop for Tab beside the mirrors, arrows walk ---

function rove(el) {
  for (const old of document.querySelectorAll('#nodes [tabindex="0"]')) old.setAttribute('tabindex', -1);
  if (el) el.setAttribute('tabindex', 0);
}

function walk(el, key) {
  const all = [...document.querySelectorAll('#nodes [data-key]')], here = el.getBoundingClientRect();
  const side = key === 'ArrowLeft' ? -1 : key === 'ArrowRight' ? 1 : 0;
  const same = all.filter(o => o !== el && (side ? (o.getBoundingClientRect().left - here.left) * side > 1
    : Math.abs(o.getBoundingClientRect().left - here.left) < 1 && (o.getBoundingClientRect().top - here.top) * (key === 'ArrowUp' ? -1 : 1) > 0));
  const far = o => { const r = o.getBoundingClientRect(); return Math.abs(r.left - here.left) * (side ? 100 : 1) + Math.abs(r.top - here.top); };
  const next = same.reduce((a, o) => !a || far(o) < far(a) ? o : a, null);
  if (next) { rove(next); next.focus(); next.scrollIntoView({ block: 'nearest', inline: 'nearest' }); }
}

const nodeOf = e => e.target.closest('[data-key]');
$('picture').addEventListener('click', e => { const n = nodeOf(e); if (n) choose(n.dataset.key); if (n && n.matches('.node')) rove(n); });
$('picture').addEventListener('keydown', e => {
  const n = nodeOf(e);
  if (!n) return;
  if (e.key === 'Enter' || e.key === ' ') choose(n.dataset.key);
  else if (e.key.startsWith('Arrow') && n.matches('.node')) walk(n, e.key);
  else return;
  e.preventDefault();
});
$('find').addEventListener('input', refresh);
$('plugged').addEventListener('change', refresh);

// --- following revisions ---

function apply(s) {
  write = s.write;
  if (s.whole) {
    past.clear();
    for (const key of docs.keys()) if (!(key in s.items)) { docs.delete(key); touched.add(key); }
  }
  const t = performance.now();
  for (const [key, d] of Object.entries(s.items)) {
    touched.add(key);
    if (!d) { docs.delete(key); past.delete(key); continue; }
    docs.set(key, d);
    if (kindOf(key) !== 'vf') continue;
    const h = past.get(key) || [];
    past.set(key, h);
    h.push({ t, rx: d.rates.rx_bit || 0, tx: d.rates.tx_bit || 0 });
    if (h.length > HISTORY) h.shift();
  }
  const away = of('daemon').filter(k => !docs.get(k).up);
  if (away.length || $('said').classList.contains('bad')) say(away.length ? away.map(k => `anyvf-${k.slice(7)} does not answer: ${docs.get(k).error}`).join('; ') : '', away.length);
  refresh();
  document.body.dataset.revision = s.revision;
}

const seen = () => new Promise(go => document.hidden ? document.addEventListener('visibilitychange', go, { once: true }) : go());
const rest = ms => new Promise(go => setTimeout(go, ms));

async function follow() {
  if (!window.d3) return say('There is no D3 on this host: apt install libjs-d3', true);
  for (let after = 0; ;) {
    await seen();
    try {
      const s = await transport.state(after);
      if (s === false) return say(transport.over, true);
      if (s) { after = s.revision; apply(s); continue; }
      say(transport.away, true);
    } catch (e) { say(`What is told is not understood: ${e.message}`, true); }
    await rest(1000);
  }
}

document.addEventListener('DOMContentLoaded', follow);
