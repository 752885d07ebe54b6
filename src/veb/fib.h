/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of addresses (FIB), control's side. Two of them take turns (left-right): one is in force,
 * in a snapshot, and is not touched; the other, of the snapshot before, is brought up to date by
 * what changed since and goes into the next snapshot. So a change costs the addresses of the ports
 * it changes, and readers need neither locks nor a second look.
 */
#ifndef ANYVF_VEB_FIB_H
#define ANYVF_VEB_FIB_H

#include "veb/snap.h"

struct veb_fibs;

struct veb_fibs *veb_fibs_new(void);
struct veb_fibs *veb_fibs_get(struct veb_fibs *fibs);
void veb_fibs_put(struct veb_fibs *fibs);
AUTO_DEFINE(struct veb_fibs *, veb_fibs_put)

int veb_fib_take(struct veb_fibs *fibs, struct veb_snap *s);
void veb_fib_give(struct veb_snap *s);

#endif
