/* SPDX-License-Identifier: Apache-2.0 */
/* A netdev and its VFs as rtnetlink tells them: the first byte says whether statistics were asked for, the rest is one message. */
#include <assert.h>
#include <string.h>

#include "hw/link.h"
#include "hw/rt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(const struct hw_link *link)
{
	assert(link->n_vfs <= VF_MAX && memchr(link->name, '\0', sizeof(link->name)));
	for (unsigned int i = 0; i < link->n_vfs; i++) {
		const struct hw_words *w = &link->vfs[i].words;

		assert(!(link->vfs[i].told & ~HW_WORDS));
		assert(w->vlan <= 4095 && w->qos <= 7);
		assert(w->proto <= VF_PROTO_8021AD && w->link <= VF_LINK_DISABLE);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hw_link *link = NULL;
	struct nlmsghdr *h;
	struct err e = { 0 };

	if (!size)
		return 0;
	h = malloc(size - 1 ?: 1); /* aligned, and not a byte more */
	if (!h)
		return 0;
	memcpy(h, data + 1, size - 1);
	if (hw_rt_whole(h, (int)(size - 1))) {
		if (hw_link_parse(h, data[0] & 1 ? HW_ASK_STATS : HW_ASK_SETTINGS, &link, &e))
			assert(*e.msg && !link);
		else
			judge(link);
	}
	free(link);
	free(h);
	return 0;
}
