/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any DPDK device as an uplink. This is the only place with mbufs: frames are
 * read where the driver put them, and copied into fresh mbufs on the way out.
 * Offloads are done in software, which every driver agrees with.
 */
#include "sw/port/uplink.h"

#include <errno.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <stdio.h>

#include "base/log.h"
#include "sw/data/offload.h"
#include "sw/data/spin.h"

#define RING_LEN 512  /* descriptors each way */
#define POOL_LEN 8191 /* mbufs: both rings of 2048 (af_xdp fills twice that), bursts in hand */
#define RX_BURST 64   /* most frames of one rx() */
#define TX_BURST 32   /* mbufs handed over at once */

struct dpdk_port {
	struct port port;
	struct port_queue queue;
	uint16_t id;			 /* of DPDK */
	struct spin tx_lock;		 /* guards the device's transmit queue */
	struct rte_mempool *pool;	 /* of both directions */
	unsigned int n_held;		 /* mbufs of the last rx() */
	struct rte_mbuf *held[RX_BURST]; /* freed by rx_done() */
};

/* Where tx() collects what one rte_eth_tx_burst() takes. */
struct tx_run {
	struct dpdk_port *dp;
	struct port_batch *batch;
	const struct port_item *item; /* in work */
	const struct frame *frame;    /* of it, in work */
	bool complete;		      /* all parts of the frame found a place so far */
	unsigned int n;
	struct rte_mbuf *mbufs[TX_BURST];
	struct { /* what is accounted when the mbuf is sent: the frame whose last part it is */
		const struct port_item *item; /* NULL: nothing */
		const struct frame *frame;
	} ends[TX_BURST];
};

static bool rx_take(struct port_burst *b, const struct rte_mbuf *m)
{
	struct frame *f = &b->frames[b->n];
	uint8_t copy[FRAME_PARSE_LEN];
	const uint8_t *head = rte_pktmbuf_read(m, 0, MIN(m->pkt_len, (uint32_t)sizeof(copy)), copy);
	unsigned int used = head ? (unsigned int)frame_parse(f, head, m->pkt_len) : 0;
	struct frame_seg *segs = &b->segs[b->n_segs];
	unsigned int n = 0;

	if (!used || m->nb_segs > PORT_SEGS - b->n_segs) {
		port_refused(b, used || m->pkt_len > FRAME_LEN_MAX ? DROP_OVERSIZE : DROP_RUNT,
			     head, head ? MIN(m->pkt_len, (uint32_t)sizeof(copy)) : 0, m->pkt_len);
		return false;
	}
	frame_set_offload(f, m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_GOOD ? FRAME_DATA_VALID : 0,
			  FRAME_GSO_NONE, 0, 0, 0);
	for (; m; m = m->next) {
		uint32_t skip = MIN(used, (unsigned int)m->data_len);

		used -= skip;
		if (m->data_len > skip || !m->next)
			segs[n++] = (struct frame_seg){ rte_pktmbuf_mtod(m, uint8_t *) + skip,
							m->data_len - skip };
	}
	f->data = segs[0];
	f->more = segs + 1;
	f->n_more = (uint16_t)(n - 1);
	b->n_segs += n;
	b->n++;
	return true;
}

static unsigned int dpdk_rx(struct port_queue *q, struct port_burst *b)
{
	struct dpdk_port *d = container_of(q, struct dpdk_port, queue);
	uint16_t want = (uint16_t)MIN(b->max, (unsigned int)RX_BURST);

	d->n_held = rte_eth_rx_burst(d->id, 0, d->held, want);
	b->more = d->n_held == want;
	for (unsigned int i = 0; i < d->n_held; i++)
		rx_take(b, d->held[i]);
	return b->n;
}

static void dpdk_rx_done(struct port_queue *q)
{
	struct dpdk_port *d = container_of(q, struct dpdk_port, queue);

	rte_pktmbuf_free_bulk(d->held, d->n_held);
	d->n_held = 0;
}

static void tx_flush(struct tx_run *run)
{
	uint16_t sent;

	spin_lock(&run->dp->tx_lock);
	sent = rte_eth_tx_burst(run->dp->id, 0, run->mbufs, (uint16_t)run->n);
	spin_unlock(&run->dp->tx_lock);
	for (unsigned int i = 0; i < run->n; i++)
		if (run->ends[i].item && i < sent)
			port_delivered(run->batch, run->ends[i].item, run->ends[i].frame);
		else if (run->ends[i].item)
			port_dropped(run->batch, run->ends[i].item, run->ends[i].frame,
				     DROP_NO_BUFFER);
	rte_pktmbuf_free_bulk(run->mbufs + sent, run->n - sent);
	run->n = 0;
}

