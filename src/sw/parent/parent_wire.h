/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes over the socket between the switch process and its root parent: one
 * struct there, one struct back, perhaps with a descriptor. Plain bytes: the
 * parent takes none for a bool or a string before parent_judge() has seen it.
 * Users: parent*.c alone.
 */
#ifndef ANYVF_SW_PARENT_PARENT_WIRE_H
#define ANYVF_SW_PARENT_PARENT_WIRE_H

#include <pthread.h>

#include "base/decision.h"
#include "base/fdstore.h"
#include "sw/parent/netdev.h"
#include "sw/parent/parent.h"

#define PARENT_PATH_LEN 255 /* as MIRROR_FILE_LEN; without the NUL */

enum parent_verb {
	VERB_READY,	  /* the child stands */
	VERB_BEAT,	  /* tid; the first with watch_open() of it; has no reply */
	VERB_TAP_OPEN,	  /* name, netns, mac, mac_at_birth, mtu, up, down, rest_at_birth */
	VERB_TAP_CLOSE,	  /* name, netns */
	VERB_TAP_WHERE,	  /* name, netns */
	VERB_NETNS_BORN,  /* netns: digits */
	VERB_PACKET_OPEN, /* name, force */
	VERB_LINKS_FOLLOW,
	VERB_GRE_OPEN,	  /* v6 */
	VERB_FILE_OPEN,	  /* path: of a mirror */
	VERB_SOCKET_LOOK, /* path: of vhost-user, as of the next three */
	VERB_SOCKET_BIND,
	VERB_SOCKET_CONNECT,
	VERB_SOCKET_CLOSE,
	VERB_STATE_READ, /* the state file as it is */
	VERB_STATE_NEW,	 /* a file for the next one */
	VERB_STATE_PUT,	 /* which takes its place */
	VERB_STATE_MORE, /* the state file, to be written to */
	VERB_DECIDE,	 /* name: of a decision beside the state file; mtu: enum decision */
	VERB_N
};

struct request {
	uint32_t verb; /* enum parent_verb */
	int32_t tid;
	uint16_t mtu;
	uint8_t mac_at_birth, rest_at_birth, up, down, force, v6; /* 0 or 1 */
	struct mac mac;
	char name[IFNAMSIZ];
	char netns[VF_NAME_LEN + 1];
	char path[PARENT_PATH_LEN + 1];
};

struct reply {
	int32_t rc;
	uint64_t value;	     /* of VERB_NETNS_BORN and VERB_DECIDE */
	struct tap_place at; /* of VERB_TAP_WHERE, as is the next */
	struct netdev_state state;
	struct err err;
};

/* A tap the child asked for; known by the words of the request, wherever it is by now. */
struct kept {
	struct tap_place asked;
	char netns[VF_NAME_LEN + 1]; /* where it was found last; "?": nobody gets there */
	uint64_t pinned; /* netns_id() of where it was opened: our descriptor keeps that alive */
	int fd;
	char stored[FDSTORE_NAME_LEN + 1]; /* its name in the service manager's store */
	bool ours;			   /* and goes when nobody wants it any more */
	bool claimed;			   /* the present child asked for it */
};

/* By what a tap that we made is known in our next life, too; a line of RUN_DIR/taps. */
struct tap_id {
	struct tap_place asked;
	unsigned int ifindex;
	bool claimed; /* the present child asked for it */
};

/* One that was open in our last life, and that the child has not asked for yet. */
struct stored {
	int fd;
	char name[FDSTORE_NAME_LEN + 1];
	uint64_t netns; /* netns_id() of where it is */
	unsigned int ifindex;
};

/* What the parent has for its children. Writer and reader: the parent. */
struct parent_store {
	const struct parent_opts *opts;
	bool ready;	  /* a child got as far as VERB_READY once */
	bool ids_changed; /* the file is to be written */
	unsigned int n_kept, n_ids, n_stored;
	struct kept *kept;	/* array of n_kept */
	struct tap_id *ids;	/* array of n_ids */
	struct stored *stored;	/* array of n_stored */
	unsigned int last_name; /* number of the last that was given to the service manager */
};

struct parent_facts;
int parent_serve(struct parent_store *s, const struct request *q, struct reply *reply, int *fd,
		 struct err *e);

int parent_decision(const char *state, const char *id, enum decision want, uint64_t *out,
		    struct err *e);

/* parent_taps.c */
void parent_taps_load(struct parent_store *s);
void parent_taps_save(struct parent_store *s);
void parent_taps_unclaim(struct parent_store *s);
void parent_taps_sweep(struct parent_store *s);
void parent_taps_drop(struct parent_store *s, bool remove);
int parent_tap_facts(struct parent_store *s, const struct request *q, struct parent_facts *out,
		     struct err *e);
int parent_tap_serve(struct parent_store *s, const struct request *q,
		     const struct parent_facts *facts, int *fd, struct err *e);
int parent_tap_let_go(struct parent_store *s, const struct request *q, struct err *e);
int parent_tap_tell(struct parent_store *s, const struct request *q, struct reply *out,
		    struct err *e);

/* parent_stored.c */
void parent_stored_load(struct parent_store *s);
int parent_stored_take(struct parent_store *s, const char *netns, unsigned int ifindex,
		       char name[FDSTORE_NAME_LEN + 1]);
void parent_stored_put(struct parent_store *s, int fd, char name[FDSTORE_NAME_LEN + 1]);
void parent_stored_drop(struct parent_store *s, bool remove);

/* parent_files.c: the verbs with a path, already judged. */
int parent_file_open(const struct parent_opts *o, const char *path, int *fd, struct err *e);
int parent_socket_look(const struct parent_opts *o, const char *path, struct err *e);
int parent_socket_bind(const struct parent_opts *o, const char *path, int *fd, struct err *e);
int parent_socket_connect(const struct parent_opts *o, const char *path, int *fd, struct err *e);
int parent_socket_close(const struct parent_opts *o, const char *path, struct err *e);

/* The child's end, of parent_ask.c. */
struct parent {
	int sock;
	pthread_mutex_t lock; /* one question at a time: librte_vhost's threads ask, too */
	bool beaten;	      /* once; of the thread that beats */
};

int parent_call(struct parent *p, const struct request *req, struct reply *reply, int *fd,
		struct err *e);

#endif
