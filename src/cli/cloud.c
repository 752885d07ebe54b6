/* SPDX-License-Identifier: Apache-2.0 */
/* Asks the API of this installation as its admin: anything, and whether this host is heard. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "cli/site.h"
#include "httpc/httpc.h"

#define LOGIN_MS 6000 /* the API waits 5 s for its store before it says so */
#define ASK_MS	 30000
#define TOKENS	 "/identity/v3/auth/tokens"
#define VERSION	 "OpenStack-API-Version: compute 2.52" /* the last with services by host */

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

/* The sentence of a fault, {"badRequest": {"message": ...}} and its kin; NULL: it has none. */
static const char *message_of(const json_t *fault)
{
	void *first = json_object_iter((json_t *)fault);
	const json_t *inner = first ? json_object_iter_value(first) : NULL;

	return json_string_value(json_object_get(inner, "message"));
}

/**
 * cloud_refused() - What the API answered instead of what it should
 * @what:   was asked
 * @answer: its answer
 * @e:      gets it, with the API's own words
 *
 * Return: -EACCES.
 */
int cloud_refused(const char *what, const struct httpc_answer *answer, struct err *e)
{
	auto_of(json_decref) json_t *fault = json_loadb(answer->body, answer->size, 0, NULL);
	const char *why = message_of(fault);

	return err_set(e, -EACCES, "%s answers %d%s%s", what, answer->status, why ? ": " : "",
		       why ?: "");
}

