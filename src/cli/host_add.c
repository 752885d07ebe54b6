/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `anyvf host add` and `remove`: a host is a user of the API's, anyvf-agent-HOST, which speaks for
 * that host alone. add makes it with a password that ends, for the token; the machine that joins
 * changes it, so a token is good once. The user says whose agent it is made for, so it goes with
 * the host, whoever strikes that; remove also takes it away where there is no host yet.
 */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "cli/host.h"

#define NEUTRON	     "/network/v2.0"
#define NOVA	     "/compute/v2.1"
#define KEYSTONE     "/identity/v3"
#define HOURS	     24 /* a token is good for so long, unless it is said */
#define HOURS_MAX    8760
#define NAME_MAX_LEN 200   /* bytes of a host's name */
#define CA_MAX	     65536 /* bytes of the API's CA */
#define FORCE_TRIES  10
#define FORCE_MS     500
#define VARIANT	     sodium_base64_VARIANT_URLSAFE_NO_PADDING

/**
 * host_open() - Read the words behind a command: [--config FILE] HOST
 * @cli:  its words are taken
 * @site: as site_open()
 * @host: gets the name
 *
 * Return: CLI_OK, or the exit code of a refusal that has been printed.
 */
int host_open(struct cli *cli, struct site *site, const char **host)
{
	int rc = site_open(cli, site);

	if (rc)
		return rc;
	*host = cli_next(cli);
	return *host ? 0 : cli_missing("HOST");
}

/**
 * host_password() - Make up a password
 * @out: gets it: 24 random bytes as text
 */
void host_password(char out[HOST_PASSWORD_LEN])
{
	unsigned char raw[24];

	randombytes_buf(raw, sizeof(raw));
	sodium_bin2base64(out, HOST_PASSWORD_LEN, raw, sizeof(raw), VARIANT);
}

/* alive: gets what the API says of it. */
static int find_agent(struct site *site, const char *host, char path[256], bool *alive,
		      struct err *e)
{
	auto_of(json_decref) json_t *agents = NULL;
	const json_t *a;
	size_t i;
	int rc = cloud_ask(site, "GET", NEUTRON "/agents", NULL, &agents, e);

	if (rc)
		return rc;
	json_array_foreach (json_object_get(agents, "agents"), i, a)
		if (!strcmp(text_of(a, "host"), host)) {
			snprintf(path, 256, NEUTRON "/agents/%.100s", text_of(a, "id"));
			*alive = json_is_true(json_object_get(a, "alive"));
			return 0;
		}
	return err_set(e, -ENOENT, "the API knows no host \"%s\"", host);
}

/* It will not come back: what it was to end is over, in some turns of the API's. */
static int force(struct site *site, const char *host, const char *path, struct err *e)
{
	auto_of(json_decref) json_t *body = json_pack("{s:s, s:s, s:b}", "host", host, "binary",
						      "nova-compute", "forced_down", 1);
	int rc = cloud_ask(site, "PUT", NOVA "/os-services/force-down", body, NULL, e);

	if (rc)
		return rc;
	rc = cloud_ask(site, "DELETE", path, NULL, NULL, e);
	for (unsigned int i = 0; rc == -EACCES && i < FORCE_TRIES; i++) {
		usleep(FORCE_MS * 1000);
		rc = cloud_ask(site, "DELETE", path, NULL, NULL, e);
	}
	return rc;
}

