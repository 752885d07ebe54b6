/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control protocol: JSON-RPC 2.0, one object a line (at most CTL_LINE_MAX
 * bytes) over a Unix stream socket. The server maps methods to struct pf_ops;
 * the client has one call for any method and one to find a PF's daemon.
 *
 * Methods (params -> result); member names are the words of the field tables:
 *   pf.add      {name, uplink, uplink_arg, host_if, numvfs, mode, ...} -> {}
 *   pf.del      {pf, reset?}                                  -> {}
 *   pf.set      {pf, by_agent?, set: {...}, vfs: [{vf, set?: {...}, trunk_add?, trunk_rem?,
 *                                                  allowed_add?, allowed_rem?}]} -> {}
 *   pf.list     {}                                            -> [name]
 *   pf.get      {pf, vfs: bool}  -> {config, status, vfs?: [vf.get's result]}
 *   pf.drift    {pf}             -> [{vf? | mirror?, word, asked, is, since}]
 *   pf.counts   {pf}             -> {pf: pf.get's result, columns: ["stats.rx_packets", ...],
 *                   vfs: ["7 - 0*12 ... MAC PCI_SLOT"], owners: [null | [port_id, server]]}: a number
 *                   a column, - is not told, 0*12 stands in 12 columns; waits.N: frames that waited
 *                   no longer than vf_wait_ends[N], waits.ns: their sum
 *   vf.get      {pf, vf}         -> {vf, config, attach, status, stats}
 *   vf.drops    {pf, vf}         -> {vf, drops: [{reason, count, last?: {age_ms, length, dst?,
 *                   src?, tags: [{protocol, vlan, priority}], ethertype?}}]}
 *                   or, where nobody tells reasons, {vf, rx_dropped?, tx_dropped?, not_told}
 *   vf.attach   {pf, vf, kind, socket?, client?, tap?, netns?, name?} -> {socket}
 *   vf.detach   {pf, vf}                                      -> {}
 *   vf.release  {pf, vf}                                      -> {}
 *   vf.filter   {pf, vf, filter: {main_mac, macs, mcasts, promisc, allmulti} | null} -> {}
 *   svc.add     {pf, name, mac, vlan, mtu, netns}             -> {}
 *   svc.del     {pf, name}                                    -> {}
 *   svc.set     {pf, name, vlan}                              -> {}
 *   svc.list    {}                                            -> [{...}]
 *   mirror.add  {name, from?, from_pf, from_vf | from_vlan, dir?, to?, to_pf, to_vf | tap | file | remote, id?, version?,
 *                vlans?, ether?, pcap?, snap?}                -> {}
 *   mirror.set  {name, words of mirror.add that change}       -> {}
 *   mirror.del  {name}                                        -> {}
 *   mirror.list {}                                            -> [{config..., mirrored, dropped | by, lacks}]
 *   capture     {words of mirror.add but name and to; drops?}, with a descriptor  -> {}; frames go
 *                as pcapng into the descriptor, a stream socket, until its other end writes no more
 *   host.get    {} -> {pfs, mirrors, leased: {PF: {N: port}}, unasked} as in a host's file (ctl/host.h)
 *   apply.get   {} -> {pending?: {id, seconds, parts}, last?: {id, at, parts}}
 *   apply.begin {id, seconds, parts?, host: {pfs, mirrors} | last: id, force?, dry?, is?: hash, joined?} -> {}; what
 *                  waits then for apply.end, or seconds (ctl/apply.h)
 *   apply.end   {id, keep}                                    -> {kept}
 *   worker.list {}  -> [{busy_ns, idle_ns, wakeups, frames, bursts: [those of up to 1, 2, 4, ... 128]}]
 *   daemon.info {}                                            -> {kind, version, pid, netns,
 *                  changes: calls since its start that were more than reading}
 *
 * An error is {code, message}: code is the negative errno, or JSON-RPC's own
 * -32700 (parse), -32600 (request), -32601 (method), -32602 (params); to a caller
 * of ctl_call() they are -EPROTO, -EPROTO, -ENOSYS and -EINVAL.
 */
#ifndef ANYVF_CTL_CTL_H
#define ANYVF_CTL_CTL_H

#include "base/loop.h"
#include "model/pf_ops.h"

#define CTL_LINE_MAX (1U << 20)
#define CTL_OUT_MAX (4U << 20)		  /* unread replies a client may pile up */
#define CTL_CLIENTS_MAX 64		  /* the next one replaces the longest idle */
#define CTL_READERS_MAX	  16		    /* likewise of a reading socket */
#define CTL_READ_LINE_MAX 4096		    /* and what they may ask in a line */
#define CTL_READING_GROUP "anyvf-read"	    /* may use the reading sockets */
#define CTL_TIMEOUT_MS 10000		  /* what a person waits for a daemon */
#define CTL_RUN_DIR "/run/anyvf"	  /* unless ANYVF_RUN_DIR says otherwise */

struct ctl_server;

/* The socket gets mode 0660. @ops and @ctx outlive the server. */
int ctl_serve(struct loop *loop, const char *path, const struct pf_ops *ops, void *ctx,
	      struct ctl_server **out, struct err *e);
/* On a socket that listens already and stays the caller's. */
int ctl_serve_on(struct loop *loop, int fd, const struct pf_ops *ops, void *ctx,
		 struct ctl_server **out, struct err *e);
/* Likewise, but for methods that only read; on a socket for whoever may know but not change. */
int ctl_serve_reading_on(struct loop *loop, int fd, const struct pf_ops *ops, void *ctx,
			 struct ctl_server **out, struct err *e);
void ctl_server_drain(struct ctl_server *srv);
void ctl_server_free(struct ctl_server *srv);
AUTO_DEFINE(struct ctl_server *, ctl_server_free)

struct ctl_client;

const char *ctl_run_dir(void);
int ctl_open(const char *path, struct ctl_client **out, struct err *e);
int ctl_open_within(const char *path, unsigned int timeout_ms, struct ctl_client **out,
		    struct err *e);
int ctl_open_reading(const char *run_dir, unsigned int i, bool full, unsigned int timeout_ms,
		     struct ctl_client **out, struct err *e);
bool ctl_is_over(int rc);
bool ctl_has_run(const char *run_dir, const char *sock);
void ctl_close(struct ctl_client *c);
AUTO_DEFINE(struct ctl_client *, ctl_close)
/* Takes @params (may be NULL). Blocks up to timeout_ms. *result may be NULL if not wanted. */
int ctl_call(struct ctl_client *c, const char *method, json_t *params, int timeout_ms,
	     json_t **result, struct err *e);
/* The next call takes a descriptor along, which stays ours. */
void ctl_give(struct ctl_client *c, int fd);
/* Asks swd.sock and hwd.sock of the run directory which of them has the PF. */
int ctl_open_pf(const char *run_dir, const char *pf, struct ctl_client **out, struct err *e);
/* The names of the sockets ctl_open_pf() asks, in the run directory; ends with NULL. */
extern const char *const ctl_socks[];
/* And of those beside them where methods that read are taken, and no others. */
extern const char *const ctl_reading_socks[];

/* Struct <-> JSON of whole nouns, shared by server and clients. */
json_t *ctl_vf_info_to_json(unsigned int vf, const struct vf_info *info);
json_t *ctl_vf_drops_to_json(unsigned int vf, const struct vf_drop drops[DROP_N]);
json_t *ctl_vf_dropped_to_json(unsigned int vf, const struct vf_info *info);
int ctl_vf_info_from_json(const json_t *j, struct vf_info *out, struct err *e);
json_t *ctl_pf_info_to_json(const struct pf_info *info);
int ctl_pf_info_from_json(const json_t *j, struct pf_info *out, struct err *e);
json_t *ctl_vf_change_to_json(const struct vf_change *change);
int ctl_vf_change_from_json(const json_t *j, struct vf_change *out, struct err *e);
json_t *ctl_vf_filter_to_json(const struct vf_filter *filter);
int ctl_vf_filter_from_json(const json_t *j, struct vf_filter *out, struct err *e);
void ctl_vf_filter_fini(struct vf_filter *filter);

#endif
