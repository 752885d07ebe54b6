/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identity v3: users, projects, roles, who has which role where, and tokens.
 * The engine asks by struct authority who is behind a token; the rest is the room's own.
 */
#ifndef ANYVF_IDENTITY_IDENTITY_H
#define ANYVF_IDENTITY_IDENTITY_H

#include "engine/feature.h"
#include "engine/lists.h"
#include "identity/guard.h"

#define PASSWORD_HASH_LEN 128 /* with its NUL, as crypto_pwhash_STRBYTES */

extern const struct feature identity_feature;
extern const struct absent identity_absent[];
extern const struct resource domain_resource, project_resource, user_resource, role_resource;
extern const struct resource group_resource, membership_resource;
extern const struct resource service_resource, endpoint_resource, region_resource;
extern const struct resource appcred_resource, access_rule_resource;
extern const struct route auth_routes[], grant_routes[], catalog_routes[], appcred_routes[];
extern const struct route assignment_routes[], membership_routes[], role_routes[],
	project_tag_routes[];
extern const struct route access_routes[], project_routes[];

/* What call_kept() has of the feature. */
struct identity_kept {
	struct guard *guard;
	struct known *known;
};

int identity_authenticate(struct call *c, const char *token, struct auth *out);

#define TOKEN_ID_LEN	32 /* characters of an audit id */
#define TOKEN_CHAIN_MAX 16 /* tokens made one from another */

/* What a token says; it is signed, not stored. */
struct token {
	char user_id[64];
	char scope[80];	   /* "project:ID", "domain:ID", "system", or "" */
	char methods[32];  /* how one logged in, and ",token" if it was made of another */
	char audit_id[40]; /* names this token */
	char chain[TOKEN_CHAIN_MAX * TOKEN_ID_LEN + 1]; /* those it came from, the login's first */
	char credential_id[64];	       /* the application credential it is of, or "" */
	int64_t issued_us, expires_us; /* wall clock */
};
int token_make_key(struct call *c);
int token_rotate_key(struct call *c);
int64_t token_lifetime_us(const struct call *c);
int token_sign(struct call *c, const struct token *t, char **out);
int token_read(struct call *c, const char *text, struct token *out);
json_t *token_roles(struct call *c, const struct token *t, unsigned int *mask);
void token_caller(struct call *c, const struct token *t, struct auth *out);
int token_revoke(struct call *c, const struct token *t);
int token_purge(struct call *c);

/* Grants (grant.c): of whom, where, which role. */
struct grant_place {
	const struct resource *of; /* project_resource, domain_resource; NULL: the system */
	const char *id;
	bool inherited; /* by the projects below it */
};
#define GROUP_PREFIX  "group:" /* of a group as one who has grants */
#define GROUP_WHO_LEN 80
void grant_who(const char *group_id, char out[GROUP_WHO_LEN]);
int grant_put(struct call *c, const char *who, const char *scope, const char *role_id);
struct grant_place grant_place(const char *scope);
bool grant_stands(struct call *c, const json_t *grant);
bool grant_is_below(struct call *c, const json_t *project, const struct resource *of,
		    const char *id);
struct cursor grant_heirs(struct call *c, const struct grant_place *at);
bool grant_next_heir(struct call *c, const struct grant_place *at, struct cursor *it);
json_t *grant_roles(struct call *c, const char *user_id, const char *scope, unsigned int *mask);
json_t *grant_some(struct call *c, const char *user_id, const char *scope, const json_t *some,
		   unsigned int *mask);
json_t *grant_places(struct call *c, const char *user_id, const struct resource *r);
bool grant_beyond(const struct call *c, const char *who, const char *scope);
bool grant_may_change(const struct call *c, const json_t *doc, const char *who, const char *scope);

/* Roles and what they imply (roles.c). */
int roles_start(struct call *c);
void roles_spread(struct call *c, json_t *ids);
json_t *roles_of(struct call *c, json_t *ids, unsigned int *mask);
unsigned int roles_mask(struct call *c, const char *id);
bool roles_rule_stands(struct call *c, const json_t *rule);

/* Who is in which group (member.c). */
struct cursor member_groups(struct call *c, const char *user_id);
bool member_next_group(struct call *c, struct cursor *it);
bool member_is(struct call *c, const char *user_id, const char *group_id);
bool member_stands(struct call *c, const json_t *membership);

/* Passwords: work for call_job(). */
struct password {
	char *text;		      /* what the client says */
	char old[PASSWORD_HASH_LEN];  /* the hash that stood there, or "" */
	char hash[PASSWORD_HASH_LEN]; /* out: of a new password */
	bool ok;		      /* text fits old, or hash was made */
	struct guard *guard;	      /* told of the outcome; NULL: of a new password */
	struct guard_key who;	      /* who tries */
	uint64_t wait_ms;	      /* nothing was compared: he must wait so long */
	unsigned int hashed;	      /* out: how often Argon2 ran: once, whoever asks */
};
struct password *password_new(const char *text, const char *old);
void password_free(void *password);
int password_check(struct call *c, const char *user, const char *text, const char *hash);
void password_hash(void *password);

json_t *identity_catalog(struct call *c, const char *project_id, const char *user_id);
int catalog_start(struct call *c);
int identity_bootstrap(struct call *c);
int identity_purge(struct call *c);
int identity_check_tags(struct call *c, const char *field, json_t **value);

/* Application credentials (appcred.c). */
bool appcred_stands(struct call *c, const json_t *doc);
const json_t *appcred_holds(struct call *c, const char *id);
int64_t appcred_expires_us(const json_t *doc, int64_t wanted);
json_t *appcred_roles(struct call *c, const json_t *doc, unsigned int *mask);

/* Access rules of application credentials (access.c). */
bool access_rule_stands(struct call *c, const json_t *doc);
bool access_allows(const struct call *c, const json_t *credential);
int access_take(struct call *c, json_t *doc);

/* Options (options.c). */
int options_of_user(struct call *c, const char *field, json_t **value);
int options_of_others(struct call *c, const char *field, json_t **value);
int options_settle(struct call *c, const struct resource *r, json_t *doc, const json_t *old);
int options_allow_end(struct call *c, const struct resource *r, const json_t *doc);

/* Projects within each other (tree.c). */
int tree_valid_domain(struct call *c, const char *field, json_t **value);
int tree_check(struct call *c, json_t *doc, const json_t *old);
int tree_show(struct call *c, json_t *out);

/* Documents and their names (names.c). */
bool identity_asks(const struct call *c, const char *name);
int identity_valid_name(struct call *c, const char *field, json_t **value);
int identity_take_name(struct call *c, const char *field, json_t **value);
bool identity_stands(struct call *c, const json_t *doc);
bool identity_there(struct call *c, const struct resource *r, const char *id);
const json_t *identity_find_reached(struct call *c, const struct resource *r, const char *id);
int identity_set_domain(struct call *c, json_t *doc);
bool identity_enabled(struct call *c, const json_t *doc);
int identity_password_over(struct call *c, const json_t *user);
const json_t *identity_by_name(struct call *c, const struct resource *r, const char *name,
			       const char *domain_id);
int identity_claim_name(struct call *c, const struct resource *r, const json_t *doc,
			const json_t *old);
int identity_free_name(struct call *c, const struct resource *r, const json_t *doc);

#endif
