/* SPDX-License-Identifier: Apache-2.0 */
#include "sw/parent/peers.h"

#include <errno.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define QEMU_USER "libvirt-qemu"

static int peers_add(struct peers *p, uid_t uid, struct err *e)
{
	if (peers_has(p, uid))
		return 0;
	if (p->n == PEERS_MAX)
		return err_set(e, -E2BIG, "vhost_users: more than %u accounts", PEERS_MAX);
	p->uids[p->n++] = uid;
	return 0;
}

/**
 * peers_read() - The accounts that may be front ends
 * @words: names or numbers of accounts beside root, our own and QEMU's under libvirt
 * @out:   gets them
 * @e:     names the word that is no account
 *
 * Return: 0, -EINVAL, -E2BIG.
 * Context: at the start.
 */
int peers_read(const char *words, struct peers *out, struct err *e)
{
	const struct passwd *qemu = getpwnam(QEMU_USER);
	char word[64];
	int n, rc = 0;

	*out = (struct peers){ .n = 0 };
	peers_add(out, 0, NULL);
	peers_add(out, geteuid(), NULL);
	if (qemu)
		peers_add(out, qemu->pw_uid, NULL);
	for (; !rc && sscanf(words, " %63[^ ,]%n", word, &n) == 1; words += n) {
		const struct passwd *pw = getpwnam(word);
		char *end;
		unsigned long uid = strtoul(word, &end, 10);

		if (!pw && (*end || uid >= UINT32_MAX))
			return err_set(e, -EINVAL, "vhost_users: there is no account \"%s\"", word);
		rc = peers_add(out, pw ? pw->pw_uid : (uid_t)uid, e);
		words += words[n] == ',';
	}
	return rc;
}

/**
 * peers_has() - Whether an account is on the list
 * @peers: list
 * @uid:   account
 *
 * Context: any thread.
 */
bool peers_has(const struct peers *peers, uid_t uid)
{
	for (unsigned int i = 0; i < peers->n; i++)
		if (peers->uids[i] == uid)
			return true;
	return false;
}

/**
 * peers_check() - Whether the other end of a connected socket is on the list
 * @peers: list
 * @sock:  Unix socket
 * @e:     says who it is; may be NULL
 *
 * The kernel noted the account when the other end connected or began to listen.
 *
 * Return: 0, -EPERM, or what getsockopt() said.
 * Context: any thread; no privilege needed.
 */
int peers_check(const struct peers *peers, int sock, struct err *e)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &size))
		return err_errno(e, "SO_PEERCRED");
	if (!peers_has(peers, peer.uid))
		return err_set(e, -EPERM,
			       "its other end is uid %u, pid %d, which is not among vhost_users",
			       peer.uid, peer.pid);
	return 0;
}
