/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers, ports and networks as the agent knows them: found by id, filled from the API's
 * documents, with the little that has to outlive the agent in records under its state directory.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/core/state.h"
#include "base/file.h"

#define RECORD_MAX 65536

static void record_path(const struct agent *a, const char *kind, const char *id, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s/%s/%s%s", a->dir, kind, id,
		 !strcmp(kind, "servers") ? "/record" : "");
}

static json_t *record_read(const struct agent *a, const char *kind, const char *id)
{
	auto_free char *text = NULL;
	char path[PATH_MAX];
	size_t size;

	record_path(a, kind, id, path);
	return file_read(path, RECORD_MAX, &text, &size, NULL) ? NULL
							       : json_loadb(text, size, 0, NULL);
}

static void record_write(const struct agent *a, const char *kind, const char *id, json_t *record)
{
	auto_of(json_decref) json_t *owned = record;
	auto_free char *text = record ? json_dumps(record, JSON_COMPACT) : NULL;
	struct err e = { 0 };
	char path[PATH_MAX];

	record_path(a, kind, id, path);
	if (text && file_replace(path, text, strlen(text), 0600, &e))
		log_err("a record cannot be written", "why=\"%s\"", e.msg);
}

/**
 * record_server() - Keep what a restarted agent has to know of a server
 * @a: agent
 * @s: server; its directory exists
 */
void record_server(struct agent *a, const struct server *s)
{
	record_write(a, "servers", s->id,
		     json_pack("{s:s,s:b,s:i,s:b,s:I}", "boot_id", a->boot_id, "started",
			       s->started, "reboot", (int)s->have.reboot, "halted", s->have.halted,
			       "halted_generation", (json_int_t)s->have.halted_generation));
}

/* `anyvf down` ended the guests, and says so: the record is older than its word. */
static bool ended_by_down(const struct agent *a, const char *server)
{
	char path[PATH_MAX];
	struct stat word, record;

	snprintf(path, sizeof(path), "%s/" AGENT_GUESTS_ENDED, a->opts.run_dir);
	if (stat(path, &word))
		return false;
	record_path(a, "servers", server, path);
	return !stat(path, &record) && (record.st_mtim.tv_sec < word.st_mtim.tv_sec ||
					(record.st_mtim.tv_sec == word.st_mtim.tv_sec &&
					 record.st_mtim.tv_nsec < word.st_mtim.tv_nsec));
}

static void recall_server(struct agent *a, struct server *s)
{
	auto_of(json_decref) json_t *r = NULL;
	const char *boot_id = "";
	json_int_t halted_generation = 0;
	int started = 0, halted = 0, reboot = 0;
	char dir[PATH_MAX];

	agent_server_dir(a, s->id, dir);
	s->have.files = !access(dir, F_OK);
	r = s->have.files ? record_read(a, "servers", s->id) : NULL;
	if (!r || json_unpack(r, "{s:s,s:b,s:i,s:b,s:I}", "boot_id", &boot_id, "started", &started,
			      "reboot", &reboot, "halted", &halted, "halted_generation",
			      &halted_generation))
		return;
	/* Another boot, or `anyvf down`: what ran then did not end by itself. */
	s->started = started && !strcmp(boot_id, a->boot_id) && !ended_by_down(a, s->id);
	s->have.reboot = (unsigned int)reboot;
	s->have.halted = halted;
	s->have.halted_generation = (uint64_t)halted_generation;
	s->have.was_active = s->started;
}

/**
 * record_port() - Keep what the agent wrote to a port's VF last
 * @a: agent
 * @p: port; without applied settings its record goes
 */
void record_port(struct agent *a, const struct port *p)
{
	char path[PATH_MAX];

	if (p->applied_known) {
		record_write(a, "ports", p->id, fields_to_json(vf_fields, &p->applied));
		return;
	}
	record_path(a, "ports", p->id, path);
	unlink(path);
}

