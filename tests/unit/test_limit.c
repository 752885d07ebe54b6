/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims about limits of connections, as tables of what happens and who has to go for it. 52
 * connections are 4 strangers (1 an address), 16 tenants (8), 32 agents (16); a second of patience.
 */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "http/limit.h"

#define PEERS 40
#define NONE  -1

enum op { ENTER, RISE, WAIT, SERVE, SEND, KEEP, LEAVE, OVERDUE, HOLD, END };
struct step {
	enum op op;
	int who;	   /* peer; of OVERDUE: who is expected */
	uint64_t now_ms;   /* or: bytes of HOLD, KEEP */
	const char *where; /* ENTER: address */
	unsigned int what; /* RISE: class; SEND: bytes; HOLD: errno */
	int goes;	   /* ENTER, RISE, KEEP: who has to go; NONE */
};
#define E(who, now, where, goes) { ENTER, who, now, where, 0, goes }
#define R(who, now, class, goes) { RISE, who, now, NULL, class, goes }
#define W(who, now)		 { WAIT, who, now, NULL, 0, NONE }
#define S(who)			 { SERVE, who, 0, NULL, 0, NONE }
#define A(who, now, bytes)	 { SEND, who, now, NULL, bytes, NONE }
#define K(who, bytes, goes)	 { KEEP, who, bytes, NULL, 0, goes }
#define L(who)			 { LEAVE, who, 0, NULL, 0, NONE }
#define O(who, now)		 { OVERDUE, who, now, NULL, 0, NONE }
#define H(who, bytes, rc)	 { HOLD, who, bytes, NULL, rc, NONE }

struct claim {
	const char *name;
	struct step steps[24];
};

