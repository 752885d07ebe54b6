/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first users' credentials: made up here, written into files, and handed to
 * identity/bootstrap.c, which puts them into the store. Root's part when the daemon
 * itself has given up root: what stands in openrc, a shell reads, so the process
 * that reads strangers' HTTP has no word in it.
 */
#include "identity/first.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/sock.h"

#define PASSWORD_BYTES 15 /* of randomness: 20 characters of base64 */

enum { WRITE = 'w', FORGET = 'f' }; /* what the helper is asked for */

struct answer {
	int rc;
	struct first first;
	struct err e;
};

static void make_password(char out[FIRST_PASSWORD_LEN])
{
	unsigned char raw[PASSWORD_BYTES];

	randombytes_buf(raw, sizeof(raw));
	sodium_bin2base64(out, FIRST_PASSWORD_LEN, raw, sizeof(raw),
			  sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

/* DIRECTORY OF OPENRC/name; openrc itself for NULL. */
static int write_beside(const struct first_place *at, const char *name, const char *text,
			uid_t owner, struct err *e)
{
	char dir[PATH_MAX], path[PATH_MAX];
	int rc;

	snprintf(path, sizeof(path), "%s", at->openrc);
	snprintf(dir, sizeof(dir), "%s", dirname(path));
	if (snprintf(path, sizeof(path), "%s%s%s", name ? dir : "", name ? "/" : "",
		     name ?: at->openrc) >= (int)sizeof(path))
		return err_set(e, -ENAMETOOLONG, "%s: name too long", at->openrc);
	rc = file_mkdirs(dir, 0755, e);
	rc = rc ?: file_replace(path, text, strlen(text), 0600, e);
	if (!rc && owner && lchown(path, owner, (gid_t)-1))
		rc = err_errno(e, "%s", path);
	return rc;
}

static int write_openrc(const struct first_place *at, const char *name, const char *user,
			const char *password, struct err *e)
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
		     "export OS_IMAGE_API_VERSION=2\n"
		     "%s%s%s",
		     at->public_url, user, password, user, *at->ca_file ? "export OS_CACERT=" : "",
		     at->ca_file, *at->ca_file ? "\n" : "") < 0)
		return err_set(e, -ENOMEM, "out of memory");
	return write_beside(at, name, text, 0, e);
}

static int write_agent(const struct first_place *at, const struct first *f, struct err *e)
{
	auto_free char *text = NULL;

	if (asprintf(&text,
		     "{\"username\": \"%s\", \"password\": \"%s\", \"project\": \"service\"}\n",
		     f->agent_name, f->agent) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	return write_beside(at, "agent.json", text, at->agent, e);
}

/**
 * first_write() - Make up the first users' passwords, and write their files
 * @at:  where to, and what they say; the users are those of identity/bootstrap.c
 * @out: the passwords, and the agent's name
 * @e:   error text, may be NULL
 *
 * openrc and demo-openrc are the writer's, mode 0600, agent.json the agent's. Each is replaced
 * whole; the next call makes others.
 *
 * Return: 0 or the negative errno of a file that cannot be written.
 */
int first_write(const struct first_place *at, struct first *out, struct err *e)
{
	struct first f = { .admin = "" };
	char own[256] = "";
	int rc;

	if (sodium_init() < 0)
		return err_set(e, -EIO, "libsodium does not start");
	gethostname(own, sizeof(own) - 1);
	snprintf(f.agent_name, sizeof(f.agent_name), "anyvf-agent-%s", *at->host ? at->host : own);
	make_password(f.admin);
	make_password(f.demo);
	make_password(f.agent);
	rc = write_openrc(at, NULL, "admin", f.admin, e);
	rc = rc ?: write_openrc(at, "demo-openrc", "demo", f.demo, e);
	rc = rc ?: write_agent(at, &f, e);
	if (!rc)
		*out = f;
	return rc;
}

/**
 * first_forget() - Remove the files, as another replica made the first users
 * @at: as for first_write()
 */
void first_forget(const struct first_place *at)
{
	static const char *const beside[] = { "demo-openrc", "agent.json" };
	char dir[PATH_MAX], path[PATH_MAX];

	unlink(at->openrc);
	snprintf(path, sizeof(path), "%s", at->openrc);
	snprintf(dir, sizeof(dir), "%s", dirname(path));
	for (unsigned int i = 0; i < ARRAY_LEN(beside); i++)
		if (snprintf(path, sizeof(path), "%s/%s", dir, beside[i]) < (int)sizeof(path))
			unlink(path);
}

/**
 * first_helper_start() - Leave a process behind that can still do first_write(), and forget
 * @at:   for it
 * @sock: gets the descriptor for first_helper_ask(); the helper ends when it is closed
 * @pid:  the helper, for waitpid()
 * @e:    error text, may be NULL
 *
 * It reads nothing of what it is sent but which of the two it is.
 *
 * Return: 0 or a negative errno. Context: a process of one thread, before account_become().
 */
int first_helper_start(const struct first_place *at, int *sock, pid_t *pid, struct err *e)
{
	struct answer answer = { 0 };
	int pair[2], rc = sock_pair(pair, e);
	char what;

	if (rc)
		return rc;
	*pid = fork();
	if (*pid < 0) {
		close(pair[0]);
		close(pair[1]);
		return err_errno(e, "fork");
	}
	if (*pid) {
		close(pair[1]);
		*sock = pair[0];
		return 0;
	}
	close(pair[0]);
	while (recv(pair[1], &what, 1, 0) == 1) {
		if (what == WRITE)
			answer.rc = first_write(at, &answer.first, &answer.e);
		else
			first_forget(at);
		send(pair[1], &answer, sizeof(answer), MSG_NOSIGNAL);
	}
	_exit(0);
}

/**
 * first_helper_ask() - Have the helper do first_write(), or first_forget()
 * @sock: points to the descriptor of first_helper_start()
 * @out:  as first_write(); NULL: forget
 * @e:    as first_write()
 *
 * Return: as first_write(), or -EIO when there is no answer.
 */
int first_helper_ask(void *sock, struct first *out, struct err *e)
{
	int fd = *(int *)sock;
	struct answer answer = { 0 };
	char what = out ? WRITE : FORGET;

	if (send(fd, &what, 1, MSG_NOSIGNAL) != 1 ||
	    recv(fd, &answer, sizeof(answer), 0) != sizeof(answer))
		return err_set(e, -EIO, "the process that writes the first credentials is gone");
	if (answer.rc)
		return err_set(e, answer.rc, "%s", answer.e.msg);
	if (out)
		*out = answer.first;
	return 0;
}
