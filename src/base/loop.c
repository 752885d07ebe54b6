/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control loop. One epoll set; timers are a heap, the next one on top: a process that is many
 * hosts has thousands; posts from other threads arrive through an eventfd. Descriptors deleted
 * inside a callback are freed after the turn, so a pending event never meets freed memory.
 */
#include "base/loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>

#define EVENTS_PER_TURN 64
#define FAN_OUT		4 /* of the heap: with two there are twice as many moves, each as cold */

struct loop_fd {
	struct loop *loop;
	int fd;
	uint32_t events; /* that are watched for */
	bool dead;	 /* deleted; freed after the turn */
	loop_fd_fn fn;
	void *arg;
	struct loop_fd *next, **prev; /* in loop->fds or loop->dead */
};

struct loop_timer {
	struct loop *loop;
	uint64_t every_ms; /* 0: once */
	uint32_t id;	   /* of loop->places */
	loop_fn fn;
	void *arg;
};

/* A place in the heap, with all that is compared. */
struct slot {
	uint64_t due_ms; /* CLOCK_MONOTONIC; UINT64_MAX: not armed */
	uint64_t order;	 /* of those that are due together, who was armed first */
	uint32_t id;	 /* whose it is */
};

/*
 * Where a timer is. Not in the timer: to find one's place in the heap is to move others, and theirs
 * is memory that nobody has touched for a second.
 */
struct place {
	struct loop_timer *timer;
	size_t at; /* in loop->heap */
};

struct post {
	loop_fn fn;
	void *arg;
	struct post *next;
};

struct sig {
	int signo;
	loop_fn fn;
	void *arg;
	struct sig *next;
};

struct loop {
	int ep;
	int wake;  /* eventfd: posts are waiting, or loop_stop() was called */
	int sigfd; /* -1 until the first signal is asked for */
	sigset_t sigs;
	bool stopped; /* __atomic: loop_stop() may come from any thread */
	struct loop_fd *fds, *dead;
	struct slot *heap;     /* from 1: who is due first, armed or not */
	struct place *places;  /* by id, of all timers */
	size_t n_timers, room; /* of both */
	uint64_t orders;       /* given so far */
	struct sig *signals;
	pthread_mutex_t posts_lock;
	struct post *posts, **posts_tail;
};

static void run_posts(void *arg, uint32_t events)
{
	struct loop *loop = arg;
	struct post *list;
	uint64_t n;

	if (read(loop->wake, &n, sizeof(n)) < 0 && errno != EAGAIN)
		return;
	pthread_mutex_lock(&loop->posts_lock);
	list = loop->posts;
	loop->posts = NULL;
	loop->posts_tail = &loop->posts;
	pthread_mutex_unlock(&loop->posts_lock);
	while (list) {
		struct post *p = list;

		list = p->next;
		p->fn(p->arg);
		free(p);
	}
}

static void run_signals(void *arg, uint32_t events)
{
	struct loop *loop = arg;
	struct signalfd_siginfo info;

	while (read(loop->sigfd, &info, sizeof(info)) == sizeof(info))
		for (struct sig *s = loop->signals; s; s = s->next)
			if (s->signo == (int)info.ssi_signo)
				s->fn(s->arg);
}

/**
 * loop_now_ms() - The loop's clock
 *
 * Return: CLOCK_MONOTONIC in milliseconds.
 */
uint64_t loop_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/**
 * sleep_ms() - Do nothing for a while
 * @ms: milliseconds
 *
 * Context: any thread but a loop's.
 */
void sleep_ms(unsigned int ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L }, NULL);
}

/**
 * loop_new() - Make an event loop
 * @e: error text, may be NULL
 *
 * Return: the loop, freed with loop_free(); NULL when the kernel or the heap refuses.
 */
struct loop *loop_new(struct err *e)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop) {
		err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	loop->sigfd = -1;
	sigemptyset(&loop->sigs);
	loop->posts_tail = &loop->posts;
	pthread_mutex_init(&loop->posts_lock, NULL);
	loop->ep = epoll_create1(EPOLL_CLOEXEC);
	loop->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->ep < 0 || loop->wake < 0 ||
	    !loop_fd_add(loop, loop->wake, EPOLLIN, run_posts, loop)) {
		err_errno(e, "event loop");
		loop_free(loop);
		return NULL;
	}
	return loop;
}

