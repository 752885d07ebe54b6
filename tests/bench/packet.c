/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a frame from an uplink `dev`, and to one, costs the switch's core: CPU time of packet_rx()
 * and packet_tx() on one end of a veth, without a VM. Best and median of 50 rounds of 4,096 frames;
 * prints JSON. Needs root:
 *
 *	unshare -n sh -c 'ip link add va type veth peer vb; ip link set va up; ip link set vb up;
 *		build/tests/bench/packet va vb [SIZE]'
 */
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "bench.h"
#include "sw/port/fdport.h"

#define ROUNDS 50
#define FRAMES 4096
#define PER_TX 64
#define RCVBUF (16 << 20) /* all of a round */

static struct port_burst burst;
static struct vf_stats stats;
static uint8_t scratch[PORT_SCRATCH],
	bytes[FRAME_LEN_MAX] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5 };
static unsigned int size = 60;

/* A packet socket; as the switch's own if it @hears. */
static int packet_open(const char *netdev, bool hears)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_protocol = hears ? htons(ETH_P_ALL) : 0,
				  .sll_ifindex = (int)if_nametoindex(netdev) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0), on = 1, room = RCVBUF;

	if (hears && (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) ||
		      setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) ||
		      setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) ||
		      setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room))))
		exit(1);
	if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof(to)))
		exit(1);
	return fd;
}

static double cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* The far end sends, then we read all of it. */
static double receive(struct fdport *fp, int far)
{
	unsigned int got = 0;
	double before;

	for (unsigned int i = 0; i < FRAMES; i++)
		if (send(far, bytes, size, 0) != (ssize_t)size)
			exit(1);
	before = cpu_ns();
	do {
		burst.max = PORT_BURST;
		burst.max_bytes = UINT32_MAX;
		burst.n = 0;
		got += packet_rx(&fp->queue, &burst);
	} while (burst.more);
	return (cpu_ns() - before) / MAX(got, 1u);
}

static double transmit(struct fdport *fp, struct port_batch *b)
{
	double before = cpu_ns();

	for (unsigned int i = 0; i < FRAMES / PER_TX; i++)
		packet_tx(&fp->port, b);
	return (cpu_ns() - before) / FRAMES;
}

int main(int argc, char **argv)
{
	static const struct port_ops ops = { .kind = "dev" };
	static struct frame frames[PER_TX];
	struct port_item item = { .frame = frames, .n = PER_TX };
	struct port_batch b = { .items = &item, .n = 1, .stats = &stats, .scratch = scratch };
	double rx[ROUNDS], tx[ROUNDS];
	struct fdport *fp;
	int far;

	if (argc < 3)
		return 2;
	size = argc > 3 ? MAX((unsigned int)atoi(argv[3]), 60u) : size;
	far = packet_open(argv[2], false);
	if (fdport_new(packet_open(argv[1], true), &ops, PACKET_ARENA, &fp, NULL))
		return 1;
	for (unsigned int i = 0; i < PER_TX; i++) {
		memcpy(&frames[i].dst, bytes, FRAME_HDR_LEN);
		frames[i].len = size;
		frames[i].data = (struct frame_seg){ bytes + FRAME_HDR_LEN, size - FRAME_HDR_LEN };
	}
	for (unsigned int i = 0; i < ROUNDS; i++) {
		rx[i] = receive(fp, far);
		tx[i] = transmit(fp, &b);
	}
	qsort(rx, ROUNDS, sizeof(rx[0]), compare_double);
	qsort(tx, ROUNDS, sizeof(tx[0]), compare_double);
	printf("{\"bench\": \"packet\", \"size\": %u, \"rx_ns_min\": %.0f, \"rx_ns_p50\": %.0f, "
	       "\"tx_ns_min\": %.0f, \"tx_ns_p50\": %.0f, \"sent\": %lu, \"lost\": %lu}\n",
	       size, rx[0], rx[ROUNDS / 2], tx[0], tx[ROUNDS / 2], stats.rx_packets,
	       stats.rx_dropped);
	fdport_free(&fp->port);
	close(far);
	return 0;
}
