/* SPDX-License-Identifier: Apache-2.0 */
/* Steps on servers: from image, config drive and ports to a running domain, and back. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "agent/kinds/server/disk.h"
#include "agent/kinds/server/drive.h"
#include "agent/core/state.h"
#include "base/file.h"
#include "base/imghdr.h"

#define CONSOLE_KEPT   (16U << 20) /* bytes; a longer log begins anew */
#define SHUTDOWN_MS    15000	   /* what a guest gets to end by itself */
#define PRESS_EVERY_MS 4000	   /* a guest that boots may miss the power button */
#define QEMU_NO_MSIX   8000000UL   /* older ones crash under TCG with MSI-X on vhost-user */

/* Copies of all a step needs; the entities may change or go meanwhile. */
struct server_job {
	struct agent *agent;
	enum server_step step;
	struct want_server want;
	unsigned int n_ports;
	struct want_port ports[WANT_PORTS_MAX];
	struct want_net nets[WANT_PORTS_MAX]; /* of each port; doc NULL: not known */
	bool kvm, no_msix;
	char dir[PATH_MAX - 64];
	int rc;
	bool begun; /* libvirt was asked to start the domain */
	bool ended; /* the domain was ended, whatever came then */
	struct err e;
};

static void sleep_ms(long ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

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
	char dir[PATH_MAX];

	for (unsigned int i = 0; i < j->n_ports; i++) {
		ports[i] = &j->ports[i];
		nets[i] = j->nets[i].doc ? &j->nets[i] : NULL;
	}
	snprintf(dir, sizeof(dir), "%s/drive", j->dir);
	return drive_make(&j->want, ports, j->n_ports, nets, dir, iso, &j->e);
}

/* The images a server is made of. */
struct files {
	struct cache_file base, kernel, initrd;
};

static int get_image(struct server_job *j, const struct want_file *want, const char *name,
		     struct cache_file *out)
{
	char cache[PATH_MAX], link[PATH_MAX];

	*out->path = '\0';
	if (!want->id)
		return 0;
	snprintf(cache, sizeof(cache), "%s/images", j->agent->dir);
	snprintf(link, sizeof(link), "%s/%s", j->dir, name);
	return cache_get(j->agent->door, cache, want, link, out, &j->e);
}

/* From the cache or the API. */
static int get_images(struct server_job *j, struct files *f)
{
	const struct want_image *image = &j->want.image;
	int rc = get_image(j, &image->disk, CACHE_BASE, &f->base);

	if (!rc)
		rc = get_image(j, &image->kernel, CACHE_KERNEL, &f->kernel);
	if (!rc && image->kernel.id)
		rc = get_image(j, &image->ramdisk, CACHE_INITRD, &f->initrd);
	return rc;
}

static void evict_images(struct server_job *j)
{
	char cache[PATH_MAX], servers[PATH_MAX];

	snprintf(cache, sizeof(cache), "%s/images", j->agent->dir);
	snprintf(servers, sizeof(servers), "%s/servers", j->agent->dir);
	cache_evict(cache, servers);
}

static int start_domain(struct server_job *j, const struct domxml *files)
{
	struct domxml_port ports[WANT_PORTS_MAX];
	char sockets[WANT_PORTS_MAX][VF_PATH_LEN + 1];
	auto_free char *xml = NULL;
	struct domxml d = *files;

	for (unsigned int i = 0; i < j->n_ports; i++) {
		const struct want_port *p = &j->ports[i];

		agent_socket_path(j->agent, p->id, sockets[i]);
		ports[i] = (struct domxml_port){ .id = p->id,
						 .mac = p->config.mac,
						 .mtu = p->config.mtu ? p->config.mtu : 1500,
						 .socket = sockets[i] };
	}
	d.server = &j->want;
	d.kvm = j->kvm;
	d.no_msix = j->no_msix;
	d.n_ports = j->n_ports;
	d.ports = ports;
	xml = domxml_build(&d);
	j->begun = xml;
	return xml ? virt_start(j->agent->virt, xml, &j->e)
		   : err_set(&j->e, -ENOMEM, "out of memory");
}