static void free_fds(struct loop_fd **list)
{
	for (struct loop_fd *s; (s = *list);) {
		*list = s->next;
		free(s);
	}
}

/**
 * loop_free() - Free the loop and every source still in it
 * @loop: may be NULL; not running
 *
 * Posts not yet run are dropped without being called. Descriptors stay open: they are the callers'.
 */
void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	free_fds(&loop->fds);
	free_fds(&loop->dead);
	while (loop->n_timers)
		free(loop->places[--loop->n_timers].timer);
	free(loop->heap);
	free(loop->places);
	while (loop->signals) {
		struct sig *s = take(loop->signals);

		loop->signals = s->next;
		free(s);
	}
	while (loop->posts) {
		struct post *p = take(loop->posts);

		loop->posts = p->next;
		free(p);
	}
	pthread_mutex_destroy(&loop->posts_lock);
	auto_close_(&loop->sigfd);
	auto_close_(&loop->wake);
	auto_close_(&loop->ep);
	free(loop);
}

static void fd_link(struct loop_fd **list, struct loop_fd *s)
{
	s->next = *list;
	s->prev = list;
	if (*list)
		(*list)->prev = &s->next;
	*list = s;
}

static void fd_unlink(struct loop_fd *s)
{
	*s->prev = s->next;
	if (s->next)
		s->next->prev = s->prev;
}

/**
 * loop_fd_add() - Watch a descriptor
 * @loop:   loop
 * @fd:     descriptor, stays the caller's
 * @events: EPOLLIN and so on; EPOLLERR and EPOLLHUP come anyway
 * @fn:     called with @arg and what happened
 * @arg:    for @fn
 *
 * Return: the source, or NULL with errno set.
 * Context: the loop's thread.
 */
struct loop_fd *loop_fd_add(struct loop *loop, int fd, uint32_t events, loop_fd_fn fn, void *arg)
{
	struct loop_fd *s = calloc(1, sizeof(*s));
	struct epoll_event ev = { .events = events, .data.ptr = s };

	if (!s)
		return NULL;
	*s = (struct loop_fd){ .loop = loop, .fd = fd, .events = events, .fn = fn, .arg = arg };
	if (epoll_ctl(loop->ep, EPOLL_CTL_ADD, fd, &ev)) {
		free(s);
		return NULL;
	}
	fd_link(&loop->fds, s);
	return s;
}

/**
 * loop_fd_set() - Change what is watched for
 * @src:    source
 * @events: as in loop_fd_add()
 *
 * Return: 0 or a negative errno.
 */
int loop_fd_set(struct loop_fd *src, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = src };

	if (events == src->events)
		return 0;
	if (epoll_ctl(src->loop->ep, EPOLL_CTL_MOD, src->fd, &ev))
		return -errno;
	src->events = events;
	return 0;
}

/**
 * loop_fd_del() - Stop watching
 * @src: may be NULL; not used again after this
 *
 * Context: the loop's thread, before the descriptor is closed; safe inside any callback.
 */
void loop_fd_del(struct loop_fd *src)
{
	if (!src)
		return;
	epoll_ctl(src->loop->ep, EPOLL_CTL_DEL, src->fd, NULL);
	src->dead = true;
	fd_unlink(src);
	fd_link(&src->loop->dead, src);
}

static bool is_before(const struct slot *s, const struct slot *other)
{
	return s->due_ms != other->due_ms ? s->due_ms < other->due_ms : s->order < other->order;
}

static void put(struct loop *loop, size_t at, const struct slot *s)
{
	loop->heap[at] = *s;
	loop->places[s->id].at = at;
}

static size_t above(size_t at)
{
	return (at + FAN_OUT - 2) / FAN_OUT;
}

/* Of those below, who is due first; a place behind the heap's end: there are none. */
static size_t first_below(const struct loop *loop, size_t at)
{
	const struct slot *heap = loop->heap;
	size_t first = FAN_OUT * (at - 1) + 2, end = MIN(first + FAN_OUT, loop->n_timers + 1);

	for (size_t i = first + 1; i < end; i++)
		if (is_before(&heap[i], &heap[first]))
			first = i;
	return first;
}

