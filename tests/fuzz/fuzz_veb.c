/* SPDX-License-Identifier: Apache-2.0 */
/* A frame of a guest: 10 bytes of offload header, then the frame, through parser and switch. */
#include <assert.h>

#include "veb/veb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vf_stats stats[VEB_PORTS_MAX];
	auto_of(veb_out_free) struct veb_out *out = veb_out_new(stats);
	auto_of(veb_snap_free) struct veb_snap *snap = NULL;
	const struct vlan_set none = { .set = true };
	const struct mac own = { { 2, 0, 0, 0, 0, 1 } };
	struct veb_port *ports[4];
	struct frame f = { 0 };
	uint16_t h[5];
	int used;

	for (uint16_t i = 0; i < 4; i++)
		ports[i] = veb_port_new(&(struct veb_port_conf){
			.id = i, .kind = i == 3 ? VEB_UPLINK : VEB_VF, .vlan = i == 1 ? 5 : 0,
			.flags = VEB_LINK_UP | (i == 2 ? VEB_DHCP : VEB_SPOOFCHK | VEB_LEARN),
			.mtu = 1500, .trunk = i == 0 ? &none : NULL, .n_macs = 1, .macs = &own });
	veb_snap_build(ports, 4, 0, &snap, NULL);
	for (unsigned int i = 0; i < 4; i++)
		veb_port_put(ports[i]);
	if (size < sizeof(h))
		return 0;
	memcpy(h, data, sizeof(h));
	data += sizeof(h);
	size -= sizeof(h);
	used = frame_parse(&f, data, (uint32_t)size);
	if (!used || !frame_set_offload(&f, h[0] & 0xff, h[0] >> 8, h[2], h[3], h[4]))
		return 0;
	f.data = (struct frame_seg){ data + used, (uint32_t)size - (uint32_t)used };
	frame_set_hdr_len(&f);
	for (uint16_t i = 0; i < 4; i++)
		assert(veb_forward(snap, i, &f, 1, out) == 1);
	assert(frame_mtu_bytes(&f) <= FRAME_LEN_MAX * 3);
	return 0;
}
