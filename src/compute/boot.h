/* SPDX-License-Identifier: Apache-2.0 */
/* A boot's request, looked up: made by compute/request.c, carried out by compute/boot.c. */
#ifndef ANYVF_COMPUTE_BOOT_H
#define ANYVF_COMPUTE_BOOT_H

#include "base/uuid.h"
#include "compute/compute.h"

#define NO_HOST	 "No valid host was found. There are not enough hosts available."
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
	unsigned int count;	  /* of servers */
	const char *zone;	  /* asked for; NULL: any */
	const char *host;	  /* asked for by zone:host; NULL: any */
	char group[UUID_STR_LEN]; /* id of the server group of the hint; or "" */
	/* {host: true}: of the hints same_host (or NULL) and different_host; of the group's policy */
	json_t *same, *different, *kin, *apart;
	bool soft; /* the policy is a wish */
};

int boot_read(struct call *c, const json_t *in, struct boot *out);
int boot_zone(struct call *c, struct boot *b);
int group_hints(struct call *c, struct boot *b);
void hints_drop(struct boot *b);
int boot_find_flavor(struct call *c, struct boot *b);
int boot_check_image(struct call *c, const struct boot *b);
int boot_find_image(struct call *c, struct boot *b);
int boot_check_files(struct call *c, const json_t *files);
int boot_check_user_data(struct call *c, const char *text);
json_t *boot_image(const struct boot *b);
void boot_password(json_t *given);
int boot_groups(struct call *c, const struct boot *b, json_t **ids);

#endif
