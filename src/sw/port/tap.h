/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taps as ports of the data plane: a VF for the host, a namespace or a test;
 * the PF's host interface; service ports. Opened by the control thread with the
 * parent's help, then given to dp_port_add().
 */
#ifndef ANYVF_SW_PORT_TAP_H
#define ANYVF_SW_PORT_TAP_H

#include "sw/data/port.h"
#include "sw/parent/parent.h"

int tap_port_open(struct parent *p, const struct tap_want *want, struct port **out, struct err *e);
int tap_port_set_link(struct port *port, bool up);
bool tap_port_alive(const struct port *port);
bool tap_port_where(const struct port *port, struct tap_place *out, struct netdev_state *state);

#endif
