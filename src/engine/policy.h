/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may do what. Each route and each resource names a rule; one table says
 * which roles fulfil it in which scope (docs/policy.md is that table as text,
 * and the test of it). Handlers ask about a document by the words below, and
 * nobody else looks at roles and scopes.
 */
#ifndef ANYVF_ENGINE_POLICY_H
#define ANYVF_ENGINE_POLICY_H

#include "engine/call.h"

enum rule {
	RULE_MISSING,  /* a table that forgot: the daemon does not start */
	RULE_OPEN,     /* no token needed, and none looked at */
	RULE_SELF,     /* whoever has a token: what is the caller's own, and what its hook shows */
	RULE_READ,     /* look at what belongs to the project */
	RULE_WRITE,    /* change it */
	RULE_ADMIN,    /* the cloud's admins */
	RULE_CONTENT,  /* an image's bytes: agents, too */
	RULE_LOOK,     /* look at identities: all, or those of one's domain */
	RULE_MANAGE,   /* change them */
	RULE_VALIDATE, /* ask about somebody else's token; of no route of its own */
	RULE_AGENT,    /* a host's agent */
	RULE_REPLICA,  /* another replica of this API: replica.c */
	RULES
};

bool policy_allows(enum rule rule, const struct auth *auth);
const char *policy_rule_name(enum rule rule);
int policy_judge(struct call *c);
int policy_check(const struct feature *const *features, struct err *e);

/* The caller, as handlers and hooks see it. */
bool caller_may(const struct call *c, enum rule rule);
bool caller_is_admin(const struct call *c);
bool caller_is_in(const struct call *c, const char *project_id);
bool caller_owns(const struct call *c, const char *project_id);
bool caller_is_agent(const struct call *c);
const char *caller_host(const struct call *c);
bool caller_is_agent_of(const struct call *c, const char *host);
bool caller_reaches(const struct call *c, const char *domain_id);
bool caller_may_grant(const struct call *c, const char *scope, unsigned int role);

#endif
