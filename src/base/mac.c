/* SPDX-License-Identifier: Apache-2.0 */
/* Ethernet addresses to and from text. Used by commands, JSON and the API. */
#include "base/mac.h"

#include <errno.h>
#include <stdio.h>

#include "base/util.h"
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

static int list_set(struct mac_list *l, const struct mac *mac, bool member, struct err *e)
{
	unsigned int at = 0;
	bool there;

	while (at < l->n && memcmp(&l->macs[at], mac, MAC_LEN) < 0)
		at++;
	there = at < l->n && mac_equal(&l->macs[at], mac);
	if (there == member)
		return 0;
	if (member && l->n == MAC_LIST_MAX)
		return err_set(e, -EINVAL, "more than %u addresses", MAC_LIST_MAX);
	if (member) {
		memmove(&l->macs[at + 1], &l->macs[at], (l->n++ - at) * sizeof(*mac));
		l->macs[at] = *mac;
	} else {
		memmove(&l->macs[at], &l->macs[at + 1], (--l->n - at) * sizeof(*mac));
		l->macs[l->n] = (struct mac){ { 0 } };
	}
	return 0;
}

/**
 * mac_list_parse() - Read addresses with commas between
 * @text: or "none"
 * @out:  untouched on failure
 * @e:    names what is no address, may be NULL
 *
 * Return: 0, or -EINVAL, also for more than MAC_LIST_MAX.
 */
int mac_list_parse(const char *text, struct mac_list *out, struct err *e)
{
	struct mac_list list = { 0 };
	const char *p = text;

	while (strcmp(text, "none")) {
		char one[MAC_STR_LEN + 1];
		size_t len = strcspn(p, ",");
		struct mac mac;
		int rc;

		snprintf(one, sizeof(one), "%.*s", (int)MIN(len, sizeof(one)), p);
		rc = mac_parse(one, &mac, e);
		if (!rc)
			rc = list_set(&list, &mac, true, e);
		if (rc)
			return rc;
		p += len;
		if (!*p++)
			break;
	}
	*out = list;
	return 0;
}

/**
 * mac_list_format() - Write addresses as mac_list_parse() reads them
 * @l:    list
 * @out:  text, cut at @size
 * @size: bytes; MAC_LIST_MAX * MAC_STR_LEN are enough
 *
 * Return: length of the text, or -ENOSPC when it was cut.
 */
int mac_list_format(const struct mac_list *l, char *out, size_t size)
{
	size_t n = (size_t)snprintf(out, size, "%s", l->n ? "" : "none");
	char mac[MAC_STR_LEN];

	for (unsigned int i = 0; i < l->n && n < size; i++)
		n += (size_t)snprintf(out + n, size - n, "%s%s", i ? "," : "",
				      mac_format(&l->macs[i], mac));
	return n < size ? (int)n : -ENOSPC;
}

/**
 * mac_list_merge() - Add or remove the members of another list
 * @l:      changed, but not on failure
 * @other:  list
 * @member: true adds
 * @e:      may be NULL
 *
 * Return: 0, or -EINVAL: more than MAC_LIST_MAX.
 */
int mac_list_merge(struct mac_list *l, const struct mac_list *other, bool member, struct err *e)
{
	struct mac_list next = *l;

	for (unsigned int i = 0; i < other->n; i++) {
		int rc = list_set(&next, &other->macs[i], member, e);

		if (rc)
			return rc;
	}
	*l = next;
	return 0;
}

/**
 * mac_list_has() - Whether an address is a member
 * @l:   list
 * @mac: address
 */
bool mac_list_has(const struct mac_list *l, const struct mac *mac)
{
	for (unsigned int i = 0; i < l->n; i++)
		if (mac_equal(&l->macs[i], mac))
			return true;
	return false;
}
