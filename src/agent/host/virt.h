/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libvirt: one connection that comes back by itself, domains by server id, QMP,
 * events. Calls block and belong in work queues; events arrive in the loop.
 */
#ifndef ANYVF_AGENT_HOST_VIRT_H
#define ANYVF_AGENT_HOST_VIRT_H

#include "base/field.h"
#include "base/loop.h"
#include "base/uuid.h"

#define VIRT_DOMAIN_PREFIX "anyvf-" /* domain names are this and the server's id */
#define VIRT_ALIAS_PREFIX  "ua-"    /* NICs' device aliases are this and the port's id */

enum domain_state {
	DOMAIN_ABSENT,
	DOMAIN_RUNNING,
	DOMAIN_PAUSED, /* by somebody's word */
	DOMAIN_HELD,   /* paused by libvirt or QEMU: it starts, is saved, has no room on its disk */
};

struct virt;

/* All called in the loop's thread. */
struct virt_events {
	void (*connected)(void *arg, bool connected);
	void (*domain)(void *arg, const char *server); /* started, stopped, paused, resumed */
	/* NIC_RX_FILTER_CHANGED of a port; DEVICE_DELETED of a server */
	void (*monitor)(void *arg, const char *id);
};

struct virt_domain {
	char server[UUID_STR_LEN];
	enum domain_state state;
};

int virt_open(struct loop *loop, const char *uri, const struct virt_events *events, void *arg,
	      struct virt **out, struct err *e);

int virt_list(struct virt *v, struct virt_domain **out, unsigned int *n, struct err *e);
int virt_start(struct virt *v, const char *xml, struct err *e);
int virt_shutdown(struct virt *v, const char *server, struct err *e);
int virt_destroy(struct virt *v, const char *server, struct err *e);
int virt_save(struct virt *v, const char *server, const char *path, struct err *e);
int virt_restore(struct virt *v, const char *path, struct err *e);
int virt_pause(struct virt *v, const char *server, bool on, struct err *e);
int virt_state(struct virt *v, const char *server, enum domain_state *out, struct err *e);
int virt_attach(struct virt *v, const char *server, const char *xml, struct err *e);
int virt_qmp(struct virt *v, const char *server, json_t *command, char **reply, struct err *e);
int virt_stats(struct virt *v, const char *server, json_t **out, struct err *e);
int virt_version(struct virt *v, unsigned long *out, struct err *e);

#endif
