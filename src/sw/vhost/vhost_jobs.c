/* SPDX-License-Identifier: Apache-2.0 */
/* Work that control has for the helper thread of vhost_sock.c, and may wait for. */
#include <errno.h>
#include <sys/eventfd.h>
#include <time.h>

#include "sw/vhost/vhost_priv.h"

#define REGISTER_TIMEOUT_S 5

struct vhost_lib *vhost_lib;

static void job_post(struct vhost_lib *lib, struct job *job)
{
	struct job **p = &lib->jobs;

	pthread_mutex_lock(&lib->jobs_lock);
	while (*p)
		p = &(*p)->next;
	*p = job;
	pthread_mutex_unlock(&lib->jobs_lock);
	(void)eventfd_write(lib->wake_fd, 1);
}

/**
 * vhost_job_next() - Take the oldest job
 * @lib:  helper
 * @stop: whether the helper is to end when there is none
 *
 * Return: the job, or NULL.
 * Context: the helper.
 */
struct job *vhost_job_next(struct vhost_lib *lib, bool *stop)
{
	struct job *job;

	pthread_mutex_lock(&lib->jobs_lock);
	job = lib->jobs;
	if (job)
		lib->jobs = job->next;
	*stop = lib->stop;
	pthread_mutex_unlock(&lib->jobs_lock);
	return job;
}

/**
 * vhost_job_done() - A socket is open, or cannot be
 * @lib: helper
 * @job: to open one; freed here or by who waits for it
 * @rc:  how it went, with the job's err
 *
 * Context: the helper.
 */
void vhost_job_done(struct vhost_lib *lib, struct job *job, int rc)
{
	bool waited;

	pthread_mutex_lock(&lib->jobs_lock);
	waited = job->waited;
	job->rc = rc;
	job->done = true;
	pthread_cond_broadcast(&lib->jobs_done);
	pthread_mutex_unlock(&lib->jobs_lock);
	if (!waited)
		free(job);
}

/**
 * vhost_free() - Close the socket and free the port, as struct port_ops says
 * @port: out of the worker's sight; freed by the helper, later
 *
 * Context: control. Does not wait.
 */
void vhost_free(struct port *port)
{
	struct vhost_port *vp = container_of(port, struct vhost_port, port);

	pthread_mutex_lock(&vp->lib->dp->queues_lock);
	vp->closing = true;
	pthread_mutex_unlock(&vp->lib->dp->queues_lock);
	vp->close_job = (struct job){ .port = vp };
	job_post(vp->lib, &vp->close_job);
}

/**
 * vhost_register() - Open the socket of a port that dp knows by now
 * @port: from vhost_new(), named
 * @e:    may be NULL
 *
 * Return: 0; -EADDRINUSE; -EEXIST: a file that is no socket is in the way; what
 * bind() said; -ETIMEDOUT: it may open later, free the port.
 * Context: control. Waits for the helper, which may be closing other sockets.
 */
int vhost_register(struct port *port, struct err *e)
{
	struct vhost_port *vp = container_of(port, struct vhost_port, port);
	struct job *job = calloc(1, sizeof(*job));
	struct timespec until;
	int rc = 0;

	if (!job)
		return err_set(e, -ENOMEM, "no memory for a vhost port");
	*job = (struct job){ .port = vp, .add = true, .waited = true };
	job_post(vp->lib, job);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += REGISTER_TIMEOUT_S;
	pthread_mutex_lock(&vp->lib->jobs_lock);
	while (!job->done && !rc)
		rc = pthread_cond_clockwait(&vp->lib->jobs_done, &vp->lib->jobs_lock,
					    CLOCK_MONOTONIC, &until);
	job->waited = job->done;
	pthread_mutex_unlock(&vp->lib->jobs_lock);
	if (!job->waited)
		return err_set(e, -ETIMEDOUT, "%s: librte_vhost is busy", vp->path);
	rc = job->rc ? err_set(e, job->rc, "%s", job->err.msg) : 0;
	free(job);
	return rc;
}
