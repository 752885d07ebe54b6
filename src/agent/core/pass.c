/* SPDX-License-Identifier: Apache-2.0 */
/* Logging in, once for all who wait for it. */
#include "agent/core/pass.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/field.h"
#include "base/file.h"

#define LOGIN_TIMEOUT_MS 10000
#define CREDENTIALS_MAX	 65536

struct waiter {
	pass_fn fn;
	void *arg;
	struct waiter *next;
};

/* The token is read by any thread; all else is the loop's. */
struct pass {
	struct httpm *http;
	char *credentials;
	struct httpc_trust trust; /* borrowed strings */
	struct waiter *waiters;	  /* for the login that is under way, the newest first */
	pthread_mutex_t token_lock;
	char token[512]; /* "": not logged in */
	unsigned int logins;
};

/**
 * pass_open() - Prepare to log in; nothing is sent yet
 * @http:        where; outlives the pass
 * @credentials: JSON file with "username" and "password", and "project" unless it is "service";
 *               read at each login, so the API may make it later
 * @trust:       for https; its strings are borrowed for the pass's life
 * @out:         gets the pass, freed with pass_close()
 * @e:           error text, may be NULL
 *
 * Return: 0 or -ENOMEM.
 */
int pass_open(struct httpm *http, const char *credentials, const struct httpc_trust *trust,
	      struct pass **out, struct err *e)
{
	struct pass *p = calloc(1, sizeof(*p));

	if (!p || !(p->credentials = strdup(credentials))) {
		free(p);
		return err_set(e, -ENOMEM, "out of memory");
	}
	p->http = http;
	p->trust = *trust;
	pthread_mutex_init(&p->token_lock, NULL);
	*out = p;
	return 0;
}

/**
 * pass_close() - Free a pass that nobody uses or waits for
 * @p: pass or NULL
 */
void pass_close(struct pass *p)
{
	free(p ? p->credentials : NULL);
	free(p);
}

/**
 * pass_trust() - Whom to believe where this pass is shown
 * @p: pass
 */
const struct httpc_trust *pass_trust(const struct pass *p)
{
	return &p->trust;
}

/**
 * pass_header() - The token, as a header
 * @p:     pass
 * @out:   gets it
 * @login: gets which login's it is, for pass_refused()
 *
 * Return: false: there is none. Context: any thread.
 */
bool pass_header(struct pass *p, char out[PASS_HEADER_LEN], unsigned int *login)
{
	bool have;

	pthread_mutex_lock(&p->token_lock);
	have = *p->token;
	snprintf(out, PASS_HEADER_LEN, "X-Auth-Token: %s", p->token);
	*login = p->logins;
	pthread_mutex_unlock(&p->token_lock);
	return have;
}

/**
 * pass_refused() - A token is good no more
 * @p:     pass
 * @login: which login's; a newer one stays
 *
 * Context: any thread.
 */
void pass_refused(struct pass *p, unsigned int login)
{
	pthread_mutex_lock(&p->token_lock);
	if (login == p->logins)
		*p->token = '\0';
	pthread_mutex_unlock(&p->token_lock);
}

static json_t *login_body(const char *user, const char *password, const char *project)
{
	return json_pack("{s:{s:{s:[s],s:{s:{s:s,s:s,s:{s:s}}}},s:{s:{s:s,s:{s:s}}}}}", "auth",
			 "identity", "methods", "password", "password", "user", "name", user,
			 "password", password, "domain", "id", "default", "scope", "project",
			 "name", project, "domain", "id", "default");
}

static int read_login(const struct pass *p, json_t **body, struct err *e)
{
	auto_of(json_decref) json_t *cred = NULL;
	const char *user = NULL, *password = NULL, *project = "service";
	auto_free char *text = NULL;
	size_t size;
	int rc = file_read(p->credentials, CREDENTIALS_MAX, &text, &size, e);

	if (rc)
		return rc;
	cred = json_loadb(text, size, 0, NULL);
	if (!cred || json_unpack(cred, "{s:s,s:s,s?s}", "username", &user, "password", &password,
				 "project", &project))
		return err_set(e, -EINVAL, "%s lacks username or password", p->credentials);
	*body = login_body(user, password, project);
	return *body ? 0 : err_set(e, -ENOMEM, "out of memory");
}

static int take_token(struct pass *p, const struct httpc_answer *answer, struct err *e)
{
	auto_free char *token = httpc_header(answer, "X-Subject-Token");

	if (answer->status != 201 || !token || strlen(token) >= sizeof(p->token))
		return err_set(e, -EACCES, "the API refuses the agent's login (%d)",
			       answer->status);
	pthread_mutex_lock(&p->token_lock);
	snprintf(p->token, sizeof(p->token), "%s", token);
	p->logins++;
	pthread_mutex_unlock(&p->token_lock);
	return 0;
}

static void on_login(void *arg, int rc, const struct httpc_answer *answer, const char *why)
{
	struct pass *p = arg;
	struct waiter *list = take(p->waiters);
	struct err e = { 0 };

	rc = rc ? err_set(&e, rc, "%s", why) : take_token(p, answer, &e);
	for (struct waiter *w; (w = list);) {
		list = w->next;
		w->fn(w->arg, rc, e.msg);
		free(w);
	}
}

static int login(struct pass *p, const char *base, struct err *e)
{
	auto_of(json_decref) json_t *body = NULL;
	auto_free char *text = NULL;
	struct httpm_flow *flow;
	char url[512];
	int rc = read_login(p, &body, e);

	if (rc)
		return rc;
	text = json_dumps(body, JSON_COMPACT);
	snprintf(url, sizeof(url), "%s/identity/v3/auth/tokens", base);
	if (!text || httpm_start(p->http,
				 &(struct httpc_req){ .method = "POST",
						      .url = url,
						      .headers = { "Content-Type: "
								   "application/json" },
						      .body = text,
						      .body_size = strlen(text),
						      .timeout_ms = LOGIN_TIMEOUT_MS,
						      .trust = &p->trust },
				 &(struct httpm_handlers){ NULL, on_login, p }, &flow))
		return err_set(e, -ENOMEM, "out of memory");
	return 0;
}

/**
 * pass_login() - Get a token
 * @p:    pass
 * @base: URL of the API to ask, unless a login is under way already: its end is this one's
 * @fn:   called from the loop when the login has ended, never before this returns; rc as
 *        httpc_call(), or -EACCES: it was refused
 * @arg:  for @fn
 * @e:    error text, may be NULL
 *
 * Return: 0; or why nothing is under way: -ENOMEM, -EINVAL, errno of the file of credentials.
 * Context: the loop's thread.
 */
int pass_login(struct pass *p, const char *base, pass_fn fn, void *arg, struct err *e)
{
	struct waiter *w = malloc(sizeof(*w));
	int rc = !w ? err_set(e, -ENOMEM, "out of memory") : p->waiters ? 0 : login(p, base, e);

	if (rc) {
		free(w);
		return rc;
	}
	*w = (struct waiter){ fn, arg, p->waiters };
	p->waiters = w;
	return 0;
}
