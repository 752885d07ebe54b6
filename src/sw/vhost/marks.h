/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The marks of a NIC's packed rings in a file, which a crash of the switch leaves: what vhost-user's
 * inflight region is for, which QEMU does not negotiate for NICs.
 */
#ifndef ANYVF_SW_VHOST_MARKS_H
#define ANYVF_SW_VHOST_MARKS_H

#include "sw/data/port.h"
#include "sw/vhost/vq.h"

#define MARKS_N (2 * PORT_QUEUES) /* rings of a NIC */

struct vq_mark *marks_open(const char *dir, const char *socket);
void marks_close(const char *dir, const char *socket, struct vq_mark *marks);
void marks_forget(const char *dir, const char *socket);

#endif
