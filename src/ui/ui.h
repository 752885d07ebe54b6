/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cloud as a page, /anyvf/ui/. Its files are anybody's; all else it does with a token of
 * Keystone's: what it shows is asked for at /anyvf/ui/state, what it changes at the APIs. So there
 * is no session here, and no cookie that another site's page could use.
 */
#ifndef ANYVF_UI_UI_H
#define ANYVF_UI_UI_H

#include "engine/feature.h"
#include "hosts/wishes.h"

extern const struct feature ui_feature;

/* state.c: what is there, and what of it is new */
int ui_state(struct call *c);

/* show.c: what the caller sees, as items with keys */
struct view {
	const char *host; /* whose ports, servers and taps; NULL: those of the caller's project */
	bool hosts;	  /* and all hosts */
	json_t *items;	  /* key: what it is, or null: the caller sees no such thing */
	/* How far view_all() came; zeroed before. */
	unsigned int part, n;	    /* what is being told, and of how much */
	char at[2 * STORE_KEY_LEN]; /* behind what; "": nothing yet */
	bool cut;		    /* there is more of a kind than is told */
};
#define VIEW_MAX 2000u /* of a kind: more is nothing to look at */

int view_all(struct call *c, struct view *v);
int view_changed(struct call *c, struct view *v, const char *key);

/* watch.c: hosts that somebody looks at */
extern const struct wish_kind watch_wish;
int watch_keep(struct call *c, const char *host);
int watch_end(struct call *c);

#endif
