/* SPDX-License-Identifier: Apache-2.0 */
/* The domain XML of a server. */
#include "unit.h"

#include <string.h>

#include "agent/kinds/server/domxml.h"
#include "agent/kinds/server/server.h"
#include "want_docs.h"

static struct want_server server;
static const struct domxml_port ports[] = {
	{ .id = PORT_ID,
	  .mac = { { 0xfa, 0x16, 0x3e, 0, 0, 0x11 } },
	  .mtu = 1450,
	  .socket = "/run/anyvf/vhost/22222222-22/sock" },
};

static int setup(void **state)
{
	auto_of(json_decref) json_t *doc = doc_of(server_doc);

	return want_server_parse(doc, &server, NULL);
}

static int teardown(void **state)
{
	want_doc_put(&server.doc);
	return 0;
}

static const struct domxml_disk disks[] = { { "/d", "/b", "raw" }, { "/own", "/its", "qcow2" } };

static struct domxml example(void)
{
	return (struct domxml){ .server = &server,
				.kernel = "/k",
				.initrd = "/i",
				.cmdline = "console=ttyS0 <x>",
				.n_disks = 1,
				.disks = disks,
				.drive = "/c",
				.console = "/log",
				.n_ports = 1,
				.ports = ports };
}

/* Whole expectation, so that every change of the XML is seen in a diff. */
static void domxml_build_writes_a_direct_kernel_guest_on_vhostuser(void **state)
{
	static const char want[] =
		"<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n"
		"  <name>anyvf-" SERVER_ID "</name>\n  <uuid>" SERVER_ID "</uuid>\n"
		"  <title>vm &lt;1&gt; &amp; &apos;two&apos;</title>\n"
		"  <metadata>\n"
		"    <anyvf:server xmlns:anyvf='https://anyvf.dev/xmlns/server/1'>\n"
		"      <anyvf:name>vm &lt;1&gt; &amp; &apos;two&apos;</anyvf:name>\n"
		"      <anyvf:project>p1</anyvf:project>\n"
		"    </anyvf:server>\n  </metadata>\n"
		"  <memory unit='MiB'>256</memory>\n  <vcpu>2</vcpu>\n"
		"  <memoryBacking>\n    <source type='memfd'/>\n    <access mode='shared'/>\n"
		"  </memoryBacking>\n"
		"  <os>\n    <type arch='x86_64' machine='pc'>hvm</type>\n"
		"    <kernel>/k</kernel>\n    <initrd>/i</initrd>\n"
		"    <cmdline>console=ttyS0 &lt;x&gt;</cmdline>\n  </os>\n"
		"  <features>\n    <acpi/>\n  </features>\n"
		"  <on_poweroff>destroy</on_poweroff>\n  <on_reboot>restart</on_reboot>\n"
		"  <on_crash>destroy</on_crash>\n"
		"  <devices>\n"
		"    <disk type='file' device='disk'>\n      <driver name='qemu' type='qcow2'/>\n"
		"      <source file='/d'/>\n"
		"      <backingStore type='file'>\n        <format type='raw'/>\n"
		"        <source file='/b'/>\n        <backingStore/>\n      </backingStore>\n"
		"      <target dev='vda' bus='virtio'/>\n    </disk>\n"
		"    <disk type='file' device='disk'>\n      <driver name='qemu' type='raw'/>\n"
		"      <source file='/c'/>\n      <target dev='vdb' bus='virtio'/>\n"
		"      <readonly/>\n    </disk>\n"
		"    <interface type='vhostuser'>\n      <mac address='fa:16:3e:00:00:11'/>\n"
		"      <source type='unix' path='/run/anyvf/vhost/22222222-22/sock' "
		"mode='client'>\n        <reconnect enabled='yes' timeout='1'/>\n      </source>\n"
		"      <model type='virtio'/>\n      <alias name='ua-" PORT_ID "'/>\n"
		"    </interface>\n"
		"    <serial type='pty'>\n      <log file='/log' append='on'/>\n"
		"      <target port='0'/>\n    </serial>\n"
		"    <console type='pty'>\n      <target type='serial' port='0'/>\n    </console>\n"
		"    <controller type='usb' model='none'/>\n    <memballoon model='none'/>\n"
		"  </devices>\n"
		"  <qemu:override>\n    <qemu:device alias='ua-" PORT_ID "'>\n"
		"      <qemu:frontend>\n"
		"        <qemu:property name='vectors' type='unsigned' value='0'/>\n"
		"        <qemu:property name='host_mtu' type='unsigned' value='1450'/>\n"
		"      </qemu:frontend>\n    </qemu:device>\n  </qemu:override>\n"
		"</domain>\n";
	struct domxml d = example();
	auto_free char *xml = NULL;

	d.no_msix = true;
	xml = domxml_build(&d);
	assert_string_equal(xml, want);
}

