/* SPDX-License-Identifier: Apache-2.0 */
/*
 * who_hears DST SRC FROM EAR ...: one frame from a netdev, and the netdevs that hear it, a line each. A netdev is NAME or
 * NAME@NETNS. None is made promiscuous: what is heard its NIC let through. How often, and whether the frame is for
 * somebody else by that netdev's own addresses: "v2@v2 1 other".
 *
 * Behind the frame goes one to all: who has heard that has nothing of the first to come. Those who do not hear it are
 * waited for until it is quiet.
 */
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EARS_MAX 16
#define TYPE	 0x88b5 /* for local experiments */
#define QUIET_MS 500
#define SIZE	 60 /* of a frame */

static int home;

/* A packet socket on a netdev, wherever that is. */
static int ear_open(const char *spec)
{
	char name[IF_NAMESIZE] = "", path[128];
	const char *at = strchrnul(spec, '@');
	struct sockaddr_ll addr = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int fd;

	if ((size_t)(at - spec) >= sizeof(name))
		errx(1, "%s", spec);
	memcpy(name, spec, (size_t)(at - spec));
	if (*at) {
		snprintf(path, sizeof(path), "/run/netns/%s", at + 1);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || setns(fd, CLONE_NEWNET))
			err(1, "%s", path);
		close(fd);
	}
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	addr.sll_ifindex = (int)if_nametoindex(name);
	if (fd < 0 || !addr.sll_ifindex || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    setns(home, CLONE_NEWNET))
		err(1, "%s", spec);
	return fd;
}

static void mac_read(const char *text, unsigned char out[ETH_ALEN])
{
	if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", out, out + 1, out + 2, out + 3, out + 4,
		   out + 5) != ETH_ALEN)
		errx(1, "%s is no MAC", text);
}

/* What is there to be read: our frame, one of ours that is for somebody else, the last one, or another. */
enum heard { NOTHING, OURS, OTHERS, LAST };

static enum heard hears(int fd, const unsigned char frame[SIZE], const unsigned char last[SIZE])
{
	unsigned char got[2048];
	struct sockaddr_ll from;
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(fd, got, sizeof(got), MSG_DONTWAIT, (struct sockaddr *)&from, &len);

	if (n < SIZE || from.sll_pkttype == PACKET_OUTGOING)
		return NOTHING;
	if (!memcmp(got, last, SIZE))
		return LAST;
	if (memcmp(got, frame, SIZE))
		return NOTHING;
	return from.sll_pkttype == PACKET_OTHERHOST ? OTHERS : OURS;
}

int main(int argc, char **argv)
{
	unsigned char frame[SIZE] = { 0 }, last[SIZE];
	struct pollfd ears[EARS_MAX];
	int heard[EARS_MAX] = { 0 }, other[EARS_MAX] = { 0 }, n = argc - 4, from, left = n;
	struct timespec now;

	if (n < 1 || n > EARS_MAX)
		errx(2, "who_hears DST SRC FROM EAR ...");
	home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	mac_read(argv[1], frame);
	mac_read(argv[2], frame + ETH_ALEN);
	frame[12] = TYPE >> 8;
	frame[13] = TYPE & 255;
	clock_gettime(CLOCK_MONOTONIC, &now);
	memcpy(frame + 14, &now, sizeof(now));
	for (int i = 0; i < n; i++)
		ears[i] = (struct pollfd){ .fd = ear_open(argv[4 + i]), .events = POLLIN };
	from = ear_open(argv[3]);
	memcpy(last, frame, sizeof(last));
	memset(last, 0xff, ETH_ALEN);
	last[SIZE - 1] = 1; /* the frame may be to all as well */
	if (send(from, frame, sizeof(frame), 0) < 0 || send(from, last, sizeof(last), 0) < 0)
		err(1, "%s", argv[3]);
	while (left && poll(ears, (nfds_t)n, QUIET_MS) > 0) {
		for (int i = 0; i < n; i++) {
			enum heard how = ears[i].revents ? hears(ears[i].fd, frame, last) : NOTHING;

			heard[i] += how == OURS || how == OTHERS;
			other[i] += how == OTHERS;
			if (how == LAST) {
				ears[i].fd = -1;
				left--;
			}
		}
	}
	for (int i = 0; i < n; i++)
		if (heard[i])
			printf("%s %d%s\n", argv[4 + i], heard[i], other[i] ? " other" : "");
	return 0;
}
