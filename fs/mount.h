/* fs/mount.h - a store as a mounted directory: the whole life of a daemon.
 *
 * mount_start() opens the store, takes its mount lock, starts the sandbox's
 * helper and mounts; mount_serve() answers the kernel until somebody unmounts
 * and everything is durable. Daemonizing is the caller's business and comes
 * before mount_start (which forks the helper and starts threads).
 */
#ifndef FS_MOUNT_H
#define FS_MOUNT_H

#include "core/err.h"
#include "core/retention.h"

#include <stdbool.h>

struct mount;

struct mount_options {
	bool read_only;
	bool allow_other;
	bool allow_root; /* root, beside who mounted */
	bool auto_unmount;
	bool acl,
		no_acl; /* lists beyond modes; acl: also where nobody else is */
	bool default_permissions;
	bool stat_lazy;	 /* stat=lazy: a never computed file shows size 0 */
	bool no_sandbox; /* unsafe-no-sandbox */
	bool debug;	 /* log every kernel message */
	unsigned jobs;	 /* computations at a time; 0: one a core */
	char retention[RETENTION_TEXT]; /* settings of the store that are made,
					 * or "" */
	char budget[64], collect[64], verify[64];
	bool over; /* whatever lies in the directory, or is mounted there */
	char branch[256]; /* that it shows; "": main */
	char *fsname;	  /* what df(1) shows; NULL: the store's path */
	char *fuse_extra; /* options handed on to the kernel, NULL: none */
};

/* "ro,allow_other,stat=lazy,jobs=4"; -EINVAL names the unknown option and
 * those there are. Adds to what is in *o. */
int mount_parse_options(const char *text, struct mount_options *o,
			struct err *err) MUST_USE;
void mount_options_done(struct mount_options *o);

/* Makes the store, and the last component of dir, if missing. One line in err
 * says why it failed and what to do: no /dev/fuse, not permitted to open it,
 * no fusermount3, dir not empty or already a mount, store in use or newer. */
int mount_start(const char *store, const char *dir,
		const struct mount_options *o, struct mount **ret,
		struct err *err) MUST_USE;
/* SIGINT, SIGTERM and SIGHUP unmount, too. Frees. */
int mount_serve(struct mount *m);

#endif
