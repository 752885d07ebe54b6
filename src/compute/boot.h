/* SPDX-License-Identifier: Apache-2.0 */
/* A boot's request, looked up: made by compute/request.c, carried out by compute/boot.c. */
#ifndef ANYVF_COMPUTE_BOOT_H
#define ANYVF_COMPUTE_BOOT_H

#include "compute/compute.h"

#define NICS_MAX 12 /* of one server: their rows must fit into one transaction */

/* A row of the request's networks. */
struct nic {
	const json_t *port;   /* the caller's own; NULL: one is made */
	const json_t *net;    /* where it is made */
	const char *fixed_ip; /* its address; NULL: any */
};

/* All that a boot was asked for, looked up. Documents are borrowed. */
struct boot {
	json_t *given; /* the checked request */
	const json_t *flavor, *image, *key;
	const json_t *kernel, *ramdisk; /* the image's; or NULL */
	struct nic nics[NICS_MAX];
	unsigned int n_nics;
	unsigned int count;   /* of servers */
	const char *host;     /* asked for by zone:host; NULL: any */
	const json_t *group;  /* the server group of the hint; or NULL */
	json_t *only, *avoid; /* {host: true}: where hints allow it, unless empty, and where not */
	bool soft;	      /* they are wishes */
};

int boot_read(struct call *c, const json_t *in, struct boot *out);
int group_hints(struct call *c, struct boot *b);
int boot_groups(struct call *c, const struct boot *b, json_t **ids);

#endif