/* Appends @len bytes, in as many mbufs as they need; false if the pool is empty. */
static bool mbuf_append(struct dpdk_port *d, struct rte_mbuf *head, const uint8_t *bytes,
			uint32_t len)
{
	while (len) {
		struct rte_mbuf *last = rte_pktmbuf_lastseg(head);
		uint32_t part = MIN(len, (uint32_t)rte_pktmbuf_tailroom(last));

		if (!part) {
			last->next = rte_pktmbuf_alloc(d->pool);
			if (!last->next)
				return false;
			head->nb_segs++;
			continue;
		}
		memcpy(rte_pktmbuf_mtod_offset(last, uint8_t *, last->data_len), bytes, part);
		last->data_len = (uint16_t)(last->data_len + part);
		head->pkt_len += part;
		bytes += part;
		len -= part;
	}
	return true;
}

/* One frame that needs no offload (any more). Returns whether there was room for it. */
static bool tx_one(void *arg, const struct frame *f)
{
	struct tx_run *run = arg;
	struct rte_mbuf *m = rte_pktmbuf_alloc(run->dp->pool);
	uint8_t head[FRAME_HDR_MAX];
	bool fits;

	if (run->n == TX_BURST)
		tx_flush(run);
	if (!m)
		return run->complete = false;
	fits = mbuf_append(run->dp, m, head, frame_header(f, run->item->tags, head)) &&
	       mbuf_append(run->dp, m, f->data.base, f->data.len);
	for (unsigned int i = 0; i < f->n_more && fits; i++)
		fits = mbuf_append(run->dp, m, f->more[i].base, f->more[i].len);
	if (!fits) {
		rte_pktmbuf_free(m);
		return run->complete = false;
	}
	run->ends[run->n].item = NULL;
	run->mbufs[run->n++] = m;
	return true;
}

static void dpdk_tx(struct port *port, struct port_batch *b)
{
	struct tx_run run = { .dp = container_of(port, struct dpdk_port, port), .batch = b };

	port_batch_each(b, run.item, run.frame)
	{
		int rc = 0;

		run.complete = true;
		if (offload_needs(run.frame))
			rc = offload_lower(run.frame, b->scratch, tx_one, &run);
		else
			tx_one(&run, run.frame);
		if (rc < 0) {
			port_dropped(b, run.item, run.frame, DROP_OFFLOAD);
		} else if (!run.complete) {
			port_dropped(b, run.item, run.frame, DROP_NO_BUFFER);
		} else {
			run.ends[run.n - 1].item = run.item;
			run.ends[run.n - 1].frame = run.frame;
		}
	}
	if (run.n)
		tx_flush(&run);
}

static void dpdk_status(const struct port *port, struct dp_port_status *out)
{
	struct uplink_state state;

	out->connected = !uplink_dpdk_state(port, &state) && state.carrier;
	out->n_queues = out->connected;
}

static void dpdk_free(struct port *port)
{
	struct dpdk_port *d = container_of(port, struct dpdk_port, port);
	struct rte_eth_dev_info info;
	bool known = !rte_eth_dev_info_get(d->id, &info);

	dpdk_rx_done(&d->queue);
	rte_eth_dev_stop(d->id);
	rte_eth_dev_close(d->id);
	if (known)
		rte_dev_remove(info.device);
	rte_mempool_free(d->pool);
	free(d);
}

static const struct port_ops dpdk_ops = {
	.kind = "dpdk",
	.rx = dpdk_rx,
	.rx_done = dpdk_rx_done,
	.tx = dpdk_tx,
	.status = dpdk_status,
	.free = dpdk_free,
};