static const struct claim claims[] = {
	{ "the stranger that waits longest makes room",
	  { E(0, 0, "10.0.0.1", NONE), E(1, 1, "10.0.0.2", NONE), E(2, 2, "10.0.0.3", NONE),
	    E(3, 3, "10.0.0.4", NONE), W(0, 4), E(4, 5, "10.0.0.5", 1), E(5, 6, "10.0.0.6", 2),
	    { END } } },
	{ "who is served does not, nor who is sent an answer while somebody waits",
	  { E(0, 0, "10.0.0.1", NONE), S(0), E(1, 1, "10.0.0.2", NONE), S(1), A(1, 1, 10),
	    E(2, 2, "10.0.0.3", NONE), E(3, 3, "10.0.0.4", NONE), E(4, 5, "10.0.0.5", 2),
	    { END } } },
	{ "a newcomer goes itself if all are being served",
	  { E(0, 0, "10.0.0.1", NONE), S(0), E(1, 0, "10.0.0.2", NONE), S(1),
	    E(2, 0, "10.0.0.3", NONE), S(2), E(3, 0, "10.0.0.4", NONE), S(3),
	    E(4, 5, "10.0.0.5", 4), L(4), L(0), E(4, 5, "10.0.0.5", NONE), { END } } },
	{ "who does not take the answer makes room where nobody waits",
	  { E(0, 0, "10.0.0.1", NONE), S(0), E(1, 1, "10.0.0.2", NONE), S(1), A(1, 1, 10),
	    E(2, 2, "10.0.0.3", NONE), S(2), A(2, 2, 10), E(3, 3, "10.0.0.4", NONE), S(3),
	    E(4, 4, "10.0.0.4", 4), A(3, 4, 10), E(4, 5, "10.0.0.4", 3), S(4),
	    E(3, 6, "10.0.0.5", 1), S(3), E(1, 7, "10.0.0.6", 2), { END } } },
	{ "an address makes room among its own",
	  { E(0, 0, "10.0.0.1", NONE), E(1, 1, "10.0.0.2", NONE), E(2, 2, "10.0.0.2", 1),
	    E(3, 3, "10.0.0.2", 2), S(3), E(4, 3, "10.0.0.2", 4), { END } } },
	{ "an IPv6 network is one address",
	  { E(0, 0, "2001:db8::1", NONE), E(1, 1, "2001:db8::ffff:2", 0),
	    E(2, 2, "2001:db8:0:1::1", NONE), { END } } },
	{ "a good token leaves the strangers' places to others",
	  { E(0, 0, "10.0.0.1", NONE), R(0, 0, PEER_TENANT, NONE), E(1, 1, "10.0.0.1", NONE),
	    R(1, 1, PEER_AGENT, NONE), E(2, 2, "10.0.0.1", NONE), R(0, 2, PEER_STRANGER, NONE),
	    R(1, 2, PEER_TENANT, NONE), E(3, 3, "10.0.0.1", 2), { END } } },
	{ "who rises has patience by the new class",
	  { E(0, 0, "10.0.0.1", NONE), R(0, 0, PEER_TENANT, NONE), O(NONE, 1000), O(0, 1001),
	    { END } } },
	{ "strangers are waited for a quarter of the time, from the last sign",
	  { E(0, 0, "10.0.0.1", NONE), E(1, 0, "10.0.0.2", NONE), W(0, 100), O(NONE, 250), O(1, 251),
	    O(NONE, 350), O(0, 351), O(NONE, 999), { END } } },
	{ "who waits for us is never overdue",
	  { E(0, 0, "10.0.0.1", NONE), S(0), O(NONE, 1u << 30), { END } } },
	{ "an answer is to be taken at 16 kB/s",
	  { E(0, 0, "10.0.0.1", NONE), S(0), A(0, 0, 16000), E(1, 0, "10.0.0.2", NONE), S(1),
	    A(1, 0, 160), O(1, 1011), O(NONE, 2000), O(0, 2001), { END } } },
	{ "who left is nothing any more",
	  { E(0, 0, "10.0.0.1", NONE), L(0), W(0, 1), S(0), A(0, 1, 1), L(0), O(NONE, 9999),
	    H(0, 1, ENOBUFS), H(0, 0, 0), { END } } },
	{ "memory has limits by address and class",
	  { E(0, 0, "10.0.0.1", NONE), E(1, 0, "10.0.0.2", NONE), E(2, 0, "10.0.0.3", NONE),
	    H(0, 2u << 20, 0), H(0, (2u << 20) + 1, ENOBUFS), H(1, 2u << 20, 0), H(2, 1, ENOBUFS),
	    H(1, 4096, 0), H(2, 4096, 0), H(0, 0, 0), L(1), H(2, 2u << 20, 0), { END } } },
	{ "who has not taken an answer for longest makes room for another's",
	  { E(0, 0, "10.0.0.1", NONE), E(1, 0, "10.0.0.2", NONE), E(2, 0, "10.0.0.3", NONE),
	    A(1, 0, 9u << 20), K(0, 2u << 20, NONE), K(2, 2u << 20, NONE), K(1, 1, 0), S(2),
	    E(0, 0, "10.0.0.1", NONE), K(0, 2u << 20, NONE), K(2, 1, NONE), { END } } },
	{ "an address makes room for answers among its own, but for one",
	  { E(0, 0, "10.0.0.1", NONE), R(0, 0, PEER_TENANT, NONE), E(1, 0, "10.0.0.2", NONE),
	    R(1, 0, PEER_TENANT, NONE), E(2, 0, "10.0.0.2", NONE), R(2, 0, PEER_TENANT, NONE),
	    K(0, 1, NONE), K(1, 128u << 20, NONE), K(2, 1, 1), K(2, 250u << 20, NONE),
	    R(2, 0, PEER_AGENT, NONE), K(2, 1, NONE), { END } } },
	{ "what one holds goes up with it",
	  { E(0, 0, "10.0.0.1", NONE), H(0, 2u << 20, 0), R(0, 0, PEER_TENANT, NONE),
	    H(0, 32u << 20, 0), H(0, (32u << 20) + 1, ENOBUFS), E(1, 0, "10.0.0.1", NONE),
	    H(1, 2u << 20, 0), { END } } },
};