/* A name of DNS's, as it is a part of URLs, of files' names and of a user's. */
static int check_name(const char *host, struct err *e)
{
	static const char good[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";

	if (*host && *host != '.' && *host != '-' && strlen(host) <= NAME_MAX_LEN &&
	    !host[strspn(host, good)])
		return 0;
	return err_set(e, -EINVAL, "\"%s\" cannot be a host's name", host);
}

/* The id of the first that a list has. */
static int find_id(struct site *site, const char *many, const char *query, char out[64],
		   struct err *e)
{
	auto_of(json_decref) json_t *list = NULL;
	char path[512];
	const char *id;
	int rc;

	snprintf(path, sizeof(path), KEYSTONE "/%s?%s", many, query);
	rc = cloud_ask(site, "GET", path, NULL, &list, e);
	id = text_of(json_array_get(json_object_get(list, many), 0), "id");
	snprintf(out, 64, "%s", id);
	return rc || *id ? rc : err_set(e, -ENOENT, "the API has no %s with %s", many, query);
}

static int find_user(struct site *site, const char *host, char out[64], struct err *e)
{
	char query[NAME_MAX_LEN + 50];

	snprintf(query, sizeof(query), "domain_id=default&name=anyvf-agent-%s", host);
	return find_id(site, "users", query, out, e);
}

/* Makes the host's user, or gives it another password. @t: the token so far; gets what it has. */
static int put_user(struct site *site, const char *host, json_t *t, struct err *e)
{
	auto_of(json_decref) json_t *body = NULL, *answer = NULL;
	char path[200], id[64] = "";
	struct err none = { 0 };
	int rc = find_user(site, host, id, &none);

	if (rc && rc != -ENOENT)
		return err_set(e, rc, "%s", none.msg);
	body = json_pack("{s:{s:s,s:s,s:s,s:s,s:b,s:s}}", "user", "name", text_of(t, "user"),
			 "domain_id", "default", "password", text_of(t, "password"),
			 "password_expires_at", text_of(t, "expires_at"), "enabled", 1,
			 "anyvf_agent_of", host);
	snprintf(path, sizeof(path), KEYSTONE "/users%s%s", *id ? "/" : "", id);
	rc = cloud_ask(site, *id ? "PATCH" : "POST", path, body, &answer, e);
	json_object_set(t, "user_id", json_object_get(json_object_get(answer, "user"), "id"));
	return rc;
}

/* It speaks as an agent, and who it speaks for is in its name. */
static int grant(struct site *site, const char *user, struct err *e)
{
	char project[64], role[64], path[300];
	int rc = find_id(site, "projects", "domain_id=default&name=service", project, e);

	rc = rc ?: find_id(site, "roles", "name=agent", role, e);
	snprintf(path, sizeof(path), KEYSTONE "/projects/%s/users/%s/roles/%s", project, user,
		 role);
	return rc ?: cloud_ask(site, "PUT", path, NULL, NULL, e);
}

/* Where hosts find the API: as agents here do, else as clients do. */
static json_t *urls_of(const struct site *site)
{
	const char *public_url = site_conf(site, "api", "public_url");
	json_t *urls = json_array();
	char url[300];

	if (!*site_conf(site, "agent", "api") && *public_url)
		json_array_append_new(urls, json_string(public_url));
	for (unsigned int i = 0;
	     (i || !json_array_size(urls)) && conf_api_url(site->conf, i, url, sizeof(url)); i++)
		json_array_append_new(urls, json_string(url));
	return urls;
}

static int add_ca(const struct site *site, json_t *t, struct err *e)
{
	const char *path = site_conf(site, "agent", "ca_file");
	const char *url = json_string_value(json_array_get(json_object_get(t, "api"), 0));
	auto_free char *pem = NULL;
	int rc = *path && !strncmp(url ?: "", "https:", 6) ? file_read(path, CA_MAX, &pem, NULL, e)
							   : 0;

	if (!rc && pem && json_object_set_new(t, "ca", json_string(pem)))
		rc = err_set(e, -EINVAL, "%s is not PEM", path);
	return rc;
}

/* All but the user's id. */
static json_t *begin_token(const struct site *site, const char *host, unsigned int hours)
{
	time_t end = time(NULL) + (time_t)hours * 3600;
	char password[HOST_PASSWORD_LEN], user[NAME_MAX_LEN + 16], until[32];
	struct tm tm;

	host_password(password);
	strftime(until, sizeof(until), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&end, &tm));
	snprintf(user, sizeof(user), "anyvf-agent-%s", host);
	return json_pack("{s:s,s:s,s:s,s:s,s:o}", "host", host, "user", user, "password", password,
			 "expires_at", until, "api", urls_of(site));
}

/* What is printed: it goes through terminals and mails, so it has letters, digits, "-" and "_". */
static char *token_text(const json_t *t)
{
	auto_free char *json = json_dumps(t, JSON_COMPACT);
	size_t n = strlen(HOST_TOKEN), size = json ? strlen(json) : 0;
	size_t room = sodium_base64_encoded_len(size, VARIANT);
	char *text = json ? malloc(n + room) : NULL;

	if (!text)
		return NULL;
	memcpy(text, HOST_TOKEN, n);
	sodium_bin2base64(text + n, room, (unsigned char *)json, size, VARIANT);
	return text;
}

