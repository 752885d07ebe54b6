// SPDX-License-Identifier: Apache-2.0
// How the page of `anyvf web` reaches it, and what can be changed there; in Cockpit by bridge.js. Of where it is shown
// page.js knows this object alone: who shows it elsewhere brings another one.
'use strict';
const transport = (() => {
  const ask = window.bridge || (() => {
    // Cookies are of all ports of an address; what is stored is of this page's own.
    const token = new URLSearchParams(location.search).get('token') || localStorage.getItem('token') || '';
    localStorage.setItem('token', token);
    window.history.replaceState(null, '', '/');
    return (path, more) => fetch(path, { ...more, headers: { ...(more || {}).headers, 'Anyvf-Token': token } });
  })();
  let first = ask('state?after=0').catch(() => null); // while the rest of the scripts come

  return {
    away: 'anyvf web does not answer.',
    over: 'This session is over: start anyvf web again.',

    // What is new since a revision, when there is something; null: nobody answers; false: the session is over.
    async state(after) {
      const r = await (first || ask('state?after=' + after).catch(() => null));
      first = null;
      if (r && r.status === 403) return false;
      if (r && !r.ok) this.away = await r.text().catch(() => this.away);
      return r && r.ok ? r.json().catch(() => null) : null;
    },

    // What a VF dropped, with the last frames; null: nobody tells.
    drops: d => ask(`drops?pf=${encodeURIComponent(d.pf)}&vf=${d.vf}`).then(r => r.json()).catch(() => null),

    // {line, was} of a change; of one that was shown (what.shown), that it is done; or {error}.
    async change(what) {
      const r = await ask('change', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(what) });
      return r.headers.get('Content-Type') === 'application/json' ? r.json() : { error: await r.text() };
    },

    // What can be changed of these VFs, and of the document with that key: [{title, all: [[button, fields, change by their values]]}].
    forms(vfs, doc, key) {
      const to = pfKeys().map(p => p.slice(3)), ways = ['both', 'in', 'out'];
      const got = vfs.map(d => {
        const vf = { pf: d.pf, vf: String(d.vf) };
        return { title: `Change VF ${d.vf} of ${d.pf}`, all: [
          ['Set link', [['state', ['auto', 'enable', 'disable'], d.config.state]], v => ({ change: 'state', ...vf, ...v })],
          ['Set rate', [['max Mbit/s', 'number', String(d.config.max_tx_rate)]], v => ({ change: 'rate', ...vf, mbit: v['max Mbit/s'] })],
          ['Attach tap', [['tap', 'text'], ['netns', 'text']], v => v.netns ? { change: 'tap-netns', ...vf, ...v } : { change: 'tap', ...vf, tap: v.tap }],
          ['Attach vhost', [], () => ({ change: 'vhost', ...vf })],
          ['Detach', [], () => ({ change: 'detach', ...vf })],
          ['Mirror to VF', [['name', 'text'], ['dir', ways], ['to PF', to, d.pf], ['to VF', 'number']],
            v => ({ change: 'mirror-vf', ...vf, name: v.name, dir: v.dir, to_pf: v['to PF'], to_vf: v['to VF'] })],
          ['Mirror to tap', [['name', 'text'], ['dir', ways], ['tap', 'text']], v => ({ change: 'mirror-tap', ...vf, ...v })],
        ] };
      });
      if (kindOf(key) === 'mirror') got.push({ title: 'Change this mirror', all: [['Take this mirror away', [], () => ({ change: 'mirror-del', name: doc.name })]] });
      return got;
    },
  };
})();
