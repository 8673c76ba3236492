#include "cli/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "cli/json.h"
#include "cli/mountpoint.h"
#include "cli/output.h"
#include "cli/unmount.h"
#include "core/clock.h"

#define PATIENCE_MS  2000
#define ELSEWHERE_NS (8 * NSEC_PER_SEC)
#define NOBODY_NS    (2 * NSEC_PER_SEC)

/* A descriptor of the daemon's process, for waiting; -ESRCH when there is no
 * such process in our sight. How often it could not keep changes that had been
 * acknowledged goes to ret_lost. */
static int daemon_pidfd(const char *dir, uint64_t *ret_lost)
{
	CLEANUP_BUF struct buf status = BUF_INIT;
	uint64_t pid;
	int rc;

	rc = ctl_read(dir, "status", &status);
	if (rc >= 0)
		rc = json_u64(buf_cstr(&status), "pid", &pid);
	if (rc >= 0)
		rc = json_u64(buf_cstr(&status), "lost", ret_lost);
	if (rc < 0)
		return rc;
	rc = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
	return rc < 0 ? -errno : rc;
}

/* A process that is ending holds its mounts for a moment after /proc has ceased
 * to show what it uses: busy by nobody is tried again for a while. */
static int unmount_patiently(const struct mount_table *t,
			     const struct mount_entry *e, bool lazy,
			     struct err *err)
{
	CLEANUP_BUF struct buf users = BUF_INIT;
	int64_t end = clock_mono_ns() + NOBODY_NS;
	int rc;

	while (true) {
		rc = unmount(e->dir, lazy, err);
		if (rc != -EBUSY || clock_mono_ns() >= end)
			return rc;
		buf_reset(&users);
		if (mount_users(t, e, &users) < 0 || users.len)
			return rc;
		poll(NULL, 0, 20);
	}
}

static int report_busy(const struct mount_table *t, const struct mount_entry *e)
{
	CLEANUP_BUF struct buf users = BUF_INIT, jobs = BUF_INIT;
	int rc = mount_users(t, e, &users);

	/* Who waits for an open(2) has no descriptor yet. */
	if (ctl_read(e->dir, "jobs", &jobs) >= 0 && jobs.len)
		buf_fmt(&users,
			"%scomputations run that somebody waits for "
			"(%s/.deriva/jobs lists them)",
			users.len ? "; " : "", e->dir);

	if (rc < 0)
		return fail("%s is busy, and /proc does not say by whom: %s",
			    e->dir, err_name(rc));
	if (!users.len)
		return fail("%s is busy, by a process that only its owner and "
			    "root can see (-l unmounts when it is done)",
			    e->dir);
	return fail("%s is busy: %s", e->dir, buf_cstr(&users));
}

/* Nobody here has it any more, but a namespace that was made meanwhile has a
 * mount of its own: a container, or what one left behind. */
static bool report_elsewhere(const struct mount_entry *e, struct pollfd *p)
{
	CLEANUP_BUF struct buf users = BUF_INIT;
	int64_t end = clock_mono_ns() + ELSEWHERE_NS;

	/* a sandbox that is being made has all there is for a moment */
	do {
		buf_reset(&users);
		if (mount_elsewhere(e, &users) < 0 || !users.len)
			return false;
		if (poll(p, 1, 500) > 0)
			return false;
	} while (clock_mono_ns() < end);
	fail("%s: unmounted here, but mounted in another mount namespace as "
	     "well, and the daemon serves that as long as these run: %s",
	     e->dir, buf_cstr(&users));
	return true;
}

static int wait_gone(int pidfd, const struct mount_entry *e, bool lazy)
{
	const char *dir = e->dir;
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	int n = poll(&p, 1, PATIENCE_MS);

	if (n == 0 && lazy) {
		complain("%s: unmounted; its daemon ends when the last process "
			 "that still uses it is done",
			 dir);
		return EXIT_SUCCESS;
	}
	if (n == 0 && report_elsewhere(e, &p))
		return EXIT_FAILURE;
	if (n == 0)
		complain("%s: unmounted; waiting until everything is written",
			 dir);
	while (n <= 0) {
		n = poll(&p, 1, -1);
		if (n < 0 && errno != EINTR)
			return fail("waiting for the daemon: %s",
				    err_name(errno));
	}
	return EXIT_SUCCESS;
}

