/* SPDX-License-Identifier: Apache-2.0 */
/* Ethernet addresses to and from text. Used by commands, JSON and the API. */
#include "base/mac.h"

#include <errno.h>
#include <stdio.h>

#include "base/uuid.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/**
 * mac_parse() - Read an address written as aa:bb:cc:dd:ee:ff
 * @text: one or two hex digits a byte, colons or dashes between; nothing else
 * @out:  the address; untouched on failure
 * @e:    error text, may be NULL
 *
 * Return: 0 or -EINVAL. Any address is accepted, multicast and zero too.
 */
int mac_parse(const char *text, struct mac *out, struct err *e)
{
	const char *p = text;
	struct mac mac;

	for (int i = 0; i < MAC_LEN; i++) {
		int hi = hex_digit(*p), lo;

		if (hi < 0)
			return err_set(e, -EINVAL, "\"%s\" is no MAC address", text);
		lo = hex_digit(*++p);
		if (lo >= 0)
			p++;
		mac.b[i] = (uint8_t)(lo < 0 ? hi : hi << 4 | lo);
		if (i < MAC_LEN - 1 && *p != ':' && *p != '-')
			return err_set(e, -EINVAL, "\"%s\" is no MAC address", text);
		if (i < MAC_LEN - 1)
			p++;
	}
	if (*p)
		return err_set(e, -EINVAL, "\"%s\" is no MAC address", text);
	*out = mac;
	return 0;
}

/**
 * mac_format() - Write an address as iproute2 does
 * @mac: address
 * @out: buffer of MAC_STR_LEN bytes
 *
 * Return: @out, so that it can stand in a printf argument.
 */
const char *mac_format(const struct mac *mac, char out[MAC_STR_LEN])
{
	static const char digits[] = "0123456789abcdef";
	char *at = out;

	for (unsigned int i = 0; i < MAC_LEN; i++) { /* state files hold thousands of them */
		*at++ = digits[mac->b[i] >> 4];
		*at++ = digits[mac->b[i] & 15];
		*at++ = i < MAC_LEN - 1 ? ':' : '\0';
	}
	return out;
}

/**
 * mac_random() - Make up an address
 * @out:    the address
 * @prefix: its first three bytes, or NULL for any locally administered unicast one
 */
void mac_random(struct mac *out, const uint8_t prefix[3])
{
	rand_bytes(out->b, MAC_LEN);
	if (prefix)
		memcpy(out->b, prefix, 3);
	else
		out->b[0] = (uint8_t)((out->b[0] & 0xfc) | 0x02);
}