static int goes(const struct peer *peers, const struct peer *p)
{
	return p ? (int)(p - peers) : NONE;
}

static void do_step(struct limits *l, struct peer *peers, const struct step *s)
{
	struct peer *p = s->who >= 0 ? &peers[s->who] : NULL;

	switch (s->op) {
	case ENTER:
		assert_int_equal(goes(peers, limit_enter(l, p, s->where, s->now_ms)), s->goes);
		break;
	case RISE:
		assert_int_equal(goes(peers, limit_rise(l, p, s->what, s->now_ms)), s->goes);
		break;
	case WAIT:
		limit_wait(l, p, s->now_ms);
		break;
	case SERVE:
		limit_serve(l, p);
		break;
	case SEND:
		limit_send(l, p, s->what, 0, s->now_ms);
		assert_int_equal(limit_sending(l), p->group != NULL);
		break;
	case KEEP:
		limit_send(l, p, s->now_ms, s->now_ms, 0);
		assert_int_equal(goes(peers, limit_excess(l, p)), s->goes);
		assert_null(limit_excess(l, p));
		break;
	case LEAVE:
		limit_leave(l, p);
		break;
	case OVERDUE:
		assert_int_equal(goes(peers, limit_overdue(l, s->now_ms)), s->who);
		break;
	case HOLD:
		assert_int_equal(limit_hold(l, p, s->now_ms), -(int)s->what);
		break;
	case END:
		break;
	}
}

static void each_claim_of_the_table(void **state)
{
	for (unsigned int i = 0; i < ARRAY_LEN(claims); i++) {
		struct peer peers[PEERS] = { 0 };
		struct limits *l = limit_new(52, 1000);

		print_message("    %s\n", claims[i].name);
		for (const struct step *s = claims[i].steps; s->op != END; s++)
			do_step(l, peers, s);
		for (unsigned int n = 0; n < PEERS; n++)
			limit_leave(l, &peers[n]);
		assert_false(limit_sending(l));
		limit_free(l);
	}
}

/* Strangers fill their places; those above have theirs, of all addresses and of one. */
static void classes_have_places_of_their_own(void **state)
{
	static const unsigned int max[] = { [PEER_TENANT] = 16, [PEER_AGENT] = 32 };

	for (enum peer_class class = PEER_TENANT; class < PEER_CLASSES; class++) {
		struct limits *l = limit_new(52, 1000);
		struct peer peers[PEERS] = { 0 };
		char address[32];

		for (unsigned int n = 0; n < max[class]; n++) {
			snprintf(address, sizeof(address), "10.0.0.%u", n);
			assert_null(limit_enter(l, &peers[n], address, n));
			assert_null(limit_rise(l, &peers[n], class, n));
		}
		assert_null(limit_enter(l, &peers[max[class]], "10.0.1.1", 100));
		assert_ptr_equal(limit_rise(l, &peers[max[class]], class, 100), &peers[0]);
		for (unsigned int n = 0; n <= max[class]; n++)
			limit_serve(l, &peers[n]);
		assert_null(limit_enter(l, &peers[0], "10.0.1.2", 100));
		assert_null(limit_rise(l, &peers[0], class, 100));
		assert_int_equal(peers[0].class, PEER_STRANGER); /* no place: served all the same */
		limit_free(l);
	}
}

static void one_address_gets_half_of_a_class(void **state)
{
	struct limits *l = limit_new(52, 1000);
	struct peer peers[PEERS] = { 0 };

	for (unsigned int n = 0; n < 17; n++) {
		assert_null(limit_enter(l, &peers[n], "10.0.0.1", n));
		assert_ptr_equal(limit_rise(l, &peers[n], PEER_AGENT, n), n < 16 ? NULL : &peers[0]);
	}
	limit_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_claim_of_the_table),
		cmocka_unit_test(classes_have_places_of_their_own),
		cmocka_unit_test(one_address_gets_half_of_a_class),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
