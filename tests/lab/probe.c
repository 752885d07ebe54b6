/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe N FROM FRAME NETDEV...: sends a frame from one netdev and tells which of the others,
 * and FROM itself, received it: one line each, its name and the frame, tags restored. FRAME is
 * in hex. Waits for N of them, for 5 s at most, and then until nothing more comes for 0.1 s.
 */
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <arpa/inet.h>
#include <unistd.h>

#define NETDEVS_MAX 16
#define FRAME_MAX   128
#define MARK        8 /* the last bytes of a frame, which tell it from others' */

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* A socket that hears what @name receives and not what it sends. */
static int open_on(const char *name)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int fd = socket(AF_PACKET, SOCK_RAW, 0), on = 1;

	at.sll_ifindex = (int)if_nametoindex(name);
	if (fd < 0 || !at.sll_ifindex)
		die(name);
	if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)))
		die(name);
	return fd;
}

/* Takes one frame off @fd, puts the tag that the kernel took off back in; its length. */
static size_t hear(int fd, uint8_t frame[FRAME_MAX + 4])
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	} control;
	struct iovec iov = { .iov_base = frame, .iov_len = FRAME_MAX };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	ssize_t len = recvmsg(fd, &msg, 0);
	struct tpacket_auxdata aux = { 0 };
	uint16_t tag[2];

	if (len < 2 * ETH_ALEN)
		return 0;
	if (CMSG_FIRSTHDR(&msg))
		memcpy(&aux, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(aux));
	if (!(aux.tp_status & TP_STATUS_VLAN_VALID))
		return (size_t)len;
	tag[0] = htons(aux.tp_status & TP_STATUS_VLAN_TPID_VALID ? aux.tp_vlan_tpid : ETH_P_8021Q);
	tag[1] = htons(aux.tp_vlan_tci);
	memmove(frame + 2 * ETH_ALEN + 4, frame + 2 * ETH_ALEN, (size_t)len - 2 * ETH_ALEN);
	memcpy(frame + 2 * ETH_ALEN, tag, sizeof(tag));
	return (size_t)len + 4;
}

static size_t from_hex(const char *text, uint8_t frame[FRAME_MAX])
{
	size_t len = 0;

	for (; len < FRAME_MAX && sscanf(text + 2 * len, "%2hhx", &frame[len]) == 1; len++)
		;
	if (len < 60 || text[2 * len]) {
		fprintf(stderr, "probe: %s is no frame of 60 to %d bytes\n", text, FRAME_MAX);
		exit(1);
	}
	return len;
}

int main(int argc, char **argv)
{
	struct pollfd fds[NETDEVS_MAX];
	uint8_t sent[FRAME_MAX], got[FRAME_MAX + 4];
	int n_heard = 0, n = argc - 4;
	size_t len;

	if (n < 1 || n > NETDEVS_MAX) {
		fprintf(stderr, "usage: probe N FROM FRAME NETDEV...\n");
		return 1;
	}
	len = from_hex(argv[3], sent);
	for (int i = 0; i < n; i++)
		fds[i] = (struct pollfd){ .fd = open_on(argv[4 + i]), .events = POLLIN };
	if (send(open_on(argv[2]), sent, len, 0) != (ssize_t)len)
		die(argv[2]);
	while (poll(fds, (nfds_t)n, n_heard < atoi(argv[1]) ? 5000 : 100) > 0)
		for (int i = 0; i < n; i++) {
			size_t got_len = fds[i].revents ? hear(fds[i].fd, got) : 0;

			if (got_len < MARK || memcmp(got + got_len - MARK, sent + len - MARK, MARK))
				continue;
			n_heard++;
			printf("%s ", argv[4 + i]);
			for (size_t at = 0; at < got_len; at++)
				printf("%02x", got[at]);
			printf("\n");
		}
	return 0;
}