/* A NIC's VF is bound by its daemon; of a PF's own function libvirt sees to that. */
static void domxml_build_port_writes_what_nova_writes_for_a_nic(void **state)
{
	static const struct {
		struct domxml_port port;
		const char *xml;
	} rows[] = {
		{ { .id = PORT_ID, .way = PORT_BY_HOSTDEV, .pci_slot = "0000:3b:1f.7" },
		  "    <hostdev mode='subsystem' type='pci' managed='no'>\n"
		  "      <driver name='vfio'/>\n      <source>\n"
		  "        <address domain='0x0000' bus='0x3b' slot='0x1f' function='0x7'/>\n"
		  "      </source>\n      <alias name='ua-" PORT_ID "'/>\n    </hostdev>\n" },
		{ { .id = PORT_ID,
		    .way = PORT_BY_HOSTDEV,
		    .pci_slot = "0001:00:00.0",
		    .managed = true },
		  "    <hostdev mode='subsystem' type='pci' managed='yes'>\n"
		  "      <driver name='vfio'/>\n      <source>\n"
		  "        <address domain='0x0001' bus='0x00' slot='0x00' function='0x0'/>\n"
		  "      </source>\n      <alias name='ua-" PORT_ID "'/>\n    </hostdev>\n" },
		{ { .id = PORT_ID,
		    .way = PORT_BY_MACVTAP,
		    .netdev = "eth1'v3",
		    .mac = { { 0x02, 0, 0, 0, 0, 1 } } },
		  "    <interface type='direct'>\n      <mac address='02:00:00:00:00:01'/>\n"
		  "      <source dev='eth1&apos;v3' mode='passthrough'/>\n"
		  "      <model type='virtio'/>\n      <alias name='ua-" PORT_ID "'/>\n"
		  "    </interface>\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *xml = domxml_build_port(&rows[i].port);

		assert_string_equal(xml, rows[i].xml);
	}
}

/* What is said of a vhost-user NIC beyond libvirt's words is said of no other. */
static void domxml_build_overrides_no_nic_of_hardware(void **state)
{
	struct domxml_port nic = {
		.id = PORT_ID, .mtu = 9000, .way = PORT_BY_HOSTDEV, .pci_slot = "0000:01:10.0"
	};
	struct domxml d = example();
	auto_free char *xml = NULL;

	d.no_msix = true;
	d.ports = &nic;
	xml = domxml_build(&d);
	assert_null(strstr(xml, "override"));
	assert_non_null(strstr(xml, "<hostdev "));
}

static void domxml_build_overrides_only_what_it_must(void **state)
{
	struct domxml_port plain = ports[0];
	struct domxml d = example();
	auto_free char *xml = NULL;

	plain.mtu = 1500;
	d.ports = &plain;
	d.kvm = true;
	xml = domxml_build(&d);
	assert_null(strstr(xml, "qemu:override"));
	assert_non_null(strstr(xml, "<domain type='kvm'"));
	assert_non_null(strstr(xml, "host-passthrough"));
}

static void domxml_build_boots_the_disk_without_a_kernel(void **state)
{
	struct domxml d = example();
	auto_free char *xml = NULL;

	d.kernel = d.initrd = NULL;
	xml = domxml_build(&d);
	assert_null(strstr(xml, "<kernel>"));
	assert_null(strstr(xml, "<cmdline>"));
}

static void domxml_build_puts_a_rescued_disk_behind_the_one_that_boots(void **state)
{
	struct domxml d = example();
	auto_free char *xml = NULL;
	const char *first, *own, *drive;

	d.n_disks = 2;
	xml = domxml_build(&d);
	first = strstr(xml, "'/d'");
	own = strstr(xml, "'/own'");
	drive = strstr(xml, "'/c'");
	assert_true(first && own > first && drive > own);
	assert_true(strstr(first, "'vda'") < own);
	assert_true(strstr(own, "type='qcow2'/>\n        <source file='/its'") < drive);
	assert_true(strstr(own, "'vdb'") < drive && strstr(drive, "'vdc'"));
}

static void domxml_build_escapes_control_characters(void **state)
{
	struct domxml d = example();
	struct want_server odd = server;
	auto_free char *xml = NULL;

	odd.name = "a\nb\x01\"";
	d.server = &odd;
	xml = domxml_build(&d);
	assert_non_null(strstr(xml, "<title>a b &quot;</title>"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(domxml_build_writes_a_direct_kernel_guest_on_vhostuser),
		cmocka_unit_test(domxml_build_port_writes_what_nova_writes_for_a_nic),
		cmocka_unit_test(domxml_build_overrides_no_nic_of_hardware),
		cmocka_unit_test(domxml_build_overrides_only_what_it_must),
		cmocka_unit_test(domxml_build_boots_the_disk_without_a_kernel),
		cmocka_unit_test(domxml_build_puts_a_rescued_disk_behind_the_one_that_boots),
		cmocka_unit_test(domxml_build_escapes_control_characters),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