static int print_token(struct cli *cli, const json_t *t, unsigned int hours)
{
	const char *url = json_string_value(json_array_get(json_object_get(t, "api"), 0)) ?: "";
	auto_free char *text = token_text(t);
	auto_of(json_decref) json_t *all = NULL;
	struct err e = { "out of memory" };

	if (!text)
		return cli_error(&e);
	if (strstr(url, "://127.") || strstr(url, "://localhost") || strstr(url, "://[::1]"))
		fprintf(stderr,
			"Warning: the API is reached at %s, by this machine alone: see [api] "
			"listen and public_url.\n",
			url);
	if (cli->json) {
		all = json_pack("{s:s,s:s,s:s}", "host", text_of(t, "host"), "token", text,
				"expires_at", text_of(t, "expires_at"));
		return cli_print_json(cli, all);
	}
	fprintf(stderr,
		"On the new machine, once and within %u hours, and with this line as its input:\n"
		"    anyvf up --join %s --token-file -\n",
		hours, url);
	puts(text);
	return CLI_OK;
}

/* A host that is heard would lose its user. */
static int check_silent(struct site *site, const char *host, struct err *e)
{
	bool alive = false;
	char path[256];
	int rc = find_agent(site, host, path, &alive, e);

	if (rc == -ENOENT)
		*e = (struct err){ 0 };
	if (rc && rc != -ENOENT)
		return rc;
	return alive ? err_set(e, -EEXIST, "host %s is there and up: take another name", host) : 0;
}

/**
 * cli_host_add() - anyvf host add [--config FILE] HOST [hours N]
 * @cli: words start behind `add`
 *
 * The same again makes another token, and the last one is good no more.
 *
 * Return: an exit code.
 */
int cli_host_add(struct cli *cli)
{
	auto_of(json_decref) json_t *t = NULL;
	auto_site struct site site = { 0 };
	uint32_t hours = HOURS;
	const char *host, *word;
	struct err e = { 0 };
	int rc = host_open(cli, &site, &host);

	if (rc)
		return rc;
	if (cli_accept(cli, "hours")) {
		word = cli_next(cli);
		if (!word)
			return cli_missing("HOURS");
		if (!cli_u32(word, &hours) || !hours || hours > HOURS_MAX)
			return cli_wrong(word, "1 to 8760 hours");
	}
	if (cli_end(cli))
		return CLI_USAGE;
	if (sodium_init() < 0)
		return CLI_FAIL;
	rc = check_name(host, &e) ?: check_silent(&site, host, &e);
	if (rc)
		return cli_error(&e);
	t = begin_token(&site, host, hours);
	rc = add_ca(&site, t, &e) ?: put_user(&site, host, t, &e);
	rc = rc ?: grant(&site, text_of(t, "user_id"), &e);
	return rc ? cli_error(&e) : print_token(cli, t, hours);
}

/* Its agent is refused from now on, and a token that nobody used with it. */
static int drop_user(struct site *site, const char *host, struct err *e)
{
	char path[200], id[64];
	int rc = check_name(host, NULL) ? -ENOENT : find_user(site, host, id, e);

	snprintf(path, sizeof(path), KEYSTONE "/users/%s", rc ? "" : id);
	return rc ?: cloud_ask(site, "DELETE", path, NULL, NULL, e);
}

/* A host whose token nobody used is a user alone; one without a user was cut off in a removal. */
static int strike(struct site *site, const char *host, bool forced, struct err *e)
{
	bool alive = false, known;
	struct err none = { 0 };
	char path[256];
	int rc = find_agent(site, host, path, &alive, e);

	known = !rc;
	if (known && forced && !alive)
		rc = force(site, host, path, e);
	else if (known)
		rc = cloud_ask(site, "DELETE", path, NULL, NULL, e);
	if (rc && rc != -ENOENT)
		return rc;
	rc = drop_user(site, host, &none);
	if (rc && (rc != -ENOENT || !known))
		return err_set(e, rc, "%s", rc == -ENOENT ? e->msg : none.msg);
	return 0;
}

/**
 * cli_host_remove() - anyvf host remove [--config FILE] HOST [--force]
 * @cli: words start behind `remove`
 *
 * Return: an exit code.
 */
int cli_host_remove(struct cli *cli)
{
	auto_site struct site site = { 0 };
	const char *host;
	struct err e = { 0 };
	bool forced;
	int rc = site_open(cli, &site);

	if (rc)
		return rc;
	forced = cli_accept(cli, "--force");
	host = cli_next(cli);
	if (!host)
		return cli_missing("HOST");
	forced |= cli_accept(cli, "--force");
	if (cli_end(cli))
		return CLI_USAGE;
	return strike(&site, host, forced, &e) ? cli_error(&e) : CLI_OK;
}