/* Finds the port of @devargs, after probing it. */
static int dpdk_probe(const char *devargs, uint16_t *id, struct err *e)
{
	struct rte_dev_iterator it;
	int rc = rte_dev_probe(devargs);

	if (rc == -EFAULT) /* what no bus and no driver can read */
		return err_set(e, -ENODEV,
			       "no driver of DPDK's that is here knows %s (Debian has them in "
			       "librte-meta-net; the switch loads them when it starts)",
			       devargs);
	if (rc < 0)
		return err_set(e, rc == -EEXIST ? -EBUSY : rc, "DPDK cannot open %s: %s", devargs,
			       rte_strerror(-rc));
	*id = RTE_MAX_ETHPORTS;
	RTE_ETH_FOREACH_MATCHING_DEV(*id, devargs, &it)
	{
		rte_eth_iterator_cleanup(&it);
		return 0;
	}
	return err_set(e, -ENODEV, "%s is no network device", devargs);
}

static int dpdk_start(struct dpdk_port *d)
{
	struct rte_eth_conf conf = { 0 };
	struct rte_eth_dev_info info;
	uint16_t n_rx = RING_LEN, n_tx = RING_LEN;
	int rc = rte_eth_dev_info_get(d->id, &info);

	if (rc)
		return rc;
	conf.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	conf.rxmode.offloads = info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
	rc = rte_eth_dev_configure(d->id, 1, 1, &conf);
	if (!rc)
		rc = rte_eth_dev_adjust_nb_rx_tx_desc(d->id, &n_rx, &n_tx);
	if (!rc)
		rc = rte_eth_rx_queue_setup(d->id, 0, n_rx, SOCKET_ID_ANY, NULL, d->pool);
	if (!rc)
		rc = rte_eth_tx_queue_setup(d->id, 0, n_tx, SOCKET_ID_ANY, NULL);
	if (!rc)
		rc = rte_eth_dev_start(d->id);
	if (!rc)
		rte_eth_promiscuous_enable(d->id); /* some drivers are always, and say no */
	return rc;
}

/**
 * uplink_dpdk_open() - Open a DPDK device as an uplink
 * @devargs: as DPDK's --vdev or -a take them: "net_pcap0,iface=eth1", "0000:03:00.0"
 * @out:     the port, for dp_port_add(); its ops->free removes the device
 * @e:       says why not
 *
 * Return: 0, -EBUSY if the device is in use, -ENODEV, -ENOMEM, or the driver's errno.
 * Context: control, after dp_open().
 */
int uplink_dpdk_open(const char *devargs, struct port **out, struct err *e)
{
	struct dpdk_port *d = calloc(1, sizeof(*d));
	char pool[RTE_MEMPOOL_NAMESIZE];
	int rc = d ? dpdk_probe(devargs, &d->id, e) : -ENOMEM;

	if (rc) {
		free(d);
		return err_set(e, rc, "out of memory");
	}
	if (!strncmp(devargs, "net_af_xdp", 10) && !rte_eal_has_hugepages())
		log_warn("af_xdp without huge pages stops under load: start with --huge",
			 "device=%s", devargs);
	snprintf(pool, sizeof(pool), "uplink%u", d->id);
	d->pool = rte_pktmbuf_pool_create(pool, POOL_LEN, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
					  SOCKET_ID_ANY);
	rc = d->pool ? dpdk_start(d) : -ENOMEM;
	if (rc) {
		dpdk_free(&d->port);
		return err_set(e, rc, "DPDK cannot start %s: %s", devargs, rte_strerror(-rc));
	}
	d->port.ops = &dpdk_ops;
	d->port.n_queues = 1;
	d->port.queues[0] = &d->queue;
	d->queue.port = &d->port;
	d->queue.fd = -1;
	d->queue.node = rte_eth_dev_socket_id(d->id);
	d->queue.running = true;
	*out = &d->port;
	return 0;
}

/**
 * uplink_dpdk_state() - Carrier and MTU of a DPDK uplink; for uplink_state()
 * @port: from uplink_dpdk_open()
 * @out:  gets the state
 *
 * Return: 0, or -ENODEV if the device was removed.
 * Context: control.
 */
int uplink_dpdk_state(const struct port *port, struct uplink_state *out)
{
	const struct dpdk_port *d = container_of(port, struct dpdk_port, port);
	struct rte_eth_link link = { 0 };

	if (!rte_eth_dev_is_valid_port(d->id) || rte_eth_link_get_nowait(d->id, &link))
		return -ENODEV;
	out->carrier = link.link_status == RTE_ETH_LINK_UP;
	rte_eth_dev_get_mtu(d->id, &out->mtu);
	return 0;
}
