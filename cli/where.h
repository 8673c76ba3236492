/* cli/where.h - where a command works: the mounts its paths lie in, or a store.
 *
 * With --store DIR paths are relative to the store's root. A store that a mount
 * serves is used through that mount; otherwise it is mounted privately: as root
 * in a mount namespace of its own, else in a directory nobody else can enter.
 * With --branch that is one of that branch; of a mount, its own.
 * A private mount ends with the process, however that ends.
 */
#ifndef CLI_WHERE_H
#define CLI_WHERE_H

#include "cli/command.h"
#include "cli/mountpoint.h"
#include "core/buf.h"

#include <sys/types.h>

struct where {
	char *root; /* of the store's mount; NULL: each path says its own */
	pid_t pid;  /* of the private daemon, or 0 */
};

/* Call before threads start. Messages are given; 0 or -errno. */
int where_open(const struct cli *cli, struct where *ret) MUST_USE;
/* Ends a private mount; EXIT_FAILURE when it could not write the store. */
int where_close(struct where *w);
/* As place_find. A message is given. */
int where_place(const struct where *w, const char *path, bool follow,
		struct place *ret) MUST_USE;

/* The mount and the store of a command that reads the store: of --store, else
 * of `path`. *ret_root stays NULL when no mount in reach serves it; *ret_store
 * is absolute. What the mount has not committed yet is committed on the way. A
 * message is given. */
int where_mount(const struct cli *cli, const char *path, char **ret_root,
		char **ret_store) MUST_USE;
/* The name of the branch of what that found; root may be NULL. */
int where_branch(const struct cli *cli, const char *root,
		 struct buf *ret) MUST_USE;

#endif
