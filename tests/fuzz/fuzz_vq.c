/* SPDX-License-Identifier: Apache-2.0 */
/* A guest's memory is the input: two rings and whatever they point at. Nothing outside may be touched. */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>

#include "sw/vq.h"

#define RING 8
#define MEM 8192 /* tx ring at 0, rx ring at 512, the rest is buffers */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct port_burst burst;
	static uint8_t scratch[PORT_SCRATCH];
	static struct dp_mirror_stats mirrors[VEB_MIRRORS_MAX];
	uint8_t *mem = aligned_alloc(16, MEM);
	struct gmem gmem = { 2, { { 0, 6000, mem }, { 6000, MEM - 6000, mem + 6000 } } };
	struct port_item items[PORT_BURST];
	struct vf_stats stats = { 0 };
	struct port_batch batch = { .items = items, .stats = &stats, .mirrors = mirrors, .scratch = scratch };
	struct vq_conf conf = { .size = RING, .mem = &gmem, .call_fd = -1 };
	struct vq_mark marks[2] = { { 0 } };
	uint64_t done[2][RING] = { { 0 } };
	struct vq vqs[2];

	memset(mem, 0, MEM);
	memcpy(mem, data, size < MEM ? size : MEM);
	conf.features = (size & 1 ? 1ull << VIRTIO_NET_F_MRG_RXBUF : 0) |
			(size & 2 ? 1ull << VIRTIO_F_RING_PACKED : 0) |
			(size & 4 ? 1ull << VIRTIO_RING_F_EVENT_IDX : 0);
	conf.avail_next = size & 2 ? 0x8000 : 0;
	for (int i = 0; i < 2; i++) {
		conf.desc = (mem + 512 * i);
		conf.driver = (mem + 512 * i + 128);
		conf.device = (mem + 512 * i + 256);
		conf.mark = &marks[i];
		conf.done = done[i];
		if (!vq_init(&vqs[i], &conf))
			abort();
	}
	burst = (struct port_burst){ .max = PORT_BURST, .max_bytes = UINT32_MAX };
	vq_take(&vqs[0], &burst);
	for (unsigned int i = 0; i < burst.n; i += items[batch.n++].n) /* runs of 1, 2, 3, 1, ... */
		items[batch.n] = (struct port_item){ &burst.frames[i],
						     { i & 1 ? 0x81000064 : 0, 0 }, 0,
						     (uint16_t)MIN(batch.n % 3 + 1, burst.n - i) };
	vq_deliver(&vqs[1], &batch);
	vq_give_back(&vqs[0]);
	free(mem);
	return 0;
}