static int start(struct server_job *j)
{
	char disk[PATH_MAX], iso[PATH_MAX], console[PATH_MAX];
	const struct want_image *image = &j->want.image;
	const char *driver = imghdr_driver(image->disk.format);
	struct files f;
	int rc;

	if (!driver)
		return err_set(&j->e, -EINVAL, "no server boots from the disk format %.20s",
			       image->disk.format);
	snprintf(disk, sizeof(disk), "%s/disk.qcow2", j->dir);
	snprintf(iso, sizeof(iso), "%s/config.iso", j->dir);
	snprintf(console, sizeof(console), "%s/console.log", j->dir);
	rc = file_mkdirs(j->dir, 0755, &j->e);
	if (!rc)
		rc = get_images(j, &f);
	if (!rc)
		rc = disk_make(&f.base, driver, j->want.disk_gb, disk, &j->e);
	if (!rc)
		rc = make_drive(j, iso);
	if (!rc)
		rc = make_console(console, &j->e);
	if (rc)
		return rc;
	return start_domain(
		j, &(struct domxml){
			   .kernel = *f.kernel.path ? f.kernel.path : NULL,
			   .initrd = *f.initrd.path ? f.initrd.path : NULL,
			   .cmdline = image->cmdline ? image->cmdline
						     : "root=/dev/vda console=tty0 console=ttyS0",
			   .disk = disk,
			   .base = f.base.path,
			   .base_driver = driver,
			   .drive = iso,
			   .console = console });
}

