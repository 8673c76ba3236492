#include "cli/command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/attrs.h"
#include "cli/gone.h"
#include "cli/output.h"
#include "cli/past.h"
#include "cli/where.h"

struct job {
	const char *when, *path, *to; /* to: NULL: where it was */
	char *root, *rel;	      /* of path */
};

/* Opens the directory of the last component of rel, below an open one; where
 * it is gone it is made again, as it is in `model` (-1: it has to be there). */
static int open_above(int top, int model, const char *rel, int *ret_fd,
		      const char **ret_name)
{
	CLEANUP_CLOSE int fd = dup(top), from = model < 0 ? -1 : dup(model);
	int next, then = -1;
	const char *slash;

	while (fd >= 0 && (slash = strchr(rel, '/'))) {
		CLEANUP_FREE char *name = strndup(rel, (size_t)(slash - rel));

		if (!name)
			return -ENOMEM;
		next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (from >= 0)
			then = openat(from, name,
				      O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (next < 0 && errno == ENOENT && then >= 0) {
			struct stat st;

			if (fstat(then, &st) < 0 ||
			    mkdirat(fd, name, st.st_mode & 07777) < 0)
				return -errno;
			next = openat(fd, name,
				      O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		}
		close(fd);
		if (from >= 0)
			close(from);
		from = then;
		then = -1;
		fd = next;
		rel = slash + 1 + strspn(slash + 1, "/");
	}
	if (fd < 0)
		return -errno;
	*ret_name = rel;
	*ret_fd = steal_fd(&fd);
	return 0;
}

/* `to` as a directory and a name in it. */
static int open_target(const struct where *w, const struct job *j, int past,
		       int *ret_fd, const char **ret_name)
{
	CLEANUP_CLOSE int top = -1;
	CLEANUP_FREE char *dir = NULL;
	const char *to = j->to, *slash;

	if (!to || w->root) {
		top = open(j->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (top < 0)
			return -errno;
		if (!to)
			return open_above(top, past, j->rel, ret_fd, ret_name);
		return open_above(top, -1, to + strspn(to, "/"), ret_fd,
				  ret_name);
	}
	slash = strrchr(to, '/');
	dir = slash ? strndup(to, (size_t)(slash - to) + 1) : strdup(".");
	if (!dir)
		return -ENOMEM;
	*ret_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*ret_name = slash ? slash + 1 : to;
	return *ret_fd < 0 ? -errno : 0;
}

static bool is_empty_dir(int dir, const char *name)
{
	/* only an empty one can be removed */
	return !unlinkat(dir, name, AT_REMOVEDIR);
}

/* --to never takes anything away that it does not stand for. */
static int check_target(const struct job *j, int dir, const char *name)
{
	struct stat st;

	if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
		return complain("--to %s: a name is needed, not a directory "
				"to put it into",
				j->to),
		       -EINVAL;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISDIR(st.st_mode) || is_empty_dir(dir, name))
		return 0;
	complain("--to %s: a directory is there, and not empty", j->to);
	return -ENOTEMPTY;
}

static int open_past(const struct job *j, int *ret_top, int *ret_dir,
		     const char **ret_name)
{
	struct stat st;
	int rc = past_open(j->root, j->when, ret_top);

	if (rc < 0)
		return rc;
	rc = open_above(*ret_top, -1, j->rel, ret_dir, ret_name);
	if (rc >= 0 && !**ret_name)
		*ret_name = ".";
	if (rc >= 0 && fstatat(*ret_dir, *ret_name, &st, AT_SYMLINK_NOFOLLOW))
		rc = -errno;
	if (rc == -ENOENT || rc == -ENOTDIR)
		complain("%s: there was no such file at %s (deriva log %s "
			 "lists what there was)",
			 j->path, j->when, j->path);
	else if (rc < 0)
		complain("%s at %s: %s", j->path, j->when, err_name(rc));
	return rc;
}

static int check_derived(const struct job *j)
{
	CLEANUP_FREE char *full = path_join(j->root, j->rel);
	enum file_state s;

	if (!full)
		return -ENOMEM;
	if (j->to || attr_state(full, &s) < 0 || s == STATE_SOURCE ||
	    s == STATE_BLOCKED)
		return 0;
	complain("%s is made by its recipe: restore that or what it reads, or "
		 "name another file with --to",
		 j->path);
	return -EPERM;
}

static int restore(const struct where *w, const struct job *j)
{
	CLEANUP_CLOSE int top = -1, from = -1, to = -1;
	const char *from_name, *to_name;
	int rc = check_derived(j);

	if (rc >= 0)
		rc = open_past(j, &top, &from, &from_name);
	if (rc < 0)
		return EXIT_FAILURE;
	rc = open_target(w, j, top, &to, &to_name);
	if (rc < 0)
		return fail("%s: %s", j->to ? j->to : j->path, err_name(rc));
	if (j->to && check_target(j, to, to_name) < 0)
		return EXIT_FAILURE;
	rc = past_restore(from, from_name, to, *to_name ? to_name : ".",
			  j->to ? j->to : j->path);
	return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int find_path(const struct where *w, struct job *j)
{
	if (!w->root)
		return gone_find(j->path, &j->root, &j->rel);
	j->root = strdup(w->root);
	j->rel = strdup(j->path + strspn(j->path, "/"));
	return j->root && j->rel ? 0 : -ENOMEM;
}

static void strip_slashes(char *s)
{
	size_t n = strlen(s);

	while (n && s[n - 1] == '/')
		s[--n] = '\0';
}

static int run(struct cli *cli, int argc, char **argv)
{
	struct job j = {0};
	struct where w;
	int o, status;

	while ((o = next_option(&cmd_restore, cli, argc, argv)) != -1)
		*(o == 'a' ? &j.when : &j.to) = optarg;
	count_operands(&cmd_restore, argc, 1, 1);
	if (!j.when)
		usage_error(&cmd_restore, "--at TIME is missing: the moment "
					  "to go back to");
	j.path = argv[optind];
	if (where_open(cli, &w) < 0)
		return EXIT_FAILURE;
	if (find_path(&w, &j) < 0) {
		status = EXIT_FAILURE;
	} else {
		strip_slashes(j.rel);
		status = restore(&w, &j);
	}
	free(j.root);
	free(j.rel);
	return where_close(&w) ? EXIT_FAILURE : status;
}

static const struct option longs[] = {
	{"at", required_argument, NULL, 'a'},
	{"to", required_argument, NULL, 't'},
	OPT_STORE,
	OPT_END,
};

const struct command cmd_restore = {
	.name = "restore",
	.args = "--at TIME [--to PATH] [--store DIR] PATH",
	.summary = "bring back a file or tree as it was",
	.help = "PATH becomes what it was at TIME: content, mode, owner, time "
		"and extended\nattributes; of a directory all below it, and "
		"what came since goes. That is a\nchange like any other: what "
		"was there before can be restored in turn. Content\nis "
		"shared, so that it takes no time or room. What recipes make "
		"is left to them.\n\n"
		"  --at TIME    2026-11-20T10:00, yesterday, \"2 hours ago\", "
		"@1234, a snapshot\n"
		"  --to PATH    make it there, and leave PATH alone\n"
		"  --store DIR  of that store, paths from its root\n",
	.shorts = "",
	.longs = longs,
	.run = run,
};