static void recall_port(struct agent *a, struct port *p)
{
	auto_of(json_decref) json_t *r = record_read(a, "ports", p->id);

	vf_config_default(&p->applied);
	p->applied_known = r && !fields_from_json(vf_fields, &p->applied, r, NULL, NULL);
}

static void *lookup(struct omap *map, const char *id)
{
	struct omap_node *node = id ? omap_find(map, id) : NULL;

	return node ? node->value : NULL;
}

/**
 * entity_server() - A server by id
 * @a:  agent
 * @id: id, may be NULL
 *
 * Return: the server, or NULL.
 */
struct server *entity_server(struct agent *a, const char *id)
{
	return lookup(a->servers, id);
}

/**
 * entity_port() - A port by id
 * @a:  agent
 * @id: id, may be NULL
 *
 * Return: the port, or NULL.
 */
struct port *entity_port(struct agent *a, const char *id)
{
	return lookup(a->ports, id);
}

/**
 * entity_net() - A network by id
 * @a:  agent
 * @id: id, may be NULL
 *
 * Return: the network, or NULL.
 */
struct net *entity_net(struct agent *a, const char *id)
{
	return lookup(a->nets, id);
}

/**
 * entity_tap() - A tap flow or tap mirror by id
 * @a:  agent
 * @id: id, may be NULL
 *
 * Return: the tap, or NULL.
 */
struct tap *entity_tap(struct agent *a, const char *id)
{
	return lookup(a->taps, id);
}

/* A zeroed struct of @size in @map under @id, which is its first member. */
static void *insert(struct omap *map, const char *id, size_t size)
{
	struct omap_node *node;
	char *obj = calloc(1, size);

	if (!obj)
		return NULL;
	node = omap_insert(map, id);
	if (!node) {
		free(obj);
		return NULL;
	}
	snprintf(obj, UUID_STR_LEN, "%s", id);
	node->value = obj;
	return obj;
}

static void report_fini(struct report *r)
{
	json_decref(r->sent);
	json_decref(r->sending);
}

static void server_free(struct server *s)
{
	want_doc_put(&s->want.doc);
	work_queue_free(s->steps);
	work_queue_free(s->qmp);
	report_fini(&s->report);
	free(s);
}

static void port_free(struct port *p)
{
	want_doc_put(&p->want.doc);
	report_fini(&p->report);
	free(p);
}

static void net_free(struct net *n)
{
	want_doc_put(&n->want.doc);
	work_queue_free(n->steps);
	report_fini(&n->report);
	free(n->conf);
	free(n->hosts);
	free(n);
}

static void tap_free(struct tap *t)
{
	want_doc_put(&t->want.doc);
	report_fini(&t->report);
	free(t);
}

/**
 * entity_tap_add() - A tap that was not known
 * @a:  agent
 * @id: its id
 *
 * Return: the tap, without a document; NULL when out of memory.
 */
struct tap *entity_tap_add(struct agent *a, const char *id)
{
	return insert(a->taps, id, sizeof(struct tap));
}

static struct server *server_add(struct agent *a, const char *id)
{
	struct server *s = insert(a->servers, id, sizeof(*s));

	if (!s)
		return NULL;
	s->steps = work_queue_new(a->loop);
	s->qmp = work_queue_new(a->loop);
	if (!s->steps || !s->qmp) {
		omap_remove(a->servers, id);
		server_free(s);
		return NULL;
	}
	recall_server(a, s);
	agent_list_domains(a);
	return s;
}

static struct port *port_add(struct agent *a, const char *id)
{
	struct port *p = insert(a->ports, id, sizeof(*p));

	if (!p)
		return NULL;
	p->guest_link = true;
	p->filter_due = 1;
	recall_port(a, p);
	return p;
}

static struct net *net_add(struct agent *a, const char *id)
{
	struct net *n = insert(a->nets, id, sizeof(*n));
	auto_free char *daemon = NULL;
	char path[PATH_MAX];

