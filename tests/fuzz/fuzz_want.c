/* SPDX-License-Identifier: Apache-2.0 */
/* The API's documents, through the parser and everything that is written from them. */
#include "agent/kinds/net/dhcp.h"
#include "agent/kinds/net/net.h"
#include "agent/kinds/port/port.h"
#include "agent/kinds/server/domxml.h"
#include "agent/kinds/server/drive.h"
#include "agent/kinds/server/server.h"
#include "agent/kinds/tap/tap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_of(json_decref) json_t *doc = json_loadb((const char *)data, size, 0, NULL);
	static const struct domxml_disk disk = { "", "", "raw" };
	static const struct dhcp_place at = { "anyvf-x", "dhcp-x", "/x" };
	struct want_server s;
	struct vf_config config;
	struct want_port p;
	struct want_net n;
	struct want_tap t;

	if (doc && !want_server_parse(doc, &s, NULL)) {
		free(domxml_build(&(struct domxml){ .server = &s,
						    .n_disks = 1,
						    .disks = &disk,
						    .drive = "",
						    .console = "" }));
		json_decref(drive_meta_data(&s));
		want_doc_put(&s.doc);
	}
	if (doc && !want_port_parse(doc, &p, &config, NULL)) {
		json_decref(drive_network_data((const struct want_port *[]){ &p }, 1,
					       (const struct want_net *[]){ NULL }));
		want_piece_put(&p.piece);
	}
	if (doc && !want_net_parse(doc, &n, NULL)) {
		free(dhcp_conf(&n, &at));
		want_doc_put(&n.doc);
	}
	if (doc && !want_tap_parse(doc, &t, NULL))
		want_doc_put(&t.doc);
	return 0;
}
