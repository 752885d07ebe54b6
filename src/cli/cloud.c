/* SPDX-License-Identifier: Apache-2.0 */
/* Asks the installation's own API, as its admin, whether this host's agent is heard. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "cli/site.h"
#include "httpc/httpc.h"

#define TIMEOUT_MS 3000

/* The value of `export KEY=value` in a file for shells. */
static int rc_value(const char *text, const char *key, char *out, size_t size)
{
	size_t key_len = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, "export ", 7))
			line += 7;
		if (strncmp(line, key, key_len) || line[key_len] != '=')
			continue;
		line += key_len + 1;
		snprintf(out, size, "%.*s", (int)strcspn(line, "\n"), line);
		return 0;
	}
	return -ENOENT;
}

static int read_password(const char *path, char *out, size_t size, struct err *e)
{
	auto_free char *text = NULL;
	int rc = file_read(path, 65536, &text, NULL, e);

	if (!rc && rc_value(text, "OS_PASSWORD", out, size))
		rc = err_set(e, -ENOENT, "%s has no OS_PASSWORD", path);
	return rc;
}

/* Sends @method to a path of the API; the answer must have status @good. */
static int ask(struct site *site, const char *method, const char *path, const char *body, int good,
	       struct httpc_answer *out, struct err *e)
{
	auto_of(httpc_close) struct httpc *http = NULL;
	auto_free char *token = NULL;
	const struct httpc_trust trust = { .ca_file = site_conf(site, "agent", "ca_file") };
	char base[300], url[512];
	struct httpc_req req = { .method = method,
				.url = url,
				.headers = { "Content-Type: application/json" },
				.body = body,
				.body_size = body ? strlen(body) : 0,
				.timeout_ms = TIMEOUT_MS,
				.trust = &trust };
	int rc = httpc_open(&http, e);

	conf_api_url(site->conf, base, sizeof(base));
	snprintf(url, sizeof(url), "%s%s", base, path);
	if (site->token && asprintf(&token, "X-Auth-Token: %s", site->token) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	req.headers[1] = token;
	rc = rc ? rc : httpc_call(http, &req, out, e);
	if (!rc && out->status != good)
		rc = err_set(e, -EACCES, "%s answers %d", path, out->status);
	return rc;
}

/* Logs in as admin, once a run. */
static int login(struct site *site, struct err *e)
{
	auto_httpc_answer struct httpc_answer answer = { 0 };
	auto_of(json_decref) json_t *body = NULL;
	auto_free char *text = NULL;
	char password[256];
	int rc;

	if (site->token)
		return 0;
	rc = read_password(site_conf(site, "api", "openrc"), password, sizeof(password), e);
	if (rc)
		return rc;
	body = json_pack("{s:{s:{s:[s], s:{s:{s:s, s:s, s:{s:s}}}}, s:{s:{s:s, s:{s:s}}}}}", "auth",
			 "identity", "methods", "password", "password", "user", "name", "admin",
			 "password", password, "domain", "id", "default", "scope", "project",
			 "name", "admin", "domain", "id", "default");
	text = json_dumps(body, JSON_COMPACT);
	if (!text)
		return err_set(e, -EINVAL, "the password of admin is not UTF-8");
	rc = ask(site, "POST", "/identity/v3/auth/tokens", text, 201, &answer, e);
	if (rc)
		return rc;
	site->token = httpc_header(&answer, "X-Subject-Token");
	return site->token ? 0 : err_set(e, -EPROTO, "the API gave no token");
}

/**
 * cloud_host_alive() - Does the API hear this host's agent?
 * @site: site; keeps the token
 * @e:    why not
 *
 * Return: 0, -EHOSTDOWN (its heartbeat is missing), -ENOENT (it never came), or what keeps us
 * from asking.
 */
int cloud_host_alive(struct site *site, struct err *e)
{
	auto_httpc_answer struct httpc_answer answer = { 0 };
	auto_of(json_decref) json_t *list = NULL;
	const char *host = site_conf(site, "host", "name");
	char own[256] = "";
	const json_t *s;
	size_t i;
	int rc;

	if (!site_pid(site, PROG_AGENTD)) /* the API notices only after three heartbeats */
		return err_set(e, -ESRCH, "it does not run");
	rc = login(site, e);
	rc = rc ? rc : ask(site, "GET", "/compute/v2.1/os-services", NULL, 200, &answer, e);
	if (rc) { /* perhaps an older API's token: ask for another next time */
		free(site->token);
		site->token = NULL;
		return rc;
	}
	gethostname(own, sizeof(own) - 1);
	list = json_loadb(answer.body, answer.size, 0, NULL);
	json_array_foreach (json_object_get(list, "services"), i, s) {
		const char *name = json_string_value(json_object_get(s, "host"));
		const char *state = json_string_value(json_object_get(s, "state"));

		if (!name || strcmp(name, *host ? host : own))
			continue;
		return state && !strcmp(state, "up")
			       ? 0
			       : err_set(e, -EHOSTDOWN, "the API misses its heartbeat");
	}
	return err_set(e, -ENOENT, "the API has not heard of it yet");
}