	if (!n)
		return NULL;
	n->steps = work_queue_new(a->loop);
	if (!n->steps) {
		omap_remove(a->nets, id);
		net_free(n);
		return NULL;
	}
	dhcp_place_of(a->opts.run_dir, id, &n->at);
	snprintf(path, sizeof(path), "%s/swd", n->at.dir);
	if (!file_read(path, 32, &daemon, NULL, NULL))
		n->addressed = atoi(daemon);
	n->have.files = !access(n->at.dir, F_OK);
	return n;
}

/* A parse into a fresh struct first, so that a bad document leaves the last good one in place. */
#define APPLY(entity, parse)                                                                       \
	({                                                                                         \
		typeof((entity)->want) fresh_;                                                     \
		int rc_ = parse(doc, &fresh_, &e);                                                 \
		if (!rc_) {                                                                        \
			want_doc_put(&(entity)->want.doc);                                         \
			(entity)->want = fresh_;                                                   \
			(entity)->retry = (struct retry){ 0 };                                     \
		}                                                                                  \
		rc_;                                                                               \
	})

static int apply_tap(struct agent *a, const char *kind, const char *id, json_t *doc,
		     struct err *err)
{
	struct tap *t = entity_tap(a, id);
	struct err e = { 0 };
	int rc;

	if (!t && !(t = entity_tap_add(a, id)))
		return err_set(err, -ENOMEM, "out of memory");
	t->kind = !strcmp(kind, "tap_flow") ? "tap_flow" : "tap_mirror";
	rc = APPLY(t, want_tap_parse);
	if (!rc)
		want_tap_judge(&t->want, &a->collectors);
	return rc ? err_set(err, rc, "%s", e.msg) : 0;
}

static bool is_tap(const char *kind)
{
	return !strcmp(kind, "tap_flow") || !strcmp(kind, "tap_mirror");
}

static int apply_doc(struct agent *a, const char *kind, const char *id, json_t *doc)
{
	struct err e = { 0 };
	int rc = -ENOMEM;

	if (!strcmp(kind, "server")) {
		struct server *s = entity_server(a, id);

		if (s || (s = server_add(a, id)))
			rc = APPLY(s, want_server_parse);
	} else if (!strcmp(kind, "port")) {
		struct port *p = entity_port(a, id);

		if (p || (p = port_add(a, id)))
			rc = APPLY(p, want_port_parse);
	} else if (!strcmp(kind, "network")) {
		struct net *n = entity_net(a, id);

		if (n || (n = net_add(a, id)))
			rc = APPLY(n, want_net_parse);
		if (!rc)
			snprintf(n->pf, sizeof(n->pf), "%s", n->want.pf);
	} else if (is_tap(kind)) {
		rc = apply_tap(a, kind, id, doc, &e);
	} else {
		return 0; /* a kind of a later version */
	}
	if (rc)
		log_err("the API's document makes no sense", "kind=%s id=%s why=\"%s\"", kind, id,
			e.msg);
	return rc;
}

static void forget_doc(struct agent *a, const char *kind, const char *id)
{
	struct server *s = strcmp(kind, "server") ? NULL : entity_server(a, id);
	struct port *p = strcmp(kind, "port") ? NULL : entity_port(a, id);
	struct net *n = strcmp(kind, "network") ? NULL : entity_net(a, id);
	struct tap *t = is_tap(kind) ? entity_tap(a, id) : NULL;

	if (s)
		want_doc_put(&s->want.doc);
	if (p)
		want_doc_put(&p->want.doc);
	if (n)
		want_doc_put(&n->want.doc);
	if (t)
		want_doc_put(&t->want.doc);
}

/**
 * entity_apply() - Take over one document
 * @a:    agent
 * @kind: "server", "port", "network", "console", "tap_flow", "tap_mirror"
 * @id:   id
 * @doc:  document, or NULL: it is gone
 */
void entity_apply(struct agent *a, const char *kind, const char *id, json_t *doc)
{
	if (!strcmp(kind, "console")) {
		if (json_is_object(doc))
			follow_console(a, id, doc);
	} else if (!uuid_valid(id)) {
		log_err("the API's document makes no sense", "kind=%s why=\"the id is no UUID\"",
			kind);
	} else if (json_is_object(doc)) {
		apply_doc(a, kind, id, doc);
	} else {
		forget_doc(a, kind, id);
	}
}

