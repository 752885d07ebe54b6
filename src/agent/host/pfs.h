/* SPDX-License-Identifier: Apache-2.0 */
/* The host's PFs as the agent sees and drives them, over the control sockets. All calls block. */
#ifndef ANYVF_AGENT_HOST_PFS_H
#define ANYVF_AGENT_HOST_PFS_H

#include <sys/types.h>

#include "ctl/ctl.h"

#define PFS_MAX 64 /* PFs a host's mappings may name */

struct pfs_pf {
	struct pf_info info;
	pid_t daemon; /* process that has the PF */
	uint64_t seen_ms; /* loop_now_ms() when it told this; not always in the look this is of */
	unsigned int n_vfs, n_svcs, n_mirrors;
	struct vf_info *vfs;	       /* array of n_vfs */
	struct svc_config *svcs;       /* array of n_svcs; those of this PF */
	struct mirror_config *mirrors; /* array of n_mirrors; those of its VFs */
};

/* What one look found. Never changed afterwards. */
struct pfs_view {
	unsigned int n_pfs;
	struct pfs_pf pfs[]; /* at most PFS_MAX */
};

/* One `physnet:pf` of [sriov] physical_device_mappings. */
struct pfs_mapping {
	const char *net, *pf; /* not NUL-terminated */
	size_t net_len, pf_len;
};

bool pfs_mapping_next(const char **at, struct pfs_mapping *out);
int pfs_observe(const char *run_dir, const char *mappings, const struct pfs_view *before,
		struct pfs_view **out, struct err *e);
void pfs_view_free(struct pfs_view *view);
AUTO_DEFINE(struct pfs_view *, pfs_view_free)
bool pfs_is_hw(const struct pfs_pf *pf);
const struct pfs_pf *pfs_find(const struct pfs_view *view, const char *pf);
const struct vf_info *pfs_vf(const struct pfs_view *view, const char *pf, unsigned int vf);
const struct svc_config *pfs_svc(const struct pfs_pf *pf, const char *name);
const struct mirror_config *pfs_mirror(const struct pfs_view *view, const char *name);
json_t *pfs_to_inventory(const struct pfs_view *view, const char *mappings);

int pfs_vf_get(const char *run_dir, const char *pf, unsigned int vf, struct vf_info *out,
	       struct err *e);
int pfs_vf_set(const char *run_dir, const char *pf, unsigned int vf, const struct vf_config *want,
	       uint32_t changed, struct err *e);
int pfs_vf_attach(const char *run_dir, const char *pf, unsigned int vf,
		  const struct vf_attach *want, struct err *e);
int pfs_vf_do(const char *run_dir, const char *method, const char *pf, unsigned int vf,
	      struct err *e);
int pfs_vf_filter(const char *run_dir, const char *pf, unsigned int vf, json_t *filter,
		  struct err *e);
int pfs_svc_add(const char *run_dir, const struct svc_config *want, struct err *e);
int pfs_svc_del(const char *run_dir, const char *pf, const char *name, struct err *e);
int pfs_mirror_add(const char *run_dir, const struct mirror_config *want, struct err *e);
int pfs_mirror_del(const char *run_dir, const char *pf, const char *name, struct err *e);

#endif
