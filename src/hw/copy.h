/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of a NIC copies frames from one VF to another: rules of tc between the netdevs that stand for VFs in switchdev mode, and
 * the files of vendors' own drivers. Steps of a plan; all may be asked for again for what is so already.
 */
#ifndef ANYVF_HW_COPY_H
#define ANYVF_HW_COPY_H

#include "hw/nic.h"
#include "hw/plan.h"
#include "hw/tc.h"

/* What a vendor's file tells. */
struct hw_file_told {
	bool there;    /* what was asked for */
	bool known;    /* it could be read; else nothing is told */
	char says[64]; /* as it stands; "": nothing */
};

bool hw_copy_representor(const char *sys, const struct hw_nic *nic, unsigned int vf,
			 struct hw_netdev *out);
unsigned int hw_copy_files(const char *sys, const struct hw_nic *nic, unsigned int from,
			   unsigned int to);
int hw_copy_clsact(struct hw_rt *rt, const char *sys, const struct hw_nic *nic, unsigned int vf,
		   bool on, struct err *e);
bool hw_copy_clsact_is(struct hw_rt *rt, const char *sys, const struct hw_nic *nic,
		       unsigned int vf);
int hw_copy_rule(struct hw_rt *rt, const char *sys, const struct hw_nic *nic, unsigned int vf,
		 const struct hw_value *to, bool software, struct err *e);
int hw_copy_rule_look(struct hw_rt *rt, const char *sys, const struct hw_nic *nic, unsigned int vf,
		      const struct hw_value *to, struct hw_tc_told *out, struct err *e);
int hw_copy_file(const char *sys, const struct hw_nic *nic, unsigned int vf,
		 const struct hw_value *to, struct err *e);
int hw_copy_file_look(const char *sys, const struct hw_nic *nic, unsigned int vf,
		      const struct hw_value *to, struct hw_file_told *out, struct err *e);

#endif
