// SPDX-License-Identifier: Apache-2.0
// The page of a cloud, /anyvf/ui/: it logs in at Keystone, follows what the API tells of by revision, and makes of it what
// page.js draws: a host's PFs with the VFs its ports have, or a project's networks with its ports. What it changes it asks
// of the APIs, with the token of who logged in, which a tab keeps and no cookie has.
'use strict';
const transport = (() => {
  const get = id => document.getElementById(id);
  const kept = () => JSON.parse(sessionStorage.getItem('anyvf') || 'null');
  let me = kept(), entered = null, enter = null; // {token, user, project, write}
  let view = looked(null), hint = '';

  // What is looked at: a host, or the caller's own project.
  function looked(host) {
    return { host, revision: 0, items: new Map(), drawn: new Map(), rates: new Map(), first: true, ends: new AbortController() };
  }

  function look(host) {
    view.ends.abort();
    view = looked(host);
  }

  const notice = text => setText(get('notice'), text);

  const ask = (path, more = {}) => fetch('../..' + path, { ...more, headers: { ...more.headers, ...(me ? { 'X-Auth-Token': me.token } : {}) } });

  async function api(method, path, body, headers = {}) {
    const r = await ask(path, { method, headers: { ...headers, ...(body ? { 'Content-Type': 'application/json' } : {}) }, body: body && JSON.stringify(body) });
    const said = await r.json().catch(() => ({}));
    const fault = Object.values(said)[0] || {};
    if (!r.ok) throw Object.assign(new Error(fault.message || `${r.status} ${r.statusText}`), { status: r.status, after: r.headers.get('Retry-After') });
    return { said, token: r.headers.get('X-Subject-Token') };
  }

  // --- who ---

  const login = async (identity, scope) => {
    const { said, token } = await api('POST', '/identity/v3/auth/tokens', { auth: { identity, ...(scope ? { scope } : {}) } });
    const t = said.token, roles = (t.roles || []).map(r => r.name);
    me = { token, user: t.user.name, project: t.project, write: roles.includes('member') || roles.includes('admin') };
  };
  const rescope = id => login({ methods: ['token'], token: { id: me.token } }, { project: { id } });

  async function comeIn(user, password, project, domain) {
    me = null;
    await login({ methods: ['password'], password: { user: { name: user, domain: { name: domain }, password } } },
      project && { project: { name: project, domain: { name: domain } } });
    const { projects } = (await api('GET', '/identity/v3/auth/projects')).said;
    if (!me.project && !projects.length) throw new Error('You have no project.');
    if (!me.project) await rescope(projects[0].id);
    me.projects = projects.map(p => ({ id: p.id, name: p.name }));
  }

  function show() {
    for (const [what, there] of [['#door', !me], ['header', me], ['#app', me]]) document.querySelector(what).hidden = !there;
    if (!me) { get('hosts').hidden = true; get('user').focus(); return; }
    sessionStorage.setItem('anyvf', JSON.stringify(me));
    setText(get('who'), `${me.user} in`);
    get('scope').replaceChildren(...me.projects.map(p => new Option(p.name, p.id, false, p.id === me.project.id)));
    enter();
  }

  function leave(why) {
    sessionStorage.removeItem('anyvf');
    if (me) entered = new Promise(go => { enter = go; });
    me = null;
    look(null);
    get('ask').close();
    get('password').value = '';
    setText(get('wrong'), why || '');
    show();
  }

  const sentence = e => e.status === 401 ? 'User, password or project is wrong.'
    : e.status === 429 ? `Too many logins failed: try again in ${e.after || 'some'} s.` : e.message;

  async function onLogin(e) {
    e.preventDefault();
    setText(get('wrong'), '');
    try { await comeIn(...['user', 'password', 'project', 'domain'].map(id => get(id).value)); } catch (x) { me = null; setText(get('wrong'), sentence(x)); }
    get('password').value = '';
    if (me) show();
  }

  async function onScope() {
    try { const { projects } = me; await rescope(get('scope').value); me.projects = projects; look(null); } catch (x) { say(sentence(x), true); }
    show();
  }

  async function onLeave() {
    await api('DELETE', '/identity/v3/auth/tokens', null, { 'X-Subject-Token': me.token }).catch(() => {});
    leave();
  }

  // --- what page.js draws ---

  const addresses = p => (p.fixed_ips || []).map(i => i.ip_address).join(' ');
  const portName = p => p.name || p.mac_address || p.id;
  const all = kind => [...view.items].filter(([k]) => k.startsWith(kind + '/')).map(([, d]) => d);

  const serverOf = port => port && view.items.get('server/' + port.device_id);

  function guest(port) {
    const s = serverOf(port);
    if (s) return { key: 'guest/vm/' + s.id, name: s.name, kind: s.status, noun: 'port', title: 'Server ' + s.name };
    return port && port.device_id ? { key: 'guest/of/' + port.device_id, name: port.device_owner || port.device_id, kind: 'device', noun: 'port' } : null;
  }

  // Of a port; what a host's agent counts of its VF beside it.
  function drawn(pf, vf, port, counted, rates, busy) {
    const at = (port || {}).vf || {}, s = serverOf(port);
    return {
      pf, vf, port: port && port.id, state: port ? undefined : busy ? 'busy' : 'free', rates: rates || {}, guest: guest(port), wire: port ? portName(port) : '',
      config: port ? { name: port.name, id: port.id, network: port.network, mac: port.mac_address, addresses: addresses(port), admin_state_up: port.admin_state_up,
        vlan: at.vlan || 0, trunk: at.trunk || 'none', ...(at.mtu ? { mtu: at.mtu, spoofchk: at.spoofchk, trust: at.trust, vnic_type: at.vnic_type } : {}) } : { vlan: 0, trunk: 'none' },
      status: { link_up: counted ? Boolean(counted.link_up) : Boolean(port) && port.status === 'ACTIVE', ...(port ? { status: at.released ? 'RELEASED' : port.status } : {}) },
      attach: s ? { kind: 'server', name: s.name, id: s.id, status: s.status } : { kind: port && port.device_id ? 'device' : 'none', ...(port && port.device_id ? { id: port.device_id } : {}) },
      stats: counted ? { ...Object.fromEntries(Object.entries({ ...counted, rx_dropped: counted.dropped }).filter(([k, n]) => /^[rt]x_/.test(k) && n !== null)) } : {},
    };
  }

  // {vf: counters} of a PF, and what they came to since the report before; there is none before the first of a boot.
  function countedOf(pf) {
    const report = view.items.get('rates/' + view.host) || { pfs: [] }, told = report.pfs.find(p => p.name === pf), was = view.rates.get(pf);
    if (!told) return { rows: new Map(), rate: new Map() };
    if (was && was.told === told) return was;
    const now = { told, at_ms: report.at_ms, rows: new Map(), rate: new Map() }, s = was ? (now.at_ms - was.at_ms) / 1000 : 0;
    view.rates.set(pf, now);
    for (const row of told.vfs) {
      const o = Object.fromEntries(report.columns.map((c, i) => [c, row[i]])), b = s > 0 && was.rows.get(o.vf);
      const per = (k, by) => (Number.isInteger(o[k]) && Number.isInteger(b[k]) ? by * Math.max(0, Math.round((o[k] - b[k]) / s)) : undefined);
      now.rows.set(o.vf, Object.assign(o, { text: row.join() }));
      if (b) now.rate.set(o.vf, { rx_bit: per('rx_bytes', 8), tx_bit: per('tx_bytes', 8), rx_packets: per('rx_packets', 1), tx_packets: per('tx_packets', 1), dropped: per('dropped', 1) });
    }
    return now;
  }

  function drawHost(put, places) {
    const host = view.items.get('host/' + view.host), ports = new Map();
    for (const p of all('port')) if (p.vf) ports.set(p.vf.pf + '/' + p.vf.vf, p);
    for (const pf of host ? host.pfs : []) {
      const { rows, rate } = countedOf(pf.name);
      put('pf/' + pf.name, { config: { name: pf.name, numvfs: pf.numvfs, uplink: 'dev', uplink_arg: (pf.physical_networks || []).join(' ') }, rates: {},
        status: { kind: pf.kind || 'sw', driver: pf.driver || '', used: pf.used }, more: `${pf.used} of ${pf.numvfs} VFs used`, wire: 'physical network' });
      for (let n = 0; n < pf.numvfs; n++) {
        const port = ports.get(pf.name + '/' + n);
        if (port) places.set(port.id, [pf.name, n]);
        const counted = rows.get(n), r = rate.get(n), busy = (pf.busy || []).includes(n);
        put(`vf/${pf.name}/${n}`, () => drawn(pf.name, n, port, counted, r, busy), [port, serverOf(port), counted && counted.text, r && `${r.rx_bit} ${r.tx_bit} ${r.dropped}`, busy]);
      }
    }
  }

  function drawProject(put, places) {
    const nets = new Map();
    for (const p of all('port').sort((a, b) => (a.created_at + a.id < b.created_at + b.id ? -1 : 1))) nets.set(p.network_id, [...nets.get(p.network_id) || [], p]);
    for (const [id, ports] of nets) {
      const name = ports[0].network || id;
      put('pf/' + id, { config: { name, id }, status: { kind: 'network' }, rates: {}, more: `network, ${ports.length} port${ports.length > 1 ? 's' : ''}`, bare: true, title: 'Network ' + name });
      ports.forEach((p, n) => {
        places.set(p.id, [id, p.id]);
        put(`vf/${id}/${p.id}`, { ...drawn(id, n, p), title: 'Port ' + portName(p), name: `port ${portName(p)} of ${name}, ${addresses(p)}, ${p.status}`,
          row: { number: String(n + 1), vlan: addresses(p).split(' ')[0], state: p.status === 'ACTIVE' ? 'up' : 'down', rx: '', tx: '', drops: portName(p) } });
      });
    }
  }

  function drawTaps(put, places) {
    const end = (id, as) => {
      const at = places.get(id), p = view.items.get('port/' + id);
      return { [as + '_name']: 'port ' + (p ? portName(p) : id), ...(at ? { [as + '_pf']: at[0], [as + '_vf']: at[1] } : {}) };
    };
    for (const f of all('tap_flow'))
      put('mirror/' + f.id, { name: f.name || f.id, id: f.id, call: 'tap_flows', from: 'vf', ...end(f.source_port, 'from'), dir: f.direction.toLowerCase(), to: 'vf', ...end(f.port_id, 'to'), by: f.status, lacks: f.status_reason });
    for (const m of all('tap_mirror'))
      put('mirror/' + m.id, { name: m.name || m.id, id: m.id, call: 'tap_mirrors', from: 'vf', ...end(m.port_id, 'from'), dir: Object.keys(m.directions).join(' ').toLowerCase(), to: m.mirror_type, remote: m.remote_ip, by: m.status, lacks: m.status_reason });
  }

  // What differs from what was drawn.
  function news() {
    const items = {}, now = new Map(), places = new Map(), whole = view.first;
    // What is made of the same as before is the same.
    const put = (key, make, of) => {
      const was = view.drawn.get(key), same = was && of && of.every((v, i) => v === was.of[i]);
      const doc = same ? null : of ? make() : make, text = same ? was.text : JSON.stringify(doc);
      now.set(key, { text, of });
      if (!same && (!was || was.text !== text)) items[key] = doc;
    };
    (view.host ? drawHost : drawProject)(put, places);
    drawTaps(put, places);
    for (const key of view.drawn.keys()) if (!now.has(key)) items[key] = null;
    view.drawn = now;
    view.first = false;
    return { revision: view.revision, whole, write: Boolean(me && me.write), items };
  }

  function take(s) {
    if (s.whole) view.items.clear();
    for (const [key, d] of Object.entries(s.items)) {
      const [kind, id] = [kindOf(key), key.slice(key.indexOf('/') + 1)];
      if (d && id) view.items.set(key, d);
      else if (id) view.items.delete(key);
      else for (const k of [...view.items.keys()]) if (kindOf(k) === kind && !d.includes(k.slice(kind.length + 1))) view.items.delete(k);
    }
    view.revision = s.revision;
  }

  // --- hosts ---

  const stateOf = h => (h.forced_down ? 'down, an admin said so' : h.alive ? 'up' : 'down') + (h.disabled ? `, disabled${h.reason && ': ' + h.reason}` : '');
  const sumOf = (h, k) => h.pfs.reduce((n, p) => n + p[k], 0);

  function drawHosts(admin) {
    get('hosts').hidden = !admin;
    const tr = d3.select('#hosts tbody').selectAll('tr').data(all('host').sort((a, b) => (a.host < b.host ? -1 : 1)), h => h.host);
    tr.enter().append('tr').each(function () {
      d3.select(this).append('th').attr('scope', 'row').append('button').on('click', h => look(h.host));
      for (let i = 0; i < 6; i++) d3.select(this).append('td');
    });
    tr.exit().remove();
    tr.order();
    tr.each(function (h) {
      const texts = [h.host, stateOf(h), h.pfs.map(p => p.name).join(' '), `${sumOf(h, 'used')} of ${sumOf(h, 'numvfs')}`, `${h.vcpus_used} of ${h.vcpus}`, `${h.memory_used_mb} of ${h.memory_mb}`, h.servers];
      setText(this.firstChild.firstChild, texts[0]);
      setAttr(this.firstChild.firstChild, 'aria-pressed', h.host === view.host);
      texts.slice(1).forEach((t, i) => setText(this.children[i + 1], String(t)));
      this.classList.toggle('bad', !h.alive || h.forced_down);
    });
    const host = view.items.get('host/' + view.host);
    get('able').hidden = !host;
    if (host) setText(get('able'), `${host.disabled ? 'Enable' : 'Disable'} ${host.host}`);
  }

  function ableHost() {
    const host = view.items.get('host/' + view.host);
    propose({ was: () => stateOf(view.items.get('host/' + view.host)),
      calls: [{ method: 'PUT', path: '/compute/v2.1/os-services/' + (host.disabled ? 'enable' : 'disable'), body: { host: host.host, binary: 'nova-compute' } }] });
  }

  // --- changes ---

  const TAAS = '/network/v2.0/taas/';
  const portOf = d => view.items.get('port/' + d.port);
  const port = (d, set) => ({
    was: () => Object.keys(set).map(k => String(portOf(d)[k])).join(' '),
    calls: [{ method: 'PUT', path: '/network/v2.0/ports/' + d.port, body: { port: set }, headers: { 'If-Match': `revision_number=${portOf(d).revision_number}` } }],
  });

  // A flow goes to a service, which the port it goes to may have; one that is made for a flow that is refused goes again.
  const tap = async (d, v, to) => {
    const service = (await api('GET', `${TAAS}tap_services?port_id=${to}`)).said.tap_services[0];
    const flow = id => ({ tap_flow: { name: v.name, source_port: d.port, direction: v.direction, tap_service_id: id } });
    const make = { method: 'POST', path: TAAS + 'tap_services', body: { tap_service: { name: v.name, port_id: to } }, undo: got => [TAAS + 'tap_services/' + got.tap_service.id] };
    return { was: () => all('tap_flow').filter(f => f.source_port === d.port).map(f => f.name || f.id).join(', ') || 'no tap',
      calls: [...(service ? [] : [make]), { method: 'POST', path: TAAS + 'tap_flows', body: flow(service ? service.id : 'the service’s'), from: got => flow(got.tap_service.id) }] };
  };

  const lineOf = c => `${c.method} ${c.path}${c.body ? ' ' + JSON.stringify(c.body) : ''}`;

  async function run(calls) {
    let before = null;
    const undo = [];
    try {
      for (const c of calls) {
        before = (await api(c.method, c.path, before && c.from ? c.from(before) : c.body, c.headers)).said;
        if (c.undo) undo.push(...c.undo(before));
      }
    } catch (e) {
      for (const path of undo) await api('DELETE', path).catch(() => {});
      throw e;
    }
  }

  entered = new Promise(go => { enter = go; });
  document.addEventListener('DOMContentLoaded', () => {
    hint = get('hint').textContent;
    get('login').addEventListener('submit', onLogin);
    get('scope').addEventListener('change', onScope);
    get('leave').addEventListener('click', onLeave);
    get('own').addEventListener('click', () => look(null));
    get('able').addEventListener('click', ableHost);
    show();
  });

  return {
    away: 'The API does not answer.',
    over: '',

    async state() {
      for (;;) {
        if (!me && view.first) { drawHosts(false); return news(); } // who comes next finds nothing of who was here
        await entered;
        const at = view;
        const r = await ask(`/anyvf/ui/state?after=${at.revision}${at.host ? '&host=' + encodeURIComponent(at.host) : ''}`, { signal: at.ends.signal }).catch(() => null);
        const s = r && r.ok ? await r.json().catch(() => null) : null;
        if (at !== view) continue;
        if (r && r.status === 401) { leave('Your session is over: log in again.'); continue; }
        if (r && r.status === 403) { leave('You have no role that lets you see this.'); continue; }
        if (r && at.host && r.status === 404) { look(null); continue; }
        this.away = r ? `The API answers ${r.status}.` : 'The API does not answer.';
        if (!s) return null;
        take(s);
        if (s.whole) notice(s.cut ? 'There is more than is shown.' : '');
        setText(get('hint'), view.host || all('port').length ? hint : `${me.project.name} has no ports.${s.admin ? ' Choose a host to see its VFs.' : ''}`);
        drawHosts(s.admin);
        return news();
      }
    },

    drops: async () => null,

    async change(what) {
      try {
        const { was, calls } = what.later ? await what.later() : what, plan = { line: calls.map(lineOf).join('\n'), was: was() };
        if (!what.shown) return plan;
        if (plan.line !== what.shown.line || plan.was !== what.shown.was) return { error: 'It has changed meanwhile: look at it again.' };
        await run(calls);
        return { done: true };
      } catch (e) {
        return { error: e.status === 412 ? 'It has changed meanwhile: look at it again.' : e.message };
      }
    },

    forms(vfs, doc, key) {
      const got = vfs.filter(d => d.port && portOf(d)).map(d => {
        const p = portOf(d), others = all('port').filter(o => o.id !== d.port), label = o => `${portName(o)} ${o.id.slice(0, 8)}`;
        return { title: 'Change port ' + portName(p), all: [
          ['Set port', [['state', ['up', 'down'], p.admin_state_up ? 'up' : 'down']], v => port(d, { admin_state_up: v.state === 'up' })],
          ['Rename', [['new name', 'text', p.name]], v => port(d, { name: v['new name'] })],
          ...(others.length ? [['Mirror to port', [['name', 'text'], ['direction', ['BOTH', 'IN', 'OUT']], ['to', others.map(label)]],
            v => ({ later: () => tap(d, v, others.find(o => label(o) === v.to).id) })]] : []),
        ] };
      });
      if (kindOf(key) === 'mirror') got.push({ title: 'Change this tap', all: [['Take this tap away', [],
        () => ({ was: () => doc.by, calls: [{ method: 'DELETE', path: TAAS + doc.call + '/' + doc.id }] })]] });
      return got;
    },
  };
})();
