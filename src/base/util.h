/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small things everybody uses: array length, container_of, ownership by
 * cleanup attribute, digits. Nothing here has a file of its own.
 */
#ifndef ANYVF_BASE_UTIL_H
#define ANYVF_BASE_UTIL_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

/* Built with AddressSanitizer, as gcc and clang tell it. */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)                                                                                  \
	({                                                                                         \
		__auto_type min_a_ = (a);                                                          \
		__auto_type min_b_ = (b);                                                          \
		min_a_ < min_b_ ? min_a_ : min_b_;                                                 \
	})
#define MAX(a, b)                                                                                  \
	({                                                                                         \
		__auto_type max_a_ = (a);                                                          \
		__auto_type max_b_ = (b);                                                          \
		max_a_ > max_b_ ? max_a_ : max_b_;                                                 \
	})
#ifndef container_of /* DPDK's headers bring the same one */
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))
#endif
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#ifndef likely
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#endif

/*
 * Ownership of locals: auto_of(json_decref) json_t *j = ...; frees on every
 * way out. A type's free function is announced once, in its header, with
 * AUTO_DEFINE(type pointer, free function); frees accept NULL.
 */
#define AUTO_DEFINE(type, fn)                                                                      \
	static inline void fn##_auto_(type *p)                                                     \
	{                                                                                          \
		if (*p)                                                                            \
			fn(*p);                                                                    \
	}
/* unused: some locals are there only to be freed */
#define auto_of(fn) __attribute__((cleanup(fn##_auto_), unused))

/* Gives up ownership of a local: *out = take(img). */
#define take(p)                                                                                    \
	({                                                                                         \
		__auto_type take_at_ = &(p);                                                       \
		__auto_type take_p_ = *take_at_;                                                   \
		*take_at_ = NULL;                                                                  \
		take_p_;                                                                           \
	})
#define take_fd(fd)                                                                                \
	({                                                                                         \
		int take_fd_ = (fd);                                                               \
		(fd) = -1;                                                                         \
		take_fd_;                                                                          \
	})

static inline void auto_free_(void *p)
{
	free(*(void **)p);
}
static inline void auto_close_(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
#define auto_free __attribute__((cleanup(auto_free_)))
#define auto_close __attribute__((cleanup(auto_close_)))

/* Digits of @n at @to, at least @width of them; returns where they end. There is room for 20. */
static inline char *decimal_put(char *to, uint64_t n, unsigned int width)
{
	char digits[20];
	unsigned int len = 0;

	do
		digits[len++] = (char)('0' + n % 10);
	while ((n /= 10) || len < width);
	while (len)
		*to++ = digits[--len];
	return to;
}

#endif
