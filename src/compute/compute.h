/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compute service (Nova's API, 2.1 to 2.73) inside the room: what its files
 * share. Documents: /flavor/ID, /keypair/ID, /server/ID; a server's wish for its
 * host's agent is /host/HOST/server/ID (docs/agent-api.md).
 */
#ifndef ANYVF_COMPUTE_COMPUTE_H
#define ANYVF_COMPUTE_COMPUTE_H

#include "engine/feature.h"
#include "hosts/placement.h"

#define COMPUTE_MINOR_MAX 73 /* the newest microversion served: 2.73 */

extern const struct feature compute_feature;
extern const struct absent compute_absent[];
extern const struct resource flavor_resource, server_resource, server_group_resource,
	deleted_server_resource, migration_resource;
extern const struct route flavor_routes[], keypair_routes[], quota_routes[], host_routes[],
	server_routes[], boot_routes[], list_routes[], group_routes[], tag_routes[], usage_routes[],
	aggregate_routes[], image_proxy_routes[], migration_routes[];

#define NAME_KEY_LEN 33

/* version.c */
int version_begin(struct call *c);
unsigned int compute_minor(const struct call *c);
int version_until(struct call *c, unsigned int last);

/* compute.c: what every answer needs */
json_t *compute_links(const struct call *c, const char *collection, const char *id);
json_t *compute_bookmark(const struct call *c, const char *collection, const char *id);
const json_t *compute_body(struct call *c, const char *envelope);
const char *compute_why(const struct call *c, const struct err *why);

/* page.c: lists that are made here. When what is listed changed, in seconds since 1970: */
struct span {
	int64_t since, before;
};

int compute_span(struct call *c, struct span *out);
bool span_has(const struct span *span, const json_t *doc);
json_t *compute_stamp(const json_t *doc, const char *member);
int compute_limit(struct call *c, long *out);
int compute_no_marker(struct call *c, const char *marker);
int compute_page(struct call *c, const char *key, json_t **list, json_t **next);
int compute_sort(json_t *list, int (*compare)(const void *a, const void *b));
void name_key(const char *name, char out[NAME_KEY_LEN]);

/* compute/flavor.c */
json_t *flavor_embed(const json_t *flavor);

/* compute/keypair.c */
const json_t *keypair_of(struct call *c, const char *user_id, const char *name);

/* compute/groups.c */
const struct resource *groups_resource(const struct call *c, const char *one);
bool groups_has(const json_t *list, const json_t *value);
const json_t *groups_named(struct call *c, const char *name);
json_t *groups_of_server(struct call *c, const json_t *server);

/* compute/groups_proxy.c */
int groups_change(struct call *c, const char *name, bool add);

/* compute/aggregate.c */
const char *host_zone(struct call *c, const char *host);
json_t *zones_all(struct call *c);

/* compute/images.c */
int images_check_metadata(struct call *c, const json_t *metadata);

/* compute/snapshot.c */
int snapshot_make(struct call *c, json_t *server, const char *name, const json_t *metadata);
int snapshot_drop(struct call *c, const json_t *server);
int snapshot_report(struct call *c, json_t *server, const json_t *said);

/* compute/quota.c */
enum compute_quota {
	QUOTA_INSTANCES,
	QUOTA_CORES,
	QUOTA_RAM,
	QUOTA_KEYPAIRS,
	QUOTA_METADATA,
	QUOTA_FILES,
	QUOTA_FILE_SIZE,
	QUOTA_GROUPS,
	QUOTA_MEMBERS
};
extern const struct tally *const quota_tallies[];
int64_t quota_limit(struct call *c, const char *project_id, enum compute_quota what);
int quota_check_servers(struct call *c, const json_t *flavor, unsigned int n);
int quota_check_resize(struct call *c, const json_t *server, const json_t *flavor);

/* compute/view.c */
json_t *server_addresses(struct call *c, const json_t *server);
json_t *server_view(struct call *c, const json_t *server);
json_t *server_view_changed(struct call *c, const json_t *server);
json_t *server_view_brief(struct call *c, const json_t *server);

/* compute/request.c */
unsigned int networks_usable(struct call *c, const json_t **one);
int server_check_name(struct call *c, const char *name);
int server_check_metadata(struct call *c, const json_t *metadata);
int server_check_tags(struct call *c, const json_t *tags);
int server_valid_access(struct call *c, const char *field, json_t **value);

/* compute/server.c */
const json_t *server_find(struct call *c, const char *id);
int server_put(struct call *c, json_t *server_taken);
int server_check_size(struct call *c, const json_t *server);
int server_changed(struct call *c, const json_t *server);
int server_remove(struct call *c);
int server_end(struct call *c, const json_t *server);
void server_note_action(struct call *c, json_t *server, const char *action);

/* compute/kept.c */
int kept_make_room(struct call *c, const struct resource *r, const char *stamp,
		   const char *project);
int kept_sweep(struct call *c, const struct resource *r, const char *stamp);

/* compute/migration.c */
int migration_begin(struct call *c, json_t *server, const char *status);
int migration_follow(struct call *c, json_t *server);
int migration_end(struct call *c, const json_t *server);
int migration_sweep(struct call *c);

/* compute/deleted.c */
int deleted_keep(struct call *c, const json_t *server);
int deleted_sweep(struct call *c);

/* compute/wish.c */
extern const struct hook compute_hooks[];
extern const struct host_feature compute_hosts;

#endif
