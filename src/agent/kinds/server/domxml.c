/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the domain XML of a server: what libvirt 9.0 and QEMU 7.2 need for vhost-user VFs. Those
 * of NICs are in it as Nova has them, but that who sets VFs binds them too: they are not `managed`.
 */
#include "agent/kinds/server/domxml.h"

#include <stdio.h>
#include <string.h>

#include "agent/host/virt.h"

#define XMLNS_QEMU  "http://libvirt.org/schemas/domain/qemu/1.0"
#define XMLNS_ANYVF "https://anyvf.dev/xmlns/server/1"

/* Text and attribute values; control characters, which XML 1.0 cannot carry, become blanks. */
static void put_text(FILE *f, const char *text)
{
	for (const char *p = text; *p; p++) {
		switch (*p) {
		case '&':
			fputs("&amp;", f);
			break;
		case '<':
			fputs("&lt;", f);
			break;
		case '>':
			fputs("&gt;", f);
			break;
		case '\'':
			fputs("&apos;", f);
			break;
		case '"':
			fputs("&quot;", f);
			break;
		default:
			fputc((unsigned char)*p < ' ' || *p == 0x7f ? ' ' : *p, f);
		}
	}
}

static void put_element(FILE *f, const char *indent, const char *name, const char *text)
{
	if (!text)
		return;
	fprintf(f, "%s<%s>", indent, name);
	put_text(f, text);
	fprintf(f, "</%s>\n", name);
}

static void put_attr(FILE *f, const char *before, const char *value, const char *after)
{
	fputs(before, f);
	put_text(f, value);
	fputs(after, f);
}

static void put_head(FILE *f, const struct domxml *d)
{
	const struct want_server *s = d->server;

	fprintf(f, "<domain type='%s' xmlns:qemu='" XMLNS_QEMU "'>\n", d->kvm ? "kvm" : "qemu");
	fprintf(f, "  <name>" VIRT_DOMAIN_PREFIX "%s</name>\n  <uuid>%s</uuid>\n", s->id, s->id);
	put_element(f, "  ", "title", s->name);
	fputs("  <metadata>\n    <anyvf:server xmlns:anyvf='" XMLNS_ANYVF "'>\n", f);
	put_element(f, "      ", "anyvf:name", s->name);
	put_element(f, "      ", "anyvf:project", s->project_id);
	fputs("    </anyvf:server>\n  </metadata>\n", f);
	fprintf(f, "  <memory unit='MiB'>%u</memory>\n  <vcpu>%u</vcpu>\n", s->memory_mb, s->vcpus);
	/* vhost-user: the switch maps the guest's memory. */
	fputs("  <memoryBacking>\n    <source type='memfd'/>\n    <access mode='shared'/>\n"
	      "  </memoryBacking>\n",
	      f);
	fputs("  <os>\n    <type arch='x86_64' machine='pc'>hvm</type>\n", f);
	put_element(f, "    ", "kernel", d->kernel);
	put_element(f, "    ", "initrd", d->initrd);
	put_element(f, "    ", "cmdline", d->kernel ? d->cmdline : NULL);
	fputs("  </os>\n  <features>\n    <acpi/>\n  </features>\n", f);
	if (d->kvm)
		fputs("  <cpu mode='host-passthrough'/>\n", f);
	fputs("  <on_poweroff>destroy</on_poweroff>\n  <on_reboot>restart</on_reboot>\n"
	      "  <on_crash>destroy</on_crash>\n",
	      f);
}

static void put_alias(FILE *f, const char *port)
{
	fprintf(f, "      <alias name='" VIRT_ALIAS_PREFIX "%s'/>\n", port);
}

static void put_hostdev(FILE *f, const struct domxml_port *p)
{
	unsigned int domain = 0, bus = 0, slot = 0, function = 0;

	sscanf(p->pci_slot, "%x:%x:%x.%x", &domain, &bus, &slot, &function);
	fprintf(f,
		"    <hostdev mode='subsystem' type='pci' managed='%s'>\n"
		"      <driver name='vfio'/>\n      <source>\n"
		"        <address domain='0x%04x' bus='0x%02x' slot='0x%02x' function='0x%x'/>\n"
		"      </source>\n",
		p->managed ? "yes" : "no", domain, bus, slot, function);
	put_alias(f, p->id);
	fputs("    </hostdev>\n", f);
}

static void put_macvtap(FILE *f, const struct domxml_port *p)
{
	char mac[MAC_STR_LEN];

	fprintf(f, "    <interface type='direct'>\n      <mac address='%s'/>\n",
		mac_format(&p->mac, mac));
	put_attr(f, "      <source dev='", p->netdev,
		 "' mode='passthrough'/>\n      <model type='virtio'/>\n");
	put_alias(f, p->id);
	fputs("    </interface>\n", f);
}

