/* SPDX-License-Identifier: Apache-2.0 */
/* PFs that forward nothing: every verb of pf_ops in memory, with the checks and answers of netdevsim. */
#ifndef ANYVF_TESTS_FAKE_PF_H
#define ANYVF_TESTS_FAKE_PF_H

#include "model/pf_ops.h"

struct fake_pfs;

struct fake_pfs *fake_pfs_new(void);
void fake_pfs_free(struct fake_pfs *f);
AUTO_DEFINE(struct fake_pfs *, fake_pfs_free)

/* What the data path would observe; tests write it. NULL: no such VF. */
struct vf_info *fake_vf(struct fake_pfs *f, const char *pf, unsigned int vf);
struct pf_info *fake_pf(struct fake_pfs *f, const char *pf);

extern const struct pf_ops fake_pf_ops; /* ctx: struct fake_pfs */

#endif