/* Finds the place of a timer: @at, or above, or below. */
static void settle(struct loop *loop, size_t at, const struct slot *s)
{
	const struct slot *heap = loop->heap;

	for (; at > 1 && is_before(s, &heap[above(at)]); at = above(at))
		put(loop, at, &heap[above(at)]);
	for (size_t child; (child = first_below(loop, at)) <= loop->n_timers; at = child) {
		if (is_before(s, &heap[child]))
			break;
		put(loop, at, &heap[child]);
	}
	put(loop, at, s);
}

static void arm(struct loop_timer *t, uint64_t due_ms)
{
	struct loop *loop = t->loop;

	settle(loop, loop->places[t->id].at, &(struct slot){ due_ms, loop->orders++, t->id });
}

static int make_room(struct loop *loop)
{
	size_t room = loop->room ? 2 * loop->room : 16;
	struct slot *heap;
	struct place *places;

	if (loop->n_timers + 1 < loop->room)
		return 0;
	heap = reallocarray(loop->heap, room, sizeof(*heap));
	if (!heap)
		return -ENOMEM;
	loop->heap = heap;
	places = reallocarray(loop->places, room, sizeof(*places));
	if (!places)
		return -ENOMEM;
	loop->places = places;
	loop->room = room;
	return 0;
}

/**
 * loop_timer_add() - Call a function later, once or again and again
 * @loop:     loop
 * @first_ms: from now; 0: in the next turn
 * @every_ms: period after that, in which it is called once at most; 0: once
 * @fn:       called with @arg
 * @arg:      for @fn
 *
 * Return: the timer, which stays until loop_timer_del(); NULL when out of memory.
 */
struct loop_timer *loop_timer_add(struct loop *loop, uint64_t first_ms, uint64_t every_ms,
				  loop_fn fn, void *arg)
{
	struct loop_timer *t = make_room(loop) ? NULL : calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	*t = (struct loop_timer){
		.loop = loop, .id = (uint32_t)loop->n_timers++, .fn = fn, .arg = arg
	};
	loop->places[t->id].timer = t;
	put(loop, loop->n_timers, &(struct slot){ UINT64_MAX, 0, t->id });
	loop_timer_set(t, first_ms, every_ms);
	return t;
}

/**
 * loop_timer_set() - Arm a timer anew
 * @timer:    timer, running or spent
 * @first_ms: from now; UINT64_MAX: never
 * @every_ms: period after that; 0: once
 */
void loop_timer_set(struct loop_timer *timer, uint64_t first_ms, uint64_t every_ms)
{
	timer->every_ms = every_ms;
	arm(timer, first_ms == UINT64_MAX ? UINT64_MAX : loop_now_ms() + first_ms);
}

/* Ids are those below n_timers: the timer with the highest one gets this. */
static void take_last_id(struct loop *loop, uint32_t id)
{
	struct place *last = &loop->places[loop->n_timers];

	if (id == loop->n_timers)
		return;
	loop->places[id] = *last;
	loop->heap[last->at].id = id;
	last->timer->id = id;
}

/**
 * loop_timer_del() - Forget a timer
 * @timer: may be NULL; not used again after this
 */
void loop_timer_del(struct loop_timer *timer)
{
	struct loop *loop;
	struct slot last;

	if (!timer)
		return;
	loop = timer->loop;
	last = loop->heap[loop->n_timers--];
	if (last.id != timer->id)
		settle(loop, loop->places[timer->id].at, &last);
	take_last_id(loop, timer->id);
	free(timer);
}

/**
 * loop_signal_add() - Receive a signal as a callback
 * @loop:  loop
 * @signo: blocked in this thread from now on; do it before threads start: they inherit it
 * @fn:    called with @arg
 * @arg:   for @fn
 *
 * Return: 0 or a negative errno.
 */
int loop_signal_add(struct loop *loop, int signo, loop_fn fn, void *arg)
{
	struct sig *s = calloc(1, sizeof(*s));
	int fd;

	if (!s)
		return -ENOMEM;
	*s = (struct sig){ .signo = signo, .fn = fn, .arg = arg, .next = loop->signals };
	sigaddset(&loop->sigs, signo);
	pthread_sigmask(SIG_BLOCK, &loop->sigs, NULL);
	fd = signalfd(loop->sigfd, &loop->sigs, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd >= 0 && loop->sigfd < 0) {
		loop->sigfd = fd;
		if (!loop_fd_add(loop, fd, EPOLLIN, run_signals, loop))
			fd = -1;
	}
	if (fd < 0) {
		int rc = -errno;

		free(s);
		return rc;
	}
	loop->signals = s;
	return 0;
}

