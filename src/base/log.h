/* SPDX-License-Identifier: Apache-2.0 */
/* Daemon log: one line an event, a sentence and then key=value pairs. */
#ifndef ANYVF_BASE_LOG_H
#define ANYVF_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"

/* err: an operator must act. warn: degraded, continues. info: state changes. debug: for us. */
enum log_level { LOG_LEVEL_ERR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

#define LOG_STAMP_LEN 32
const char *log_stamp(char out[LOG_STAMP_LEN]); /* "2026-11-28T07:00:00.123Z" */
const char *log_quote(const char *text, char *out, size_t size);
/*
 * A token bucket for lines that somebody else can cause, one for each of them (VF, socket) and kind
 * of line: LOG_BURST at once, then one each LOG_EVERY_MS. Zero is a full one.
 */
struct log_bucket {
	uint64_t full_ms;      /* when it is full again */
	unsigned int left_out; /* lines since the last that passed */
};
#define LOG_BURST    20u
#define LOG_EVERY_MS 3000u

bool log_pass(struct log_bucket *b, uint64_t now_ms, unsigned int *left_out);
void log_limited(enum log_level level, struct log_bucket *b, const char *what, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

void log_open(const char *ident, enum log_level max);
void log_write(enum log_level level, const char *what, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* log_warn("guest broke its ring", "pf=%s vf=%u", pf, vf); the format may be "" */
#define log_err(what, ...) log_write(LOG_LEVEL_ERR, what, __VA_ARGS__)
#define log_warn(what, ...) log_write(LOG_LEVEL_WARN, what, __VA_ARGS__)
#define log_info(what, ...) log_write(LOG_LEVEL_INFO, what, __VA_ARGS__)
#define log_debug(what, ...) log_write(LOG_LEVEL_DEBUG, what, __VA_ARGS__)

#endif