/* The power button first; the plug when the guest does not follow. */
static int stop(struct server_job *j)
{
	const char *id = j->want.id;
	enum domain_state state = DOMAIN_RUNNING;

	for (int waited_ms = 0; waited_ms < SHUTDOWN_MS; waited_ms += 200) {
		if (waited_ms % PRESS_EVERY_MS == 0)
			virt_shutdown(j->agent->virt, id, NULL);
		sleep_ms(200);
		if (!virt_state(j->agent->virt, id, &state, NULL) && state == DOMAIN_ABSENT)
			return 0;
	}
	return virt_destroy(j->agent->virt, id, &j->e);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static int delete_all(struct server_job *j)
{
	int rc = virt_destroy(j->agent->virt, j->want.id, &j->e);

	if (!rc && nftw(j->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) &&
	    errno != ENOENT)
		rc = err_errno(&j->e, "%s", j->dir);
	return rc;
}

static void server_run(void *arg)
{
	struct server_job *j = arg;

	switch (j->step) {
	case SERVER_STEP_REBOOT:
		j->rc = virt_destroy(j->agent->virt, j->want.id, &j->e);
		j->ended = !j->rc;
		if (!j->rc)
			j->rc = start(j);
		break;
	case SERVER_STEP_START:
		j->rc = start(j);
		evict_images(j);
		break;
	case SERVER_STEP_STOP:
		j->rc = stop(j);
		break;
	case SERVER_STEP_DELETE:
		j->rc = delete_all(j);
		evict_images(j);
		break;
	case SERVER_STEP_NONE:
		break;
	}
}

static void started(struct agent *a, struct server *s, const struct server_job *j)
{
	log_info("started a server", "id=%s accel=%s", s->id, j->kvm ? "kvm" : "tcg");
	s->have.domain = DOMAIN_RUNNING;
	s->have.files = true;
	s->have.reboot = j->want.reboot;
	s->have.halted = s->have.failed = s->have.was_active = false;
	s->fault[0] = '\0';
	s->starts = 0;
	s->started = true;
	record_server(a, s);
}

static void start_failed(struct server *s, const struct server_job *j)
{
	s->have.files = true;
	if (j->ended)
		s->have.domain = DOMAIN_ABSENT;
	if (s->starts_generation != j->want.generation)
		s->starts = 0;
	s->starts_generation = j->want.generation;
	s->starts += j->begun;
	if (plan_start_again(j->rc, j->begun, s->starts))
		return;
	s->have.failed = true;
	s->have.failed_generation = j->want.generation;
	snprintf(s->fault, sizeof(s->fault), "%.*s", (int)sizeof(s->fault) - 1, j->e.msg);
}

static void ended(struct agent *a, struct server *s, const struct server_job *j)
{
	log_info(j->step == SERVER_STEP_DELETE ? "deleted a server" : "stopped a server", "id=%s",
		 s->id);
	s->have.domain = DOMAIN_ABSENT;
	s->have.halted = s->have.failed = false;
	s->started = false;
	if (j->step == SERVER_STEP_DELETE)
		s->have.files = false;
	else
		record_server(a, s);
}

static void job_free(struct server_job *j)
{
	want_doc_put(&j->want.doc);
	for (unsigned int i = 0; i < j->n_ports; i++) {
		want_doc_put(&j->ports[i].doc);
		want_doc_put(&j->nets[i].doc);
	}
	free(j);
}

static void server_done(void *arg)
{
	struct server_job *j = arg;
	struct agent *a = j->agent;
	struct server *s = entity_server(a, j->want.id);
	bool starts = j->step == SERVER_STEP_START || j->step == SERVER_STEP_REBOOT;

	if (s) {
		s->busy = s->starting = s->have.rebooting = false;
		s->stamp = ++a->clock;
		retry_later(&s->retry, starts ? "a server does not start" : "a server does not end",
			    s->id, j->rc ? &j->e : NULL);
		if (j->rc && starts)
			start_failed(s, j);
		else if (starts)
			started(a, s, j);
		else if (!j->rc)
			ended(a, s, j);
		agent_list_domains(a);
		agent_evaluate(a);
	}
	job_free(j);
}

static void copy_ports(struct agent *a, struct server_job *j)
{
	for (unsigned int i = 0; i < j->want.n_ports; i++) {
		const struct port *p = entity_port(a, j->want.ports[i]);
		const struct net *n = p && p->want.doc ? entity_net(a, p->want.network) : NULL;

		if (!p || !p->want.doc || want_port_parse(p->want.doc, &j->ports[j->n_ports], NULL))
			continue;
		if (n && n->want.doc)
			want_net_parse(n->want.doc, &j->nets[j->n_ports], NULL);
		j->n_ports++;
	}
}

/**
 * step_server() - Run a step on a server's domain
 * @a:    agent
 * @s:    server with a document; not busy
 * @step: from plan_server()
 */
void step_server(struct agent *a, struct server *s, enum server_step step)
{
	struct server_job *j = calloc(1, sizeof(*j));
	char dir[PATH_MAX];

	if (!j)
		return;
	j->agent = a;
	j->step = step;
	j->kvm = a->accel == ACCEL_KVM;
	j->no_msix = !j->kvm && a->virt_version < QEMU_NO_MSIX;
	agent_server_dir(a, s->id, dir);
	snprintf(j->dir, sizeof(j->dir), "%.*s", (int)sizeof(j->dir) - 1, dir);
	want_server_parse(s->want.doc, &j->want, NULL);
	copy_ports(a, j);
	if (!j->want.doc || work_push(s->steps, server_run, server_done, j)) {
		job_free(j);
		return;
	}
	s->busy = true;
	s->starting = step == SERVER_STEP_START || step == SERVER_STEP_REBOOT;
	s->rescued = false;
	s->have.rebooting = step == SERVER_STEP_REBOOT;
	s->stamp = ++a->clock;
}

static void rescue_run(void *arg)
{
	struct server_job *j = arg;

	virt_destroy(j->agent->virt, j->want.id, NULL);
}

static void rescue_done(void *arg)
{
	job_free(arg);
}

/**
 * step_rescue() - End a domain whose start hangs, beside its step
 * @a: agent
 * @s: server with a document that wants it to end
 *
 * QEMU waits for its VFs before libvirt can speak with it; killing it ends the start as well.
 */
void step_rescue(struct agent *a, struct server *s)
{
	struct server_job *j = s->starting ? calloc(1, sizeof(*j)) : NULL;

	if (!j)
		return;
	j->agent = a;
	want_server_parse(s->want.doc, &j->want, NULL);
	if (!j->want.doc || work_push(s->qmp, rescue_run, rescue_done, j))
		job_free(j);
	else
		s->rescued = true;
}