/**
 * loop_post() - Run a function in the loop's thread
 * @loop: loop
 * @fn:   called with @arg in a later turn, in order of posting
 * @arg:  for @fn; whoever posts decides who frees it
 *
 * Return: 0 or -ENOMEM.
 * Context: any thread.
 */
int loop_post(struct loop *loop, loop_fn fn, void *arg)
{
	struct post *p = malloc(sizeof(*p));
	uint64_t one = 1;
	bool waking;

	if (!p)
		return -ENOMEM;
	*p = (struct post){ .fn = fn, .arg = arg };
	pthread_mutex_lock(&loop->posts_lock);
	waking = loop->posts != NULL;
	*loop->posts_tail = p;
	loop->posts_tail = &p->next;
	pthread_mutex_unlock(&loop->posts_lock);
	if (waking) /* by who was first in the list, which is taken as a whole */
		return 0;
	/* EAGAIN: the counter is full, so the loop wakes anyway */
	return write(loop->wake, &one, sizeof(one)) < 0 && errno != EAGAIN ? -errno : 0;
}

static uint64_t next_due_ms(const struct loop *loop)
{
	return loop->n_timers ? loop->heap[1].due_ms : UINT64_MAX;
}

static int ms_to_next_timer(const struct loop *loop, int most_ms)
{
	uint64_t now = loop_now_ms(), due_ms = next_due_ms(loop);
	uint64_t left = due_ms > now ? due_ms - now : 0;

	if (due_ms == UINT64_MAX || (most_ms >= 0 && left >= (uint64_t)most_ms))
		return most_ms;
	return (int)MIN(left, (uint64_t)3600000);
}

/*
 * Those that are due by now; what they arm is for a later turn. Who rings again keeps to its beat,
 * whoever was late: else all would ring together for ever after the first time that this process
 * stood still.
 */
static void run_timers(struct loop *loop)
{
	uint64_t now = loop_now_ms(), orders = loop->orders;

	while (next_due_ms(loop) <= now && loop->heap[1].order < orders) {
		uint64_t late_ms = now - loop->heap[1].due_ms;
		struct loop_timer *t = loop->places[loop->heap[1].id].timer;

		arm(t, t->every_ms ? now + t->every_ms - late_ms % t->every_ms : UINT64_MAX);
		t->fn(t->arg);
	}
}

/**
 * loop_turn() - Wait for events once and run their callbacks
 * @loop:       loop
 * @timeout_ms: longest wait; -1: until something happens
 *
 * Return: number of descriptor events handled, or a negative errno. For tests and short waits;
 * daemons call loop_run().
 */
int loop_turn(struct loop *loop, int timeout_ms)
{
	struct epoll_event ev[EVENTS_PER_TURN];
	int n = epoll_wait(loop->ep, ev, EVENTS_PER_TURN, ms_to_next_timer(loop, timeout_ms));

	if (n < 0)
		n = errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		struct loop_fd *s = ev[i].data.ptr;

		if (!s->dead)
			s->fn(s->arg, ev[i].events);
	}
	run_timers(loop);
	free_fds(&loop->dead);
	return n;
}

/**
 * loop_run() - Run until loop_stop()
 * @loop: loop
 *
 * Return: 0, or the negative errno of a failed wait.
 */
int loop_run(struct loop *loop)
{
	int rc = 0;

	while (rc >= 0 && !__atomic_load_n(&loop->stopped, __ATOMIC_ACQUIRE))
		rc = loop_turn(loop, -1);
	__atomic_store_n(&loop->stopped, false, __ATOMIC_RELEASE);
	return rc < 0 ? rc : 0;
}

/**
 * loop_stop() - Make loop_run() return after its current turn
 * @loop: loop
 *
 * Context: any thread, any callback.
 */
void loop_stop(struct loop *loop)
{
	uint64_t one = 1;

	__atomic_store_n(&loop->stopped, true, __ATOMIC_RELEASE);
	if (write(loop->wake, &one, sizeof(one)) < 0)
		return; /* the counter is full: it wakes anyway */
}