static void forget_missing(struct agent *a, const char *kind, struct omap *map, const json_t *docs)
{
	for (struct omap_node *n = omap_from(map, ""); n; n = n->next[0])
		if (!json_object_get(docs, n->key))
			forget_doc(a, kind, n->key);
}

/* DHCP of networks that went while no agent looked: known by their directories. */
static void find_leftovers(struct agent *a)
{
	char path[PATH_MAX];
	const struct dirent *ent;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/dhcp", a->opts.run_dir);
	dir = opendir(path);
	while (dir && (ent = readdir(dir)))
		if (uuid_valid(ent->d_name) && !entity_net(a, ent->d_name))
			net_add(a, ent->d_name);
	if (dir)
		closedir(dir);
}

/**
 * entity_apply_all() - Take over the whole desired state; what it lacks is not wanted any more
 * @a:       agent
 * @desired: answer to GET .../desired
 */
void entity_apply_all(struct agent *a, const json_t *desired)
{
	static const char *const kinds[] = { "server",	"port",	    "network",
					     "console", "tap_flow", "tap_mirror" };
	auto_of(json_decref) json_t *taps = json_object();
	const char *id;
	json_t *doc;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		json_object_foreach (json_object_get(desired, kinds[i]), id, doc)
			entity_apply(a, kinds[i], id, doc);
	forget_missing(a, "server", a->servers, json_object_get(desired, "server"));
	forget_missing(a, "port", a->ports, json_object_get(desired, "port"));
	forget_missing(a, "network", a->nets, json_object_get(desired, "network"));
	json_object_update(taps, json_object_get(desired, "tap_flow"));
	json_object_update(taps, json_object_get(desired, "tap_mirror"));
	forget_missing(a, "tap_flow", a->taps, taps);
	if (!a->desired_known)
		find_leftovers(a);
	a->desired_known = true;
}

/* Its document may have gone together with its ports': `wanted` is still that of then. */
static bool net_is_gone(const struct net *n)
{
	struct net_have have = n->have;

	have.wanted = false;
	return !n->want.doc && n->have.known && plan_net(&have) == NET_STEP_NONE;
}

/* What the last look found counts: what is planned about it may be older than the wish's end. */
static bool tap_is_gone(const struct tap *t)
{
	bool found = false;

	for (unsigned int leg = 0; leg < WANT_LEGS; leg++)
		found |= *t->found[leg].name != '\0';
	return !t->want.doc && t->have.known && !found;
}

/**
 * entity_drop_gone() - Free what nobody wants and nothing is left of
 * @a: agent
 *
 * A server or port whose document went without our DELETED or RELEASED is left as it is: a domain
 * this API does not know may be another one's.
 */
void entity_drop_gone(struct agent *a)
{
	struct omap_node *next;

	for (struct omap_node *n = omap_from(a->servers, ""); n; n = next) {
		struct server *s = n->value;

		next = n->next[0];
		if (!s->want.doc && !s->busy && !s->report.sending)
			server_free(omap_remove(a->servers, s->id));
	}
	for (struct omap_node *n = omap_from(a->ports, ""); n; n = next) {
		struct port *p = n->value;

		next = n->next[0];
		if (!p->want.doc && !p->busy && !p->qmp_busy && !p->report.sending)
			port_free(omap_remove(a->ports, p->id));
	}
	for (struct omap_node *n = omap_from(a->nets, ""); n; n = next) {
		struct net *net = n->value;

		next = n->next[0];
		if (net_is_gone(net) && !net->busy && !net->report.sending)
			net_free(omap_remove(a->nets, net->id));
	}
	for (struct omap_node *n = omap_from(a->taps, ""); n; n = next) {
		struct tap *t = n->value;

		next = n->next[0];
		if (tap_is_gone(t) && !t->busy && !t->report.sending)
			tap_free(omap_remove(a->taps, t->id));
	}
}
