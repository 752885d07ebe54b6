/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First start: the default domain, roles, projects and users must exist before
 * anybody can log in. Their random passwords go into files beside openrc,
 * written before the store's transaction: a crash between the two starts over.
 */
#include <errno.h>
#include <libgen.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/identity.h"
#include "base/file.h"
#include "base/log.h"

#define PASSWORD_BYTES 15 /* of randomness: 20 characters */

static const char *const role_names[] = { "admin", "member", "reader", "service", "agent" };
static const char *const project_names[] = { "admin", "demo", "service" };

static const char *id_of(struct call *c, const struct resource *r, const char *name)
{
	const json_t *doc = identity_by_name(c, r, name, NULL);

	return json_string_value(json_object_get(doc, "id"));
}

static void make_password(char out[32])
{
	unsigned char raw[PASSWORD_BYTES];

	randombytes_buf(raw, sizeof(raw));
	sodium_bin2base64(out, 32, raw, sizeof(raw), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

/* DIRECTORY OF OPENRC/name; openrc itself for NULL. */
static int write_beside(struct call *c, const char *name, const char *text)
{
	auto_free char *copy = strdup(c->opts->openrc), *path = NULL;
	struct err e = { 0 };
	const char *dir;
	int rc;

	if (!copy)
		return -ENOMEM;
	dir = dirname(copy);
	rc = file_mkdirs(dir, 0755, &e);
	if (rc)
		return call_fail(c, 500, NULL, "%s", e.msg);
	if (name && asprintf(&path, "%s/%s", dir, name) < 0)
		return -ENOMEM;
	rc = file_replace(name ? path : c->opts->openrc, text, strlen(text), 0600, &e);
	return rc ? call_fail(c, 500, NULL, "%s", e.msg) : 0;
}

static int write_openrc(struct call *c, const char *name, const char *user, const char *project,
			const char *password)
{
	auto_free char *text = NULL;

	if (asprintf(&text,
		     "# Written by anyvf-apid at its first start.\n"
		     "export OS_AUTH_URL=%s/identity/v3\n"
		     "export OS_USERNAME=%s\n"
		     "export OS_PASSWORD=%s\n"
		     "export OS_PROJECT_NAME=%s\n"
		     "export OS_USER_DOMAIN_NAME=Default\n"
		     "export OS_PROJECT_DOMAIN_NAME=Default\n"
		     "export OS_REGION_NAME=RegionOne\n"
		     "export OS_IDENTITY_API_VERSION=3\n"
		     "export OS_IMAGE_API_VERSION=2\n",
		     c->opts->public_url, user, password, project) < 0)
		return -ENOMEM;
	return write_beside(c, name, text);
}

/* A user with a new password and one role on one project. */
static int make_user(struct call *c, const char *name, const char *project, const char *role,
		     char password[32])
{
	struct password p = { .hash = "" };
	const char *project_id = id_of(c, &project_resource, project);
	const json_t *user;
	char scope[80];
	int rc;

	make_password(password);
	p.text = password;
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
	return grant_put(c, json_string_value(json_object_get(user, "id")), scope,
			 id_of(c, &role_resource, role));
}

static int make_agent(struct call *c)
{
	const char *host = conf_get(c->opts->conf, "host", "name");
	char name[300], own[256] = "", password[32];
	auto_free char *text = NULL;
	int rc;

	gethostname(own, sizeof(own) - 1);
	snprintf(name, sizeof(name), "anyvf-agent-%s", host[0] ? host : own);
	rc = make_user(c, name, "service", "agent", password);
	if (rc)
		return rc;
	if (asprintf(&text,
		     "{\"username\": \"%s\", \"password\": \"%s\", "
		     "\"project\": \"service\"}\n",
		     name, password) < 0)
		return -ENOMEM;
	return write_beside(c, "agent.json", text);
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

/**
 * identity_bootstrap() - Make what must exist, at the very first start
 * @c: start call of the service
 *
 * Return: 0; a fault: a file cannot be written.
 */
int identity_bootstrap(struct call *c)
{
	const char *role_id, *admin_id;
	char password[32];
	int rc;

	if (sodium_init() < 0)
		return call_fail(c, 500, NULL, "libsodium does not start");
	if (call_get(c, "/secret/token"))
		return 0;
	rc = token_make_key(c) ?: make_names(c);
	rc = rc ?: make_user(c, "admin", "admin", "admin", password);
	rc = rc ? rc : write_openrc(c, NULL, "admin", "admin", password);
	role_id = id_of(c, &role_resource, "admin");
	admin_id = id_of(c, &user_resource, "admin");
	rc = rc ? rc : grant_put(c, admin_id, "system", role_id);
	rc = rc ? rc : grant_put(c, admin_id, "domain:default", role_id);
	rc = rc ? rc : make_user(c, "demo", "demo", "member", password);
	rc = rc ? rc : write_openrc(c, "demo-openrc", "demo", "demo", password);
	rc = rc ? rc : make_agent(c);
	if (!rc)
		log_info("made the first users", "openrc=%s", c->opts->openrc);
	return rc;
}