/* Sends @method to a path of the API; whatever it answers is an answer. */
static int send_to(struct site *site, const char *method, const char *path, const char *body,
		   int timeout_ms, struct httpc_answer *out, struct err *e)
{
	auto_free char *token = NULL;
	struct httpc_req req = { .method = method,
				 .headers = { "Content-Type: application/json", VERSION },
				 .body = body,
				 .body_size = body ? strlen(body) : 0,
				 .timeout_ms = timeout_ms };

	if (site->token && asprintf(&token, "X-Auth-Token: %s", site->token) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	req.headers[2] = token;
	return site_ask(site, &req, path, out, e);
}

/**
 * cloud_login_body() - What a user logs in with
 * @user:     of the default domain
 * @password: his
 * @project:  of the default domain
 *
 * Return: a new reference; NULL if one of them is no text, or without memory.
 */
json_t *cloud_login_body(const char *user, const char *password, const char *project)
{
	return json_pack("{s:{s:{s:[s], s:{s:{s:s, s:s, s:{s:s}}}}, s:{s:{s:s, s:{s:s}}}}}", "auth",
			 "identity", "methods", "password", "password", "user", "name", user,
			 "password", password, "domain", "id", "default", "scope", "project",
			 "name", project, "domain", "id", "default");
}

static int admin_body(struct site *site, json_t **out, struct err *e)
{
	char password[256];
	int rc = read_password(site_conf(site, "api", "openrc"), password, sizeof(password), e);

	if (rc)
		return rc;
	*out = cloud_login_body("admin", password, "admin");
	return *out ? 0 : err_set(e, -EINVAL, "the password of admin is not UTF-8");
}

static int agent_body(struct site *site, json_t **out, struct err *e)
{
	const char *path = site_conf(site, "agent", "credentials"), *user, *password;
	auto_of(json_decref) json_t *cred = json_load_file(path, 0, NULL);
	const char *project = "service";

	if (json_unpack(cred, "{s:s, s:s, s?s}", "username", &user, "password", &password,
			"project", &project))
		return err_set(e, -ENOENT, "%s has no credentials", path);
	*out = cloud_login_body(user, password, project);
	return *out ? 0 : err_set(e, -ENOMEM, "out of memory");
}

/* A machine that joined a cloud has its agent's password alone, unless openrc was copied to it. */
static bool is_agent(const struct site *site)
{
	return access(site_conf(site, "api", "openrc"), R_OK) &&
	       !access(site_conf(site, "agent", "credentials"), R_OK);
}

/* Logs in as admin, or as who this machine may be, once a run. */
static int login(struct site *site, struct err *e)
{
	auto_httpc_answer struct httpc_answer answer = { 0 };
	auto_of(json_decref) json_t *body = NULL;
	auto_free char *text = NULL;
	int rc;

	if (site->token)
		return 0;
	rc = is_agent(site) ? agent_body(site, &body, e) : admin_body(site, &body, e);
	if (rc)
		return rc;
	text = json_dumps(body, JSON_COMPACT);
	if (!text)
		return err_set(e, -ENOMEM, "out of memory");
	rc = send_to(site, "POST", TOKENS, text, LOGIN_MS, &answer, e);
	if (rc)
		return rc;
	site->token = httpc_header(&answer, "X-Subject-Token");
	return site->token ? 0 : cloud_refused(TOKENS, &answer, e);
}

/**
 * cloud_ask() - Ask the API for something, as its admin; on a machine that joined, as its agent
 * @site:   site; keeps the token
 * @method: "GET" ...
 * @path:   with its query
 * @body:   JSON; NULL: none
 * @out:    gets the answer, the caller's reference, NULL if it has no body; may be NULL
 * @e:      the API's own words, or why it does not answer
 *
 * Return: 0; -EACCES: it refuses; what keeps us from asking.
 */
int cloud_ask(struct site *site, const char *method, const char *path, const json_t *body,
	      json_t **out, struct err *e)
{
	auto_httpc_answer struct httpc_answer answer = { 0 };
	auto_free char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	auto_of(json_decref) json_t *got = NULL;
	int rc = login(site, e);

	rc = rc ?: send_to(site, method, path, text, ASK_MS, &answer, e);
	if (rc)
		return rc;
	got = json_loadb(answer.body, answer.size, 0, NULL);
	if (answer.status == 403 && is_agent(site))
		return err_set(e, -EACCES,
			       "%s is not here, and this host's agent may not ask for that",
			       site_conf(site, "api", "openrc"));
	if (answer.status / 100 != 2)
		return message_of(got) ? err_set(e, -EACCES, "%s", message_of(got))
				       : cloud_refused(path, &answer, e);
	if (out)
		*out = take(got);
	return 0;
}

/* Is this host's agent heard? Asked as the agent itself. */
static int own_state(struct site *site, const char *host, struct err *e)
{
	auto_of(json_decref) json_t *got = NULL;
	char path[300];
	int rc;

	snprintf(path, sizeof(path), "/anyvf/v1/hosts/%s", host);
	rc = cloud_ask(site, "GET", path, NULL, &got, e);
	if (!rc && !json_is_true(json_object_get(got, "alive")))
		rc = err_set(e, -EHOSTDOWN, "the API misses its heartbeat");
	return rc;
}

/* Likewise as the cloud's admin: among all. */
static int state_of(struct site *site, const char *host, struct err *e)
{
	auto_of(json_decref) json_t *list = NULL;
	const json_t *s;
	size_t i;
	int rc = cloud_ask(site, "GET", "/compute/v2.1/os-services", NULL, &list, e);

	json_array_foreach (json_object_get(list, "services"), i, s) {
		const char *name = json_string_value(json_object_get(s, "host"));
		const char *state = json_string_value(json_object_get(s, "state"));

		if (!name || strcmp(name, host))
			continue;
		return state && !strcmp(state, "up")
			       ? 0
			       : err_set(e, -EHOSTDOWN, "the API misses its heartbeat");
	}
	return rc ?: err_set(e, -ENOENT, "the API has not heard of it yet");
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
	const char *host = site_conf(site, "host", "name");
	char own[256] = "";
	int rc;

	if (!site_pid(site, PROG_AGENTD)) /* the API notices only after three heartbeats */
		return err_set(e, -ESRCH, "it does not run");
	gethostname(own, sizeof(own) - 1);
	host = *host ? host : own;
	rc = is_agent(site) ? own_state(site, host, e) : state_of(site, host, e);
	if (rc && rc != -EHOSTDOWN) { /* perhaps an older API's token: ask for another next time */
		free(site->token);
		site->token = NULL;
	}
	return rc;
}
