#include "cli/command.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#include "cli/daemon.h"
#include "cli/mountinfo.h"
#include "cli/mountpoint.h"
#include "cli/output.h"
#include "cli/unmount.h"

/* A mount whose daemon died stays until somebody unmounts it; nothing can be
 * mounted there, or even looked at, before. */
static int clear_dead(const char *dir)
{
	CLEANUP(mount_table_done) struct mount_table t = {0};
	const struct mount_entry *e;
	struct statvfs st;
	struct err err;
	int rc;

	rc = mount_table_read(&t);
	if (rc < 0)
		return fail("/proc/self/mountinfo: %s", err_name(rc));
	e = mount_table_at(&t, dir);
	/* not stat(2), which the kernel may answer for the dead; who is just
	 * dying aborts what it was asked */
	if (!e || !mount_is_deriva(e) || statvfs(dir, &st) == 0 ||
	    (errno != ENOTCONN && errno != ECONNABORTED))
		return EXIT_SUCCESS;
	rc = unmount(dir, true, &err);
	if (rc < 0)
		return fail("%s: the mount there has lost its daemon, and %s",
			    dir, err.msg);
	complain("%s: cleared away a mount that had lost its daemon", dir);
	return EXIT_SUCCESS;
}

static int start(const struct daemon_args *a, bool foreground)
{
	CLEANUP_FREE char *dir = NULL;
	struct err err;
	pid_t pid;

	if (foreground)
		return daemon_run(a);
	if (daemon_start(a, &pid, &dir, &err) < 0)
		return fail("%s", err.msg);
	return EXIT_SUCCESS;
}

static void add_options(struct mount_options *o, const char *text)
{
	struct err err;

	if (mount_parse_options(text, o, &err) < 0)
		usage_error(&cmd_mount, "%s", err.msg);
}

static int run(struct cli *cli, int argc, char **argv)
{
	CLEANUP(mount_options_done) struct mount_options options = {0};
	CLEANUP_FREE char *store = NULL, *dir = NULL;
	struct daemon_args args = {.options = &options};
	bool foreground = false;
	struct err err;
	int c;

	while ((c = next_option(&cmd_mount, cli, argc, argv)) != -1)
		if (c == 'f')
			foreground = true;
		else
			add_options(&options, optarg);
	if (cli->store)
		usage_error(&cmd_mount, "the store is the first operand here, "
					"without --store");
	count_operands(&cmd_mount, argc, 2, 2);
	if (path_absolute(argv[optind], &store, &err) < 0 ||
	    path_absolute(argv[optind + 1], &dir, &err) < 0)
		return fail("%s", err.msg);
	if (clear_dead(dir))
		return EXIT_FAILURE;
	args.store = store;
	args.dir = dir;
	return start(&args, foreground);
}

static const struct option longs[] = {
	{"foreground", no_argument, NULL, 'f'},
	{"options", required_argument, NULL, 'o'},
	OPT_END,
};

const struct command cmd_mount = {
	.name = "mount",
	.args = "[-f] [-o OPTIONS] STORE DIR",
	.summary = "mount a store at a directory",
	.help = "Makes STORE, and the last component of DIR, if missing. "
		"Returns when DIR can be\nused; a process in the background "
		"serves it, and writes what it has to say to\nSTORE/log.\n\n"
		"  -f, --foreground  serve it in this process, until it is "
		"unmounted or\n"
		"                    interrupted\n"
		"  -o OPTIONS        any number of, with commas between:\n"
		"    ro                    nothing can be changed\n"
		"    allow_other           other users may use it, too\n"
		"    allow_root            root may, beside who mounts\n"
		"    acl, noacl            access control lists (with "
		"allow_other they are\n"
		"                          there)\n"
		"    auto_unmount          unmount when the process dies\n"
		"    fsname=NAME           shown by df(1) in place of STORE\n"
		"    default_permissions   the kernel checks permissions\n"
		"    stat=lazy             a file never computed shows size 0\n"
		"    jobs=N                computations at a time (default: "
		"one a core)\n"
		"    unsafe-no-sandbox     run commands without a sandbox\n"
		"    debug                 log every message of the kernel\n"
		"    nosuid, nodev, noexec, noatime, sync, dirsync: as with "
		"mount(8)\n"
		"    what else stands in fstab (noauto, nofail, _netdev, user, "
		"x-...) is\n    passed over\n\n"
		"In fstab:  STORE DIR fuse.deriva OPTIONS 0 0\n"
		"deriva umount DIR ends it.\n",
	.shorts = "fo:",
	.longs = longs,
	.run = run,
};
