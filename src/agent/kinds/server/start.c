/* SPDX-License-Identifier: Apache-2.0 */
/* The start of a server: images, disk, config drive and console log, then its domain. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/kinds/server/cache.h"
#include "agent/kinds/server/disk.h"
#include "agent/kinds/server/domxml.h"
#include "agent/kinds/server/drive.h"
#include "agent/kinds/server/server.h"
#include "base/file.h"
#include "base/imghdr.h"

#define CONSOLE_KEPT (16U << 20) /* bytes; a longer log begins anew */

/*
 * libvirt 9 lets QEMU itself open the log of a chardev when virtlogd is not used, and makes it
 * root's: so QEMU's group may write, and whoever gets into the directory read. One that is root's
 * by now is made ours again, with what a guest said last.
 */
static int make_console(const char *path, struct err *e)
{
	const struct group *group = getgrnam("libvirt-qemu");
	auto_free char *text = NULL;
	auto_close int fd = -1;
	struct stat st;
	size_t size = 0;
	int rc = 0;

	if (!lstat(path, &st) && st.st_uid != geteuid() && geteuid()) {
		file_read(path, CONSOLE_KEPT, &text, &size, NULL);
		rc = file_replace(path, text ?: "", size, 0664, e);
	}
	if (rc)
		return rc;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return err_errno(e, "%s", path);
	if (group && !fchown(fd, (uid_t)-1, group->gr_gid) && fchmod(fd, 0664))
		return err_errno(e, "%s", path);
	return 0;
}

static int make_drive(struct server_job *j, const char *iso)
{
	const struct want_port *ports[WANT_PORTS_MAX];
	const struct want_net *nets[WANT_PORTS_MAX];
	struct want_server said = j->want;
	char dir[PATH_MAX];

	for (unsigned int i = 0; i < j->n_ports; i++) {
		ports[i] = &j->ports[i];
		nets[i] = j->nets[i].doc ? &j->nets[i] : NULL;
	}
	if (said.rescue)
		said.admin_pass = said.rescue_pass;
	/* Its files are of no QEMU, of whatever server: they have passwords. */
	snprintf(dir, sizeof(dir), "%s/private", j->dir);
	if (file_mkdirs(dir, 0700, &j->step.e))
		return -EIO;
	snprintf(dir, sizeof(dir), "%s/private/drive", j->dir);
	return drive_make(&said, ports, j->n_ports, nets, dir, iso, &j->step.e);
}

/* An image on this host, and the disk on top of it. */
struct files {
	struct cache_file base, kernel, initrd; /* what the image does not have has the path "" */
	const char *driver;
	char disk[PATH_MAX];
};

static int get_image(struct server_job *j, const struct want_file *want, const char *prefix,
		     const char *name, struct cache_file *out)
{
	char cache[PATH_MAX], link[PATH_MAX];

	*out->path = '\0';
	if (!want->id)
		return 0;
	snprintf(cache, sizeof(cache), "%s/images", j->step.agent->dir);
	snprintf(link, sizeof(link), "%s/%s%s", j->dir, prefix, name);
	return cache_get(j->step.agent->door, cache, want, link, out, &j->step.e);
}

/* From the cache or the API. */
static int get_images(struct server_job *j, const struct want_image *image, const char *prefix,
		      struct files *f)
{
	int rc = get_image(j, &image->disk, prefix, CACHE_BASE, &f->base);

	if (!rc)
		rc = get_image(j, &image->kernel, prefix, CACHE_KERNEL, &f->kernel);
	if (!rc && image->kernel.id)
		rc = get_image(j, &image->ramdisk, prefix, CACHE_INITRD, &f->initrd);
	return rc;
}

static int make_disk(struct server_job *j, const struct want_image *image, const char *prefix,
		     unsigned int size_gb, struct files *f)
{
	int rc;

	f->driver = imghdr_driver(image->disk.format);
	if (!f->driver)
		return err_set(&j->step.e, -EINVAL, "no server boots from the disk format %.20s",
			       image->disk.format);
	rc = get_images(j, image, prefix, f);
	return rc ?: disk_make(&f->base, f->driver, size_gb, f->disk, &j->step.e);
}

