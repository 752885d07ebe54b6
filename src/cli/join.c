/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `anyvf up --join`: a machine becomes a host of a cloud by a token of `anyvf host add`. Its
 * password ends the token's at the API, which is the one step that cannot be taken back: what the
 * machine needs afterwards is on disk by then, beside its place, and the same command goes on from
 * there if it was cut off. A token that is refused leaves the machine as it was.
 */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "cli/host.h"
#include "httpc/httpc.h"

#define TOKEN_MAX  131072 /* bytes of a token */
#define CONF_MAX   1048576
#define TIMEOUT_MS 10000
#define VALUE_MAX  500 /* bytes of a value of the configuration */
#define VARIANT	   sodium_base64_VARIANT_URLSAFE_NO_PADDING

/* What is on the way. */
struct joining {
	struct site *site;
	const struct join *words;
	json_t *token;	   /* as host_add.c writes it */
	char url[300];	   /* who answered */
	char ca[PATH_MAX]; /* the file of the API's CA; "": the system's */
	char password[HOST_PASSWORD_LEN];
	bool sure; /* the API said no */
};

/**
 * join_words() - Take the words that tell how to join
 * @cli: its words are taken, as many as there are; a token is wiped from the command line
 * @j:   gets them
 *
 * Return: CLI_OK, or the exit code of a refusal that has been printed.
 */
int join_words(struct cli *cli, struct join *j)
{
	for (;;) {
		bool url = cli_accept(cli, "--join"),
		     file = !url && cli_accept(cli, "--token-file");
		const char *word;

		if (!url && !file && !cli_accept(cli, "--token"))
			return CLI_OK;
		word = cli_next(cli);
		if (!word)
			return cli_incomplete();
		if (url) {
			j->url = word;
		} else if (file) {
			j->file = word;
		} else {
			free(j->text);
			j->text = strdup(word);
			memset((char *)(uintptr_t)word, '*', strlen(word)); /* ps(1) shows it */
		}
	}
}

/**
 * join_fini() - Free what the words left
 * @j: words; zeroed afterwards
 */
void join_fini(struct join *j)
{
	free(j->text);
	*j = (struct join){ NULL };
}

static int load_text(const struct join *j, char **out, struct err *e)
{
	if (j->text && j->file)
		return err_set(e, -EINVAL, "--token and --token-file: one of them is enough");
	if (j->text)
		*out = strdup(j->text);
	else if (!j->file)
		return err_set(
			e, -EINVAL,
			"--join needs a token of `anyvf host add`: --token, or --token-file");
	else if (!strcmp(j->file, "-"))
		return file_read_fd(STDIN_FILENO, "standard input", TOKEN_MAX, out, NULL, e);
	else
		return file_read(j->file, TOKEN_MAX, out, NULL, e);
	return *out ? 0 : err_set(e, -ENOMEM, "out of memory");
}

/* What becomes one value of the configuration. */
static bool is_url(const char *url)
{
	return url && strstr(url, "://") && !url[strcspn(url, " ,;\t\r\n")];
}

static bool has_urls(const json_t *api)
{
	size_t i, size = 0;
	const json_t *url;

	json_array_foreach (api, i, url) {
		if (!is_url(json_string_value(url)))
			return false;
		size += json_string_length(url) + 2;
	}
	return size && size < VALUE_MAX;
}

static bool is_complete(const json_t *t)
{
	static const char *const members[] = { "host", "user", "user_id", "password" };

	for (size_t i = 0; i < ARRAY_LEN(members); i++)
		if (!*text_of(t, members[i]) || strpbrk(text_of(t, members[i]), "\r\n\"\\/"))
			return false;
	return has_urls(json_object_get(t, "api"));
}

/* The token's words, or NULL for what is none, or a part of one. */
static json_t *parse(const char *text)
{
	auto_free unsigned char *raw = malloc(strlen(text) + 1);
	size_t n = strlen(HOST_TOKEN), len = 0;
	json_t *t = NULL;

	text += strspn(text, " \t\r\n");
	if (raw && !strncmp(text, HOST_TOKEN, n) &&
	    !sodium_base642bin(raw, strlen(text), text + n, strcspn(text + n, " \t\r\n"), NULL,
			       &len, NULL, VARIANT))
		t = json_loadb((char *)raw, len, 0, NULL);
	if (t && !is_complete(t)) {
		json_decref(t);
		t = NULL;
	}
	return t;
}

static int in_use(const char *path, struct err *e)
{
	return err_set(
		e, -EEXIST,
		"this machine is a cloud of its own, or a host of one (%s): it joins no other",
		path);
}

/* Has it an API of its own, on a store that others share? Then it becomes a host beside that. */
static bool is_replica(const struct joining *j)
{
	return !strncmp(site_conf(j->site, "api", "store"), "etcd:", 5);
}

