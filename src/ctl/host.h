/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One file for a host: PFs with their VFs and service ports, and mirrors, in the words of `show`.
 *
 *   {"anyvf": 1,
 *    "pfs": {PF: {"kind": "hw", words of pf_fields[],
 *                 "vfs": {N: {words of vf_fields[], "attach": {words of vf_attach_fields[]}}},
 *                 "services": {NAME: {words of svc_fields[]}}}},
 *    "mirrors": {NAME: {words of mirror_fields[]}}}
 *
 * What has its default is not there, but a NIC's own words are, where they were said. A file is
 * read through the same tables into structs and written again from these, as what is there is, so
 * that two trees of JSON are compared, by people (`anyvf diff`) and by what makes one of the other.
 */
#ifndef ANYVF_CTL_HOST_H
#define ANYVF_CTL_HOST_H

#include "model/pf_ops.h"

#define HOST_VERSION  1
#define HOST_HASH_LEN 65 /* with its NUL */

struct host_pf {
	struct pf_config config;
	uint32_t said; /* of a NIC: bits by enum pf_field of what is not as it happens to be */
	bool hw;
};

/* host_form.c: of structs, the file's form; a new reference, NULL when out of memory */
json_t *host_pf_form(const struct host_pf *pf);
json_t *host_vf_form(const struct vf_config *c, const struct vf_attach *a);
json_t *host_svc_form(const struct svc_config *s);
json_t *host_mirror_form(const struct mirror_config *m);
json_t *host_root(json_t *pfs, json_t *mirrors);
void host_hash(const json_t *root, char out[HOST_HASH_LEN]);

/* host_read.c: and back */
int host_read(json_t *root, json_t **out, struct err *e);
int host_pf_read(const char *name, const json_t *said, struct host_pf *out, struct err *e);
int host_vf_read(const json_t *said, const struct pf_config *pf, unsigned int vf,
		 struct vf_config *config, struct vf_attach *attach, struct err *e);
int host_svc_read(const char *pf, const char *name, const json_t *said, struct svc_config *out,
		  struct err *e);
int host_mirror_read(const char *name, const json_t *said, struct mirror_config *out,
		     struct err *e);

/* host_get.c: what a daemon has */
int host_get(const struct pf_ops *ops, void *ctx, bool some, json_t **out, struct err *e);
void host_plain(json_t *is);
/* Told of each VF that the file names and a port leases. */
typedef void (*host_note)(const char *pf, const char *vf, const char *port);
void host_align(json_t *is, json_t *want, bool force, host_note note);

/* host_asked.c: a NIC's words that nobody asked for */
int host_unasked_get(const struct pf_ops *ops, void *ctx, const char *pf, unsigned int n,
		     json_t *out);
uint32_t host_unasked(const json_t *root, const char *pf, const char *vf);
void host_unasked_align(json_t *is, json_t *want, bool force);

/* host_become.c: a daemon's PFs, VFs, service ports and mirrors as a file says */
struct host_become {
	const struct pf_ops *ops;
	void *ctx;
	/* Aligned; borrowed. A @want with "unasked" is what is gone back to. */
	json_t *is, *want;
	bool force;	   /* VFs in use notwithstanding */
	bool must;	   /* what is refused is passed over */
	bool *starved;	   /* @must: gets true if something was for want of memory */
};
int host_become(const struct host_become *b, struct err *e);

#endif
