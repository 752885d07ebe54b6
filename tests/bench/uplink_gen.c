/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The far end of an uplink and a guest in one program: frames go out by a netdev as fast as it takes
 * them, and the guest sends one back for each that it gets. Run by tests/bench/uplink; prints JSON.
 *
 *	uplink_gen SECONDS SIZE FLOWS CORE PID NETDEV SOCKET [listen]
 *	uplink_gen SECONDS SIZE FLOWS CORE SWITCH_CORE NETDEV TAP tap
 *
 * Counted is what comes back to the netdev, by the netdev's own counter, and the CPU time of process
 * PID meanwhile; of a guest on a tap that of the process which reads the tap for it.
 */
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include <arpa/inet.h>

#include "flow.h"

#define BATCH 32

static const uint8_t guest_mac[6] = { 2, 0, 0, 0, 0, 1 }, far_mac[6] = { 2, 0, 0, 0, 0, 9 };

static void eth_write(uint8_t *at, const uint8_t *dst, const uint8_t *src)
{
	memcpy(at, dst, 6);
	memcpy(at + 6, src, 6);
	memcpy(at + 12, "\x88\xb5", 2);
}

/* A frame of UDP; its source port is the flow. */
static void udp_write(uint8_t *at, unsigned int flow, unsigned int size)
{
	const uint8_t ip[24] = {
		0x45, 0, 0,    (uint8_t)(size - 14), 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 9, 10, 0,
		0,    1, 0x10, (uint8_t)flow,	     0, 5
	};

	memcpy(at + 12, "\x08\x00", 2);
	memcpy(at + 14, ip, sizeof(ip));
	at[16] = (uint8_t)((size - 14) >> 8);
	at[38] = (uint8_t)((size - 34) >> 8);
	at[39] = (uint8_t)(size - 34);
}

static int netdev_open(const char *netdev)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(netdev) };
	int fd = socket(AF_PACKET, SOCK_RAW, 0), on = 1;

	if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&to, sizeof(to))) {
		perror(netdev);
		exit(1);
	}
	return fd;
}

static uint64_t counter(const char *netdev, const char *name)
{
	unsigned long n = 0;
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/net/%s/statistics/%s", netdev, name);
	f = fopen(path, "re");
	if (!f || fscanf(f, "%lu", &n) != 1)
		exit(1);
	fclose(f);
	return n;
}

/* The switch's. */
static double cpu_s(pid_t pid)
{
	struct timespec ts = { 0 };
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &ts))
		exit(1);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* A process on @core that answers each frame of @tap, until we end. */
static pid_t tap_guest(const char *tap, int core, uint32_t size)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR);
	uint8_t got[2048], frame[2048] = { 0 };
	pid_t pid;

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", tap);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr)) {
		perror(tap);
		exit(1);
	}
	pid = fork();
	if (pid) {
		close(fd);
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pin_to(core);
	eth_write(frame, far_mac, guest_mac);
	while (read(fd, got, sizeof(got)) > 0 && write(fd, frame, size) > 0)
		;
	exit(1);
}

/* The guest's frames, which stay as they are. None is offered yet. */
static void prepare(struct driver_ring *tx, uint32_t size)
{
	uint16_t heads[FLOW_RING];

	for (unsigned int i = 0; i < FLOW_RING; i++) {
		struct driver_buf buf = { driver_alloc(tx->mem, FLOW_ROOM, 64), FLOW_HDR + size };

		eth_write((uint8_t *)buf.at + FLOW_HDR, far_mac, guest_mac);
		heads[i] = (uint16_t)driver_put(tx, &buf, 1, false, DRIVER_DIRECT);
	}
	memcpy(tx->avail->ring, heads, sizeof(heads));
}

/* As many frames as the guest owes, as far as its ring has room. */
static unsigned int answer(struct fe *fe, uint64_t owed)
{
	struct driver_ring *r = fe_ring(fe, 1);
	uint16_t used = __atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE);
	uint16_t room = (uint16_t)(FLOW_RING - (uint16_t)(r->avail->idx - used));
	unsigned int n = owed < room ? (unsigned int)owed : room;

	__atomic_store_n(&r->avail->idx, (uint16_t)(r->avail->idx + n), __ATOMIC_RELEASE);
	fe_kick(fe, 1);
	return n;
}

/* One guest, on a socket or a tap. */
struct guest {
	struct fe *fe; /* NULL: on a tap */
	const char *tap;
	pid_t pid; /* whose CPU time counts */
	uint64_t sum, answered;
};

static struct guest guest_open(char **argv, const char *how, uint32_t size)
{
	struct guest g = { .pid = atoi(argv[5]) };

	if (how && !strcmp(how, "tap")) {
		g.tap = argv[7];
		g.pid = tap_guest(g.tap, atoi(argv[5]), size);
		return g;
	}
	g.fe = flow_guest(argv[7], how);
	prepare(fe_ring(g.fe, 1), size);
	return g;
}

/* All that came to it so far, @got before; only what comes while it @answers is answered. */
static uint64_t guest_turn(struct guest *g, uint64_t got, bool answers)
{
	if (g->tap)
		return counter(g->tap, "tx_packets");
	got += flow_receive(g->fe, &g->sum, 1);
	if (answers)
		g->answered += answer(g->fe, got - g->answered);
	else
		g->answered = got;
	return got;
}

int main(int argc, char **argv)
{
	uint64_t sent = 0, got = 0, first, start, now, end, before, back;
	double cpu;
	struct mmsghdr msgs[BATCH] = { 0 };
	static uint8_t frames[BATCH][2048];
	struct iovec iov[BATCH];
	struct guest guest;
	int fd, n, flows;

	if (argc < 8 || atoi(argv[2]) < 60 || atoi(argv[2]) > 1514)
		return 2;
	pin_to(atoi(argv[4]));
	flows = atoi(argv[3]);
	for (int i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){ frames[i], (size_t)atoi(argv[2]) };
		eth_write(frames[i], guest_mac, far_mac);
		if (flows > 1)
			udp_write(frames[i], (unsigned int)(i % flows),
				  (unsigned int)iov[i].iov_len);
		msgs[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i], .msg_iovlen = 1 };
	}
	guest = guest_open(argv, argv[8], (uint32_t)iov[0].iov_len);
	fd = netdev_open(argv[6]);
	start = now_ns();
	while (!got && now_ns() - start < 10000000000ull) { /* until the switch is ready */
		sendmmsg(fd, msgs, 1, 0);
		got = guest_turn(&guest, got, false);
	}
	first = got;
	before = counter(argv[6], "rx_packets");
	cpu = cpu_s(guest.pid);
	start = now_ns();
	for (end = start + (uint64_t)atoi(argv[1]) * 1000000000ull, now = start; now < end; now = now_ns()) {
		n = sendmmsg(fd, msgs, BATCH, 0);
		sent += n > 0 ? (unsigned int)n : 0;
		if (guest.fe)
			got = guest_turn(&guest, got, true);
	}
	got = guest_turn(&guest, got, true) - first;
	cpu = cpu_s(guest.pid) - cpu;
	back = counter(argv[6], "rx_packets") - before;
	printf("{\"sent_mpps\": %.3f, \"guest_mpps\": %.3f, \"back_mpps\": %.3f, \"cpu_s\": %.3f, "
	       "\"back_m_per_cpu_s\": %.3f}\n",
	       (double)sent * 1000 / (double)(now - start), (double)got * 1000 / (double)(now - start),
	       (double)back * 1000 / (double)(now - start), cpu, (double)back / cpu / 1e6);
	if (guest.fe)
		fe_close(guest.fe);
	return 0;
}
