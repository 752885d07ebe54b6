/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First start: the default domain, roles, projects and users must exist before
 * anybody can log in. first.c has written their passwords into files before the
 * store's transaction: a crash between the two starts over.
 */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>

#include "base/log.h"
#include "identity/first.h"
#include "identity/identity.h"

static const char *const role_names[] = { "admin", "member", "reader", "service", "agent" };
static const char *const project_names[] = { "admin", "demo", "service" };

static const char *id_of(struct call *c, const struct resource *r, const char *name)
{
	const json_t *doc = identity_by_name(c, r, name, NULL);

	return doc_text(doc, "id");
}

/* A user with one role on one project. */
static int make_user(struct call *c, const char *name, const char *project, const char *role,
		     char *password)
{
	struct password p = { .text = password };
	const char *project_id = id_of(c, &project_resource, project);
	const json_t *user;
	char scope[80];
	int rc;

	password_hash(&p);
	if (!p.ok || !project_id)
		return -ENOMEM;
	rc = res_create(c, &user_resource,
			json_pack("{s:s,s:s,s:s}", "name", name, "default_project_id", project_id,
				  "password_hash", p.hash),
			&user);
	if (rc)
		return rc;
	snprintf(scope, sizeof(scope), "project:%s", project_id);
	return grant_put(c, doc_text(user, "id"), scope, id_of(c, &role_resource, role));
}

static int make_names(struct call *c)
{
	int rc = res_create(c, &domain_resource,
			    json_pack("{s:s,s:s,s:s}", "id", "default", "name", "Default",
				      "description", "The default domain"),
			    NULL);

	for (unsigned int i = 0; i < ARRAY_LEN(role_names) && !rc; i++)
		rc = res_create(c, &role_resource, json_pack("{s:s}", "name", role_names[i]), NULL);
	for (unsigned int i = 0; i < ARRAY_LEN(project_names) && !rc; i++)
		rc = res_create(c, &project_resource, json_pack("{s:s}", "name", project_names[i]),
				NULL);
	return rc;
}

static struct first_place place_of(const struct engine_opts *o)
{
	return (struct first_place){ .openrc = o->openrc,
				     .public_url = o->public_url,
				     .ca_file = engine_ca_file(o),
				     .host = o->conf ? conf_get(o->conf, "host", "name") : "" };
}

/* The passwords, from whoever may write their files. Run again, we know that there are files. */
static int get_first(struct call *c, struct first *out)
{
	const struct engine_opts *o = c->opts;
	const struct first_place at = place_of(o);
	struct err e = { 0 };

	if (o->first ? o->first(o->first_arg, out, &e) : first_write(&at, out, &e))
		return call_fail(c, 500, NULL, "%s", e.msg);
	json_decref(c->memo);
	c->memo = json_true();
	return 0;
}

/* The cloud is there. Made by another replica while we were about to, our files are wrong. */
static int join(struct call *c)
{
	const struct engine_opts *o = c->opts;
	const struct first_place at = place_of(o);
	struct err e = { 0 };

	if (c->memo && o->first && o->first(o->first_arg, NULL, &e))
		return call_fail(c, 500, NULL, "%s", e.msg);
	if (c->memo && !o->first)
		first_forget(&at);
	if (c->memo)
		log_warn("another replica made the first users: its openrc is right, ours is "
			 "removed",
			 "removed=%s", o->openrc);
	return roles_start(c) ?: catalog_start(c);
}

/**
 * identity_bootstrap() - Make what must exist: users at the very first start, the catalog at each
 * @c: start call of the service
 *
 * Return: 0; a fault: a file cannot be written.
 */
int identity_bootstrap(struct call *c)
{
	struct first first;
	const char *role_id, *admin_id;
	int rc;

	if (sodium_init() < 0)
		return call_fail(c, 500, NULL, "libsodium does not start");
	if (call_get(c, "/secret/token"))
		return join(c);
	rc = get_first(c, &first);
	rc = rc ?: token_make_key(c) ?: make_names(c);
	rc = rc ?: make_user(c, "admin", "admin", "admin", first.admin);
	role_id = id_of(c, &role_resource, "admin");
	admin_id = id_of(c, &user_resource, "admin");
	rc = rc ?: grant_put(c, admin_id, "system", role_id);
	rc = rc ?: grant_put(c, admin_id, "domain:default", role_id);
	rc = rc ?: make_user(c, "demo", "demo", "member", first.demo);
	rc = rc ?: make_user(c, first.agent_name, "service", "agent", first.agent);
	if (!rc)
		log_info("made the first users", "openrc=%s", c->opts->openrc);
	return rc ?: roles_start(c) ?: catalog_start(c);
}
