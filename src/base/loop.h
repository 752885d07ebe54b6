/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control loop of every daemon: epoll, timers, signals, posts from other
 * threads. All callbacks run in the thread that called loop_run(). Sources may
 * be deleted from within any callback, their own included.
 */
#ifndef ANYVF_BASE_LOOP_H
#define ANYVF_BASE_LOOP_H

#include <stdint.h>

#include "base/err.h"

struct loop;
struct loop_fd;
struct loop_timer;

typedef void (*loop_fd_fn)(void *arg, uint32_t events); /* events: EPOLLIN, ... */
typedef void (*loop_fn)(void *arg);

struct loop *loop_new(struct err *e);
void loop_free(struct loop *loop);
AUTO_DEFINE(struct loop *, loop_free)

int loop_run(struct loop *loop);
int loop_turn(struct loop *loop, int timeout_ms);
void loop_stop(struct loop *loop);

/* The fd stays the caller's; delete the source before closing it. */
struct loop_fd *loop_fd_add(struct loop *loop, int fd, uint32_t events, loop_fd_fn fn, void *arg);
int loop_fd_set(struct loop_fd *src, uint32_t events);
void loop_fd_del(struct loop_fd *src);

/* every_ms 0: once; the timer stays allocated until loop_timer_del(). */
struct loop_timer *loop_timer_add(struct loop *loop, uint64_t first_ms, uint64_t every_ms,
				  loop_fn fn, void *arg);
void loop_timer_set(struct loop_timer *timer, uint64_t first_ms, uint64_t every_ms);
void loop_timer_del(struct loop_timer *timer);

int loop_signal_add(struct loop *loop, int signo, loop_fn fn, void *arg);

/* From any thread: run fn(arg) in the loop's thread, in order of posting. */
int loop_post(struct loop *loop, loop_fn fn, void *arg);

uint64_t loop_now_ms(void); /* CLOCK_MONOTONIC */
void sleep_ms(unsigned int ms);

#endif
