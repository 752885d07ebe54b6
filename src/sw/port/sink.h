/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Destinations of mirrors that are no VF: a worker copies into a bounded ring of
 * the sink, a thread of its own takes it out and may block there. Ports of this
 * kind have no source. Users: control/mirror.c and
 * capture.c; inside: sink_priv.h.
 */
#ifndef ANYVF_SW_PORT_SINK_H
#define ANYVF_SW_PORT_SINK_H

#include "model/pf.h"
#include "sw/parent/parent.h"

struct port;
struct sinks; /* the thread and all sinks it serves */

int sinks_open(struct sinks **out, struct err *e);
void sinks_close(struct sinks *s);
AUTO_DEFINE(struct sinks *, sinks_close)
uint64_t sinks_failed(const struct sinks *s, uint16_t slot);
void sinks_stop(struct sinks *s);
bool sinks_ended(struct sinks *s);

int sink_remote_open(struct sinks *s, struct parent *p, const struct mirror_config *m,
		     struct port **out, struct err *e);
int sink_capture_open(struct sinks *s, const struct mirror_config *m, int fd, struct port **out,
		      struct err *e);
int sink_file_open(struct sinks *s, struct parent *p, const struct mirror_config *m,
		   struct port **out, struct err *e);

#endif