/* What a rescue before this one left goes; its images may then, too. */
static void drop_rescue(const struct server_job *j)
{
	static const char *const links[] = { CACHE_BASE, CACHE_KERNEL, CACHE_INITRD };
	char path[PATH_MAX];

	disk_sweep(j->dir, "rescue", &j->want.rescue, 1, NULL);
	for (size_t i = 0; !j->want.rescue && i < ARRAY_LEN(links); i++) {
		snprintf(path, sizeof(path), "%s/" CACHE_RESCUE "%s", j->dir, links[i]);
		unlink(path);
	}
}

/*
 * The disk a server boots from, and its own behind it in a rescue: the first is fresh with each
 * rescue, and as large as its image.
 */
static int make_disks(struct server_job *j, struct files *own, struct files *rescue)
{
	int rc = server_resize(j);

	drop_rescue(j);
	disk_path(j->dir, "disk", j->want.disk, own->disk);
	disk_path(j->dir, "rescue", j->want.rescue, rescue->disk);
	rc = rc ?: make_disk(j, &j->want.image, "", j->want.disk_gb, own);
	if (rc || !j->want.rescue)
		return rc;
	return make_disk(j, &j->want.rescue_image, CACHE_RESCUE, 0, rescue);
}

static int start_domain(struct server_job *j, const struct domxml *files)
{
	struct domxml_port ports[WANT_PORTS_MAX];
	char sockets[WANT_PORTS_MAX][VF_PATH_LEN + 1];
	auto_free char *xml = NULL;
	struct domxml d = *files;

	for (unsigned int i = 0; i < j->n_ports; i++) {
		/* A reboot asks for no VF that waits, and the agent may have come just now. */
		if (!j->plugs[i].known)
			return err_set(&j->step.e, -EAGAIN, "the VF of port %s was not seen yet",
				       j->ports[i].id);
		ports[i] = server_nic(j, i, sockets[i]);
	}
	d.server = &j->want;
	d.kvm = j->kvm;
	d.no_msix = j->no_msix;
	d.n_ports = j->n_ports;
	d.ports = ports;
	xml = domxml_build(&d);
	j->begun = xml;
	return xml ? virt_start(j->step.agent->virt, xml, &j->step.e)
		   : err_set(&j->step.e, -ENOMEM, "out of memory");
}

static int boot(struct server_job *j, const struct files *own, const struct files *rescue,
		const char *iso, const char *console)
{
	const struct want_image *image = j->want.rescue ? &j->want.rescue_image : &j->want.image;
	const struct files *first = j->want.rescue ? rescue : own;
	const struct domxml_disk disks[] = { { first->disk, first->base.path, first->driver },
					     { own->disk, own->base.path, own->driver } };

	return start_domain(
		j, &(struct domxml){
			   .kernel = *first->kernel.path ? first->kernel.path : NULL,
			   .initrd = *first->initrd.path ? first->initrd.path : NULL,
			   .cmdline = image->cmdline ? image->cmdline
						     : "root=/dev/vda console=tty0 console=ttyS0",
			   .disks = disks,
			   .n_disks = j->want.rescue ? 2 : 1,
			   .drive = iso,
			   .console = console });
}

/**
 * server_start() - From images, config drive and ports to a running domain
 * @j: job; begun tells afterwards whether libvirt was asked to start it
 *
 * Return: 0 or a negative errno, with words in the job's step. Context: blocks.
 */
int server_start(struct server_job *j)
{
	struct files own = { 0 }, rescue = { 0 };
	char iso[PATH_MAX], console[PATH_MAX];
	int rc;

	snprintf(iso, sizeof(iso), "%s/config.iso", j->dir);
	snprintf(console, sizeof(console), "%s/console.log", j->dir);
	rc = file_mkdirs(j->dir, 0755, &j->step.e);
	rc = rc ?: make_disks(j, &own, &rescue);
	rc = rc ?: make_drive(j, iso);
	rc = rc ?: make_console(console, &j->step.e);
	return rc ?: boot(j, &own, &rescue, iso, console);
}