static int take_away(const struct mount_table *t, const struct mount_entry *e,
		     bool lazy)
{
	uint64_t lost = 0;
	CLEANUP_CLOSE int pidfd = daemon_pidfd(e->dir, &lost);
	bool dead = pidfd == -ENOTCONN || pidfd == -ECONNABORTED;
	struct err err;
	int rc;

	if (pidfd < 0 && !dead && pidfd != -ESRCH)
		return fail("%s/.deriva/status: %s (unmount it as the user who "
			    "mounted it)",
			    e->dir, err_name(pidfd));
	rc = unmount_patiently(t, e, lazy || dead, &err);
	if (rc == -EBUSY)
		return report_busy(t, e);
	if (rc < 0)
		return fail("%s: %s", e->dir, err.msg);
	if (dead) {
		complain("%s had lost its daemon; the mount is cleared away "
			 "(the store's file \"log\" may say why)",
			 e->dir);
		return EXIT_SUCCESS;
	}
	if (pidfd < 0) {
		complain("%s: unmounted; its daemon runs where it cannot be "
			 "seen from here, and was not waited for",
			 e->dir);
		return EXIT_SUCCESS;
	}
	rc = wait_gone(pidfd, e, lazy);
	if (lost)
		return fail("%s: unmounted, but some changes could not be "
			    "kept; the store's file \"log\" says when and why",
			    e->dir);
	return rc;
}

static int no_mount(const struct mount_table *t, const char *dir)
{
	struct place p;

	if (mount_table_at(t, dir))
		return fail("%s is no Deriva mount, but one of another kind",
			    dir);
	if (place_find(dir, false, &p, NULL) < 0)
		return fail("%s is no Deriva mount", dir);
	fail("%s lies in the Deriva mount %s, but is not the mount itself", dir,
	     p.root);
	place_done(&p);
	return EXIT_FAILURE;
}

/* The mount that a path names: itself, or as what a symlink points at. */
static const struct mount_entry *find(const struct mount_table *t,
				      const char *path, const char *dir)
{
	const struct mount_entry *e = mount_table_at(t, dir);
	CLEANUP_FREE char *real = NULL;

	if (!e) {
		real = realpath(path, NULL);
		e = real ? mount_table_at(t, real) : NULL;
	}
	return e && mount_is_deriva(e) ? e : NULL;
}

static int run(struct cli *cli, int argc, char **argv)
{
	CLEANUP(mount_table_done) struct mount_table t = {0};
	CLEANUP_FREE char *dir = NULL;
	const struct mount_entry *e;
	bool lazy = false;
	struct err err;
	int rc;

	while (next_option(&cmd_umount, cli, argc, argv) != -1)
		lazy = true;
	if (cli->store)
		usage_error(&cmd_umount, "it takes the directory, not --store");
	count_operands(&cmd_umount, argc, 1, 1);
	if (path_absolute(argv[optind], &dir, &err) < 0)
		return fail("%s", err.msg);
	rc = mount_table_read(&t);
	if (rc < 0)
		return fail("/proc/self/mountinfo: %s", err_name(rc));
	e = find(&t, argv[optind], dir);
	return e ? take_away(&t, e, lazy) : no_mount(&t, dir);
}

static const struct option longs[] = {
	{"lazy", no_argument, NULL, 'l'},
	OPT_END,
};

const struct command cmd_umount = {
	.name = "umount",
	.args = "[-l] DIR",
	.summary = "unmount, and wait until everything is written",
	.help = "Returns when all changes are durable and the daemon has "
		"ended. "
		"While somebody\nuses the mount it stays, and who that is is "
		"named. A mount whose daemon died is\ncleared away.\n\n"
		"  -l, --lazy  take it out of sight at once; it ends with its "
		"last user\n\n"
		"Exit status: 0 unmounted, 1 busy, or no Deriva mount.\n",
	.shorts = "l",
	.longs = longs,
	.run = run,
};