/* A machine that has no cloud, or joined one and joins again; or a replica without an agent. */
static int check_machine(struct joining *j, struct err *e)
{
	const char *cred = site_conf(j->site, "agent", "credentials");
	const char *openrc = site_conf(j->site, "api", "openrc");
	bool has_api = site_uses(j->site, PROG_APID), replica = is_replica(j);
	char db[PATH_MAX];
	int rc = site_needs(PROG_AGENTD, e);

	if (rc)
		return rc;
	snprintf(db, sizeof(db), "%s/api/api.db", site_conf(j->site, "host", "state_dir"));
	if (site_pid(j->site, PROG_AGENTD))
		return err_set(e, -EBUSY, "anyvf-agentd runs here already: anyvf down, then again");
	if (!replica && (site_pid(j->site, PROG_APID) || !access(db, F_OK)))
		return in_use(db, e);
	if (!replica && has_api && *site_conf(j->site, "api", "store"))
		return in_use("[api] store", e);
	if (!replica && has_api && !access(openrc, F_OK))
		return in_use(openrc, e);
	return has_api && !access(cred, F_OK) ? in_use(cred, e) : 0;
}

/* Where file_put() takes a file from. */
static void new_path(const char *path, char out[PATH_MAX])
{
	if (snprintf(out, PATH_MAX, "%s.new", path) >= PATH_MAX)
		*out = '\0';
}

static int write_new(const char *path, const char *text, mode_t mode, struct err *e)
{
	auto_free char *copy = strdup(path);
	auto_close int fd = -1;
	int rc = copy ? file_mkdirs(dirname(copy), 0755, e) : -ENOMEM;

	rc = rc ?: file_new(path, mode, &fd, e);
	if (rc)
		return rc;
	rc = file_fill(fd, text, strlen(text));
	return rc ? err_set(e, rc, "%s: %s", path, strerror(-rc)) : 0;
}

static void drop_new(const char *path)
{
	char tmp[PATH_MAX];

	new_path(path, tmp);
	unlink(tmp);
}

/* The API's CA, to be believed from the first request on. */
static int write_ca(struct joining *j, struct err *e)
{
	const char *pem = text_of(j->token, "ca");
	char dir[PATH_MAX];

	if (!*pem)
		return 0;
	snprintf(dir, sizeof(dir), "%s", j->site->config);
	if (snprintf(j->ca, sizeof(j->ca), "%s/api-ca.pem", dirname(dir)) >= VALUE_MAX)
		return err_set(e, -ENAMETOOLONG, "%s is too long", dir);
	return write_new(j->ca, pem, 0644, e);
}

/* Asks the first replica that is there. */
static int ask(struct joining *j, const char *path, const json_t *body, struct httpc_answer *out,
	       struct err *e)
{
	auto_of(httpc_close) struct httpc *http = NULL;
	auto_free char *text = json_dumps(body, JSON_COMPACT);
	const json_t *api = json_object_get(j->token, "api");
	char ca[PATH_MAX] = "", url[600];
	struct err why = { 0 };
	int rc = text ? httpc_open(&http, e) : -ENOMEM;

	if (rc)
		return rc;
	if (*j->ca)
		new_path(j->ca, ca);
	rc = -EINVAL;
	for (size_t i = 0; rc && i < (j->words->url ? 1 : json_array_size(api)); i++) {
		const char *at = j->words->url ?: json_string_value(json_array_get(api, i)) ?: "";
		size_t len = strlen(at);

		why = (struct err){ 0 };
		snprintf(j->url, sizeof(j->url), "%.*s",
			 (int)(len && at[len - 1] == '/' ? len - 1 : len), at);
		snprintf(url, sizeof(url), "%s%s", j->url, path);
		rc = httpc_call(
			http,
			&(struct httpc_req){ .method = "POST",
					     .url = url,
					     .headers = { "Content-Type: application/json" },
					     .body = text,
					     .body_size = strlen(text),
					     .timeout_ms = TIMEOUT_MS,
					     .trust = &(struct httpc_trust){ .ca_file = ca } },
			out, &why);
	}
	/* What was sent and not answered may have been done. */
	j->sure = rc == -ECONNREFUSED || rc == -EKEYREJECTED || rc == -EINVAL;
	return rc ? err_set(e, rc, "%s", why.msg) : 0;
}

/* Was this command cut off behind its one step? Then the password that waits is good. */
static bool is_resumed(struct joining *j)
{
	const char *cred = site_conf(j->site, "agent", "credentials"), *user, *password;
	auto_httpc_answer struct httpc_answer answer = { 0 };
	auto_of(json_decref) json_t *waits = NULL, *body = NULL;
	char tmp[PATH_MAX];

	new_path(cred, tmp);
	waits = json_load_file(tmp, 0, NULL);
	if (json_unpack(waits, "{s:s, s:s}", "username", &user, "password", &password) ||
	    strcmp(user, text_of(j->token, "user")))
		return false;
	body = cloud_login_body(user, password, "service");
	return !ask(j, "/identity/v3/auth/tokens", body, &answer, NULL) && answer.status == 201;
}

