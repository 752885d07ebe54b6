// SPDX-License-Identifier: Apache-2.0
// How the page asks in Cockpit: an `anyvf web --stdio` on the host that is shown, started over Cockpit's bridge with the
// rights of who is logged in, and with --write as root where that session has administrative access. When it gains or
// loses that, Cockpit's permission() loads the page again. It ends with the page.
'use strict';

window.bridge = (() => {
  const waiting = new Map(); // number of a question -> who waits
  const refusal = why => new Response(why, { status: 503 });
  let child = null, last = 0;

  const admin = window.cockpit && new Promise(go => {
    const p = cockpit.permission({ admin: true });
    if (p.allowed !== null) go(p.allowed);
    else p.addEventListener('changed', () => go(p.allowed));
  });

  // Who waits is told why; the next question starts another.
  function over(of, e) {
    of.gone = e && e.problem === 'not-found' ? 'There is no anyvf on this host.' : `anyvf web has ended. ${(e && e.message) || ''}`;
    child = null;
    for (const go of waiting.values()) go(refusal(of.gone));
    waiting.clear();
  }

  function take(of, text) {
    const lines = (of.rest + text).split('\n');
    of.rest = lines.pop();
    for (const line of lines) {
      const { id, status, body } = JSON.parse(line), good = status === 200, go = waiting.get(id);
      waiting.delete(id);
      if (go) go(new Response(good ? JSON.stringify(body) : body, { status, headers: { 'Content-Type': good ? 'application/json' : 'text/plain' } }));
    }
  }

  async function start() {
    const write = await admin, words = ['anyvf', 'web', '--stdio'];
    const process = cockpit.spawn(write ? [...words, '--write'] : words, { err: 'message', ...(write && { superuser: 'require' }) });
    const of = { process, rest: '', gone: '' };
    process.stream(text => take(of, text));
    process.then(() => over(of), e => over(of, e));
    return of;
  }

  if (admin) admin.then(may => { if (!may) document.getElementById('hint').textContent += ' Administrative access lets you change things.'; });

  return async (ask, more) => {
    if (!admin) return refusal("Cockpit's own script did not come: load the page again.");
    child = child || start();
    const of = await child, id = ++last;
    if (of.gone) return refusal(of.gone);
    return new Promise(go => {
      waiting.set(id, go);
      of.process.input(JSON.stringify({ id, ask, ...(more && { body: more.body }) }) + '\n', true);
    });
  };
})();
