/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory that went away under us. The front end shares a file and may cut it short at any
 * time; whoever then touches a page that is gone gets SIGBUS: a worker, or librte_vhost's thread.
 * Seals would forbid it, but not every front end sets them. So the page is replaced by zeros, the
 * device counts as broken until it brings other memory, and nobody else notices.
 */
#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "sw/vhost/vhost_priv.h"

/* Whose message librte_vhost's thread is at: it reads rings before we know their table. */
static __thread int serving_vid = -1;

static bool port_holds(const struct vhost_port *vp, const uint8_t *at)
{
	return vp && vp->mem_valid && gmem_holds(&vp->mem, at, 1);
}

/* No lock: a device whose rings run, or whose message is served, is not freed meanwhile. */
static struct vhost_port *owner_of(const uint8_t *at)
{
	for (int vid = 0; vid < DEVICES_MAX; vid++) {
		struct vhost_port *vp = __atomic_load_n(&vhost_lib->by_vid[vid], __ATOMIC_ACQUIRE);

		if (port_holds(vp, at))
			return vp;
	}
	return serving_vid >= 0 ? vhost_lib->by_vid[serving_vid] : NULL;
}

/* Zeros for the page at @at, whatever its size: the kernel splits no huge page. */
static bool page_replace(uint8_t *at)
{
	static const size_t sizes[] = { 4096, 2 << 20, 1 << 30 };

	for (unsigned int i = 0; i < ARRAY_LEN(sizes); i++) {
		uint8_t *page = at - ((uintptr_t)at & (sizes[i] - 1));

		if (mmap(page, sizes[i], PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page)
			return true;
	}
	return false;
}

/* A front end took its memory away: no ring of it is used any more. */
static void port_break(struct vhost_port *vp)
{
	__atomic_store_n(&vp->lost, true, __ATOMIC_RELEASE);
	vhost_rings_break(vp);
}

/* Only what may be called from a signal handler. */
static void on_sigbus(int signo, siginfo_t *si, void *context)
{
	struct vhost_port *vp = si->si_code == BUS_ADRERR ? owner_of(si->si_addr) : NULL;
	int was = errno;

	if (!vp || !page_replace(si->si_addr)) {
		signal(signo, SIG_DFL); /* the access comes again, and ends us */
		return;
	}
	port_break(vp);
	(void)eventfd_write(vhost_lib->wake_fd, 1);
	errno = was;
}

/**
 * vhost_fault_init() - Survive front ends that take their memory away
 *
 * Takes SIGBUS of this process for itself; one that is about no guest's memory ends it as before.
 *
 * Return: 0 or a negative errno.
 * Context: control, when vhost_lib stands and before the first connection.
 */
int vhost_fault_init(void)
{
	struct sigaction act = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_NODEFER };

	return sigaction(SIGBUS, &act, NULL) ? -errno : 0;
}

/**
 * vhost_fault_serving() - Say whose message the calling thread is at
 * @vid: of the connection, or -1: nobody's
 *
 * Context: librte_vhost's thread.
 */
void vhost_fault_serving(int vid)
{
	serving_vid = vid >= 0 && vid < DEVICES_MAX ? vid : -1;
}
