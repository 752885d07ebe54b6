/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filters of mirrors. Expressions are compiled by libpcap in control and run by
 * its interpreter over a private copy of the frame's first bytes: the guest may
 * rewrite its memory under us.
 */
#include "veb/filter.h"

#include <errno.h>
#include <pcap/pcap.h>

struct veb_filter {
	unsigned int refs; /* atomic */
	uint16_t vlan;	   /* 0: any */
	uint16_t ether;	   /* network order; 0: any */
	struct vlan_set vlans;
	struct bpf_program prog; /* bf_insns NULL: none */
};

/* Whether a program loads from above the frame: what Linux alone knows of one, and nobody here. */
static bool asks_the_kernel(const struct bpf_program *prog)
{
	for (unsigned int i = 0; i < prog->bf_len; i++) {
		const struct bpf_insn *in = &prog->bf_insns[i];

		if (BPF_CLASS(in->code) == BPF_LD && BPF_MODE(in->code) == BPF_ABS &&
		    (int32_t)in->k < 0)
			return true;
	}
	return false;
}

static int compile(const char *text, struct bpf_program *out, struct err *e)
{
	pcap_t *dead = pcap_open_dead(DLT_EN10MB, VEB_FILTER_PEEK);
	int rc = 0;

	if (!dead)
		return err_set(e, -ENOMEM, "no memory for a filter");
	if (pcap_compile(dead, out, text, 1, PCAP_NETMASK_UNKNOWN)) {
		rc = err_set(e, -EINVAL, "pcap \"%s\": %s", text, pcap_geterr(dead));
	} else if (asks_the_kernel(out)) { /* inbound, outbound, ifindex */
		rc = err_set(e, -EINVAL,
			     "pcap \"%s\" asks for more than is in a frame; "
			     "its direction is a word of its own, in or out",
			     text);
		pcap_freecode(out);
	}
	pcap_close(dead);
	return rc;
}

/**
 * veb_filter_new() - Make a filter
 * @conf: its conditions; all must hold
 * @out:  a filter with one reference; NULL if there is no condition
 * @e:    libpcap's words on an expression, may be NULL
 *
 * Names of hosts in an expression are looked up, which may block.
 *
 * Return: 0, -EINVAL or -ENOMEM.
 * Context: control.
 */
int veb_filter_new(const struct veb_filter_conf *conf, struct veb_filter **out, struct err *e)
{
	bool listed = conf->vlans && conf->vlans->set, text = conf->pcap && *conf->pcap;
	auto_free struct veb_filter *flt = NULL;
	int rc;

	*out = NULL;
	if (!conf->vlan && !listed && !conf->ether && !text)
		return 0;
	flt = calloc(1, sizeof(*flt));
	if (!flt)
		return err_set(e, -ENOMEM, "no memory for a filter");
	flt->refs = 1;
	flt->vlan = conf->vlan;
	flt->ether = htons(conf->ether);
	if (listed)
		flt->vlans = *conf->vlans;
	rc = text ? compile(conf->pcap, &flt->prog, e) : 0;
	if (!rc)
		*out = take(flt);
	return rc;
}

/**
 * veb_filter_get() - Take one more reference
 * @flt: filter, or NULL
 *
 * Return: @flt.
 * Context: any thread that holds a reference.
 */
const struct veb_filter *veb_filter_get(const struct veb_filter *flt)
{
	if (flt)
		__atomic_add_fetch(&((struct veb_filter *)(uintptr_t)flt)->refs, 1,
				   __ATOMIC_RELAXED);
	return flt;
}

/**
 * veb_filter_put() - Give one reference back; the last frees the filter
 * @flt: filter, or NULL
 *
 * Context: any thread but a worker inside a burst.
 */
void veb_filter_put(const struct veb_filter *flt)
{
	struct veb_filter *own = (struct veb_filter *)(uintptr_t)flt;

	if (!own || __atomic_sub_fetch(&own->refs, 1, __ATOMIC_ACQ_REL))
		return;
	pcap_freecode(&own->prog);
	free(own);
}

/**
 * veb_filter_vlan() - Which frames of a VLAN are to be mirrored
 * @flt:  filter, or NULL: there is none
 * @vlan: TPID << 16 | VID, 0: untagged
 *
 * Return: none, all, or VEB_FILTER_SOME: ask veb_filter_match() about each.
 * Context: a worker, for mirrored ports alone.
 */
enum veb_filter_says veb_filter_vlan(const struct veb_filter *flt, uint32_t vlan)
{
	if (!flt)
		return VEB_FILTER_ALL;
	if (flt->vlan && TAG_VID(vlan) != flt->vlan)
		return VEB_FILTER_NONE;
	if (flt->vlans.set && !vlan_set_has(&flt->vlans, TAG_VID(vlan)))
		return VEB_FILTER_NONE;
	return flt->ether || flt->prog.bf_insns ? VEB_FILTER_SOME : VEB_FILTER_ALL;
}

/**
 * veb_filter_match() - Whether a frame is to be mirrored
 * @flt:  filter
 * @f:    frame
 * @vlan: it belongs to: TPID << 16 | VID, 0: untagged
 * @tags: the copy would have, outer first
 *
 * Return: true if all conditions hold. An expression sees VEB_FILTER_PEEK bytes.
 * Context: a worker, for mirrored ports alone.
 */
bool veb_filter_match(const struct veb_filter *flt, const struct frame *f, uint32_t vlan,
		      const uint32_t tags[2])
{
	uint8_t bytes[VEB_FILTER_PEEK];
	unsigned int n;

	if (veb_filter_vlan(flt, vlan) == VEB_FILTER_NONE)
		return false;
	if (flt->ether && f->type != flt->ether)
		return false;
	if (!flt->prog.bf_insns)
		return true;
	n = frame_header(f, tags, bytes);
	n += frame_peek(f, 0, bytes + n, sizeof(bytes) - n);
	return bpf_filter(flt->prog.bf_insns, bytes,
			  f->len + (tags[0] ? FRAME_TAG_LEN : 0) + (tags[1] ? FRAME_TAG_LEN : 0),
			  n);
}