static int write_credentials(struct joining *j, struct err *e)
{
	auto_free char *text = NULL;

	host_password(j->password);
	if (asprintf(&text,
		     "{\"username\": \"%s\", \"password\": \"%s\", \"project\": \"service\"}\n",
		     text_of(j->token, "user"), j->password) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	return write_new(site_conf(j->site, "agent", "credentials"), text, 0600, e);
}

/* The token's password for one that only this machine has. */
static int exchange(struct joining *j, struct err *e)
{
	auto_httpc_answer struct httpc_answer answer = { 0 };
	auto_of(json_decref) json_t *body =
		json_pack("{s:{s:s,s:s}}", "user", "original_password",
			  text_of(j->token, "password"), "password", j->password);
	char path[200];
	int rc;

	snprintf(path, sizeof(path), "/identity/v3/users/%.100s/password",
		 text_of(j->token, "user_id"));
	rc = ask(j, path, body, &answer, e);
	if (rc || answer.status == 204)
		return rc;
	j->sure = answer.status < 500;
	if (answer.status != 401)
		return cloud_refused(j->url, &answer, e);
	if (strstr(answer.body, "expired"))
		return err_set(e, -EKEYEXPIRED,
			       "the token for host %s was good until %s: make another",
			       text_of(j->token, "host"), text_of(j->token, "expires_at"));
	return err_set(e, -EACCES,
		       "%s refuses the token for host %s: it was used, taken back or replaced by "
		       "another, or is another cloud's",
		       j->url, text_of(j->token, "host"));
}

/* A machine without an API needs to know whose it is to ask. */
static void print_api(const struct joining *j, FILE *f)
{
	const json_t *api = json_object_get(j->token, "api"), *url;
	size_t i;

	fprintf(f, "[api]\nlisten = %s\n[agent]\napi = %s", CONF_NO_API, j->words->url ?: "");
	json_array_foreach (j->words->url ? NULL : api, i, url)
		fprintf(f, "%s%s", i ? ", " : "", json_string_value(url));
	fprintf(f, "\n%s%s%s", *j->ca ? "ca_file = " : "", j->ca, *j->ca ? "\n" : "");
}

/* Behind what stands there: the last word of a key counts. */
static int write_conf(struct joining *j, struct err *e)
{
	auto_free char *old = NULL, *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	int rc;

	if (!f)
		return err_set(e, -ENOMEM, "out of memory");
	rc = access(j->site->config, F_OK) ? 0
					   : file_read(j->site->config, CONF_MAX, &old, NULL, e);
	fprintf(f, "%s\n# Written by anyvf up --join.\n[host]\nname = %s\n", old ?: "",
		text_of(j->token, "host"));
	if (!is_replica(j))
		print_api(j, f);
	if (fclose(f))
		return err_set(e, -ENOMEM, "out of memory");
	return rc ?: file_replace(j->site->config, text, size, 0644, e);
}

/* All to its place. */
static int settle(struct joining *j, struct err *e)
{
	auto_free char *cred = strdup(site_conf(j->site, "agent", "credentials"));
	int rc = cred ? 0 : -ENOMEM;

	if (*j->ca && is_replica(j)) /* it asks itself */
		drop_new(j->ca);
	else if (*j->ca)
		rc = rc ?: file_put(j->ca, e);
	rc = rc ?: write_conf(j, e);
	rc = rc ?: file_put(cred, e);
	rc = rc ?: site_read_conf(j->site, e);
	if (!rc)
		printf("%-13s %s, by %s\n", "joined as", text_of(j->token, "host"), j->url);
	return rc;
}

static int join(struct joining *j, struct err *e)
{
	int rc = check_machine(j, e) ?: write_ca(j, e);

	if (!rc && !is_resumed(j)) {
		rc = write_credentials(j, e) ?: exchange(j, e);
		if (rc && j->sure)
			drop_new(site_conf(j->site, "agent", "credentials"));
	}
	if (rc && *j->ca)
		drop_new(j->ca);
	return rc ?: settle(j, e);
}

/**
 * join_site() - Make this machine a host of the cloud that a token names
 * @site: site; its configuration is another then
 * @j:    what was said; nothing: all stays as it is
 * @e:    error text
 *
 * Return: 0; -EINVAL for what is no token; -EEXIST, -EBUSY: this machine is a cloud, or runs;
 * -EACCES, -EKEYEXPIRED: the token is not good; why the API does not answer; errno of a file.
 */
int join_site(struct site *site, struct join *j, struct err *e)
{
	struct joining joining = { .site = site, .words = j, .sure = true };
	auto_of(json_decref) json_t *token = NULL;
	auto_free char *text = NULL;
	int rc;

	if (!j->url && !j->file && !j->text)
		return 0;
	if (j->url && (!is_url(j->url) || strlen(j->url) >= sizeof(joining.url)))
		return err_set(e, -EINVAL, "\"%s\" is no URL of an API", j->url);
	if (sodium_init() < 0)
		return err_set(e, -EIO, "libsodium does not start");
	rc = load_text(j, &text, e);
	if (rc)
		return rc;
	joining.token = token = parse(text);
	return token ? join(&joining, e)
		     : err_set(e, -EINVAL,
			       "this is no token of `anyvf host add`, or not all of it");
}
