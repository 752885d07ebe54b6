/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A feature is a folder: the resources, routes, rows and hooks of one thing the cloud can do. Its
 * one exported symbol is a struct feature; daemons/feature_list.h lists them all, and the engine puts
 * together what they bring when it opens. One that is not in the list leaves no trace. docs/engine.md
 * shows how to make one.
 */
#ifndef ANYVF_ENGINE_FEATURE_H
#define ANYVF_ENGINE_FEATURE_H

#include "engine/engine.h"

/* An API of its own below one prefix: one feature's or several features'. */
struct service {
	const char *type;   /* catalog: "network", "compute"; NULL: not in the catalog */
	const char *name;   /* catalog: "neutron" */
	const char *prefix; /* "/network" */
	const char *url;    /* catalog: below public_url: "/network", "/compute/v2.1" */
	enum fault_style style;
	const char *older,
		*newer; /* paths that begin with the one are those of the other; or NULL */
	int (*begin)(struct call *c); /* before each handler and resource: may refuse; or NULL */
};

/* Rows that a feature adds to another's resource. They come behind its own. */
struct more_fields {
	const char *of;		   /* its kind: "port". No resource of that kind: no rows */
	const struct rfield *rows; /* { NULL } at the end */
};

/*
 * What a feature does when another's document changes: as the members of struct resource, after
 * them and in the order of features; prepare() stands before them all, and completes what they
 * judge. The first fault ends it. Any may be NULL.
 */
struct hook {
	const struct resource *on;
	int (*check)(struct call *c, json_t *doc, const json_t *old);
	int (*created)(struct call *c, const json_t *doc);
	int (*updated)(struct call *c, const json_t *doc, const json_t *old);
	int (*deleted)(struct call *c, const json_t *doc);
	int (*show)(struct call *c, const json_t *doc, json_t *out);
	int (*prepare)(struct call *c, json_t *doc, const json_t *old);
};

/* An entry of Neutron's /v2.0/extensions. */
struct extension {
	const char *alias, *name, *description, *updated;
};

/* Who knows the cloud's users: one feature does. Without it nobody is let in. */
struct authority {
	/* Who is behind a token? 0; a negative errno: nobody. */
	int (*authenticate)(struct call *c, const char *token, struct auth *out);
	const struct resource *users; /* res_find_user(), res_delete_users() */
};

/* What the reference has and we have not, or not like that: who asks is told so. */
struct absent {
	const char *path;    /* as a route's; a "*" at its end: whatever is below, too */
	const char *method;  /* "POST"; NULL: any */
	const char *word;    /* of a body with one member, which names what is asked for; or NULL */
	unsigned int status; /* as the reference answers where that part of it is not there */
	const char *why;     /* a sentence */
};

struct host_feature;

/* What is NULL is not there; lists have a zeroed row at the end. */
struct feature {
	const char *name;
	const struct service *service; /* where its resources and routes are */
	const struct resource *const *resources;
	const struct route *const
		*routes; /* tables of routes; they are looked at before resources */
	const struct extension *extensions;
	const struct absent *absent; /* asked when there is no such route (docs/openstack.md) */
	const struct periodic *periodics;
	const struct tally *const *tallies;
	int (*start)(struct call *c); /* at every start, before the first request */
	const struct more_fields *fields;
	const struct hook *hooks;
	const struct host_feature *hosts; /* what hosts/ asks it */
	const struct authority *authority;
	/* What it keeps in memory, not in documents: call_kept(). Helper threads end before close(). */
	void *(*open)(void); /* for each engine; NULL without memory */
	void (*close)(void *kept);
};

/* The resources of a service's features, or of all: while ((r = resource_next(&it))). */
struct resource_it {
	const struct feature *const *features; /* c->opts->features; moves on */
	const struct service *service;	       /* NULL: all */
	unsigned int i;			       /* next of the feature's */
};
const struct resource *resource_next(struct resource_it *it);

/* Does a feature's service stand here for the first time? So each is met once. */
bool feature_leads(const struct feature *const *all, const struct feature *const *at);

#endif