static void put_vhost(FILE *f, const struct domxml_port *p)
{
	char mac[MAC_STR_LEN];

	fprintf(f, "    <interface type='vhostuser'>\n      <mac address='%s'/>\n",
		mac_format(&p->mac, mac));
	put_attr(f, "      <source type='unix' path='", p->socket, "' mode='client'>\n");
	fputs("        <reconnect enabled='yes' timeout='1'/>\n      </source>\n", f);
	fputs("      <model type='virtio'/>\n", f);
	put_alias(f, p->id);
	fputs("    </interface>\n", f);
}

static void put_port(FILE *f, const struct domxml_port *p)
{
	switch (p->way) {
	case PORT_BY_VHOST:
		put_vhost(f, p);
		break;
	case PORT_BY_HOSTDEV:
		put_hostdev(f, p);
		break;
	case PORT_BY_MACVTAP:
		put_macvtap(f, p);
		break;
	}
}

static void put_disk(FILE *f, const struct domxml_disk *disk, unsigned int n)
{
	put_attr(f,
		 "    <disk type='file' device='disk'>\n      <driver name='qemu' type='qcow2'/>\n"
		 "      <source file='",
		 disk->path, "'/>\n");
	/* The chain ends here, whatever a header says: neither libvirt nor QEMU looks for more. */
	fprintf(f, "      <backingStore type='file'>\n        <format type='%s'/>\n",
		disk->base_driver);
	put_attr(f, "        <source file='", disk->base,
		 "'/>\n        <backingStore/>\n      </backingStore>\n");
	fprintf(f, "      <target dev='vd%c' bus='virtio'/>\n    </disk>\n", 'a' + n);
}

static void put_devices(FILE *f, const struct domxml *d)
{
	fputs("  <devices>\n", f);
	put_element(f, "    ", "emulator", d->emulator);
	for (unsigned int i = 0; i < d->n_disks; i++)
		put_disk(f, &d->disks[i], i);
	put_attr(f,
		 "    <disk type='file' device='disk'>\n      <driver name='qemu' type='raw'/>\n"
		 "      <source file='",
		 d->drive, "'/>\n");
	fprintf(f, "      <target dev='vd%c' bus='virtio'/>\n      <readonly/>\n    </disk>\n",
		'a' + d->n_disks);
	for (unsigned int i = 0; i < d->n_ports; i++)
		put_port(f, &d->ports[i]);
	put_attr(f, "    <serial type='pty'>\n      <log file='", d->console,
		 "' append='on'/>\n"
		 "      <target port='0'/>\n    </serial>\n");
	fputs("    <console type='pty'>\n      <target type='serial' port='0'/>\n    </console>\n"
	      "    <controller type='usb' model='none'/>\n    <memballoon model='none'/>\n"
	      "  </devices>\n",
	      f);
}

static void put_property(FILE *f, const char *name, unsigned int value)
{
	fprintf(f, "        <qemu:property name='%s' type='unsigned' value='%u'/>\n", name, value);
}

/*
 * Two things libvirt has no words for on vhostuser: <mtu> stops the domain from starting, and
 * MSI-X under TCG crashes Debian 12's QEMU 7.2 when the device starts.
 */
static void put_overrides(FILE *f, const struct domxml *d)
{
	bool opened = false;

	for (unsigned int i = 0; i < d->n_ports; i++) {
		const struct domxml_port *p = &d->ports[i];

		if (p->way != PORT_BY_VHOST || (!d->no_msix && p->mtu == 1500))
			continue;
		if (!opened)
			fputs("  <qemu:override>\n", f);
		opened = true;
		fprintf(f,
			"    <qemu:device alias='" VIRT_ALIAS_PREFIX
			"%s'>\n      <qemu:frontend>\n",
			p->id);
		if (d->no_msix)
			put_property(f, "vectors", 0);
		if (p->mtu != 1500)
			put_property(f, "host_mtu", p->mtu);
		fputs("      </qemu:frontend>\n    </qemu:device>\n", f);
	}
	if (opened)
		fputs("  </qemu:override>\n", f);
}

/* What was written, or NULL if that went wrong; ends @f. */
static char *finish(FILE *f, char **text)
{
	if (!(ferror(f) | fclose(f)))
		return *text;
	free(*text);
	return NULL;
}

/**
 * domxml_build_port() - The XML by which libvirt plugs a port into a running domain
 * @p: port, of a NIC
 *
 * Return: the XML, the caller's to free; NULL when out of memory. Context: any thread. Pure.
 */
char *domxml_build_port(const struct domxml_port *p)
{
	char *xml = NULL;
	size_t size;
	FILE *f = open_memstream(&xml, &size);

	if (!f)
		return NULL;
	put_port(f, p);
	return finish(f, &xml);
}

/**
 * domxml_build() - The XML libvirt starts a server from
 * @d: server, its files and its ports; ids are UUIDs, everything else is escaped
 *
 * Return: the XML, the caller's to free; NULL when out of memory.
 * Context: any thread. Pure.
 */
char *domxml_build(const struct domxml *d)
{
	char *xml = NULL;
	size_t size;
	FILE *f = open_memstream(&xml, &size);

	if (!f)
		return NULL;
	put_head(f, d);
	put_devices(f, d);
	put_overrides(f, d);
	fputs("</domain>\n", f);
	return finish(f, &xml);
}
