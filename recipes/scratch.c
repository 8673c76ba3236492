/* What a command leaves may be any tree: deeper than there are descriptors or
 * stack, with directories that nobody may enter. So a tree is not descended
 * into: directories below the first level are moved up to the top and emptied
 * there, one after another.
 */
#include "recipes/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "recipes/eval.h"

static DIR *open_listing(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);

	if (!d)
		close_fdp(&copy);
	return d;
}

static bool is_dot(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

struct sweep {
	int top;
	unsigned next; /* number for a name in top */
};

/* Moves a directory to the top. What has that name there already is to go,
 * too: an empty directory is replaced, all else refuses. */
static bool move_up(struct sweep *s, int from, const char *name)
{
	char to[48];
	unsigned tries;

	fchmodat(from, name, 0700, 0); /* its ".." changes */
	for (tries = 0; tries < 1000; tries++) {
		snprintf(to, sizeof(to), "gone-%d-%u", (int)getpid(),
			 s->next++);
		if (!renameat(from, name, s->top, to))
			return true;
		if (errno != EEXIST && errno != ENOTEMPTY && errno != ENOTDIR)
			return false;
	}
	return false;
}

/* Removes a directory that lies in top; what is in it, and is a directory
 * itself, lies in top afterwards. Whether anything went. */
static bool remove_dir(struct sweep *s, const char *name)
{
	CLEANUP_CLOSE int fd = -1;
	bool went = false;
	struct dirent *e;
	DIR *d;

	fchmodat(s->top, name, 0700, 0);
	fd = openat(s->top, name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	d = fd < 0 ? NULL : open_listing(fd);
	while (d && (e = readdir(d))) {
		if (is_dot(e->d_name))
			continue;
		if (!unlinkat(fd, e->d_name, 0))
			went = true;
		else if (errno == EISDIR || errno == EPERM)
			went |= move_up(s, fd, e->d_name);
	}
	if (d)
		closedir(d);
	return !unlinkat(s->top, name, AT_REMOVEDIR) || went;
}

bool scratch_empty(int top)
{
	struct sweep s = {.top = top};
	bool went = true, any = true;
	struct dirent *e;
	DIR *d;

	while (went) {
		went = any = false;
		d = open_listing(top);
		if (!d)
			return false;
		while ((e = readdir(d))) {
			if (is_dot(e->d_name))
				continue;
			any = true;
			went |= !unlinkat(top, e->d_name, 0) ||
				remove_dir(&s, e->d_name);
		}
		closedir(d);
	}
	return !any;
}

/* What somebody who lives has there is locked by him. */
static void sweep_one(int top, const char *name)
{
	CLEANUP_CLOSE int fd = -1;
	struct stat st;

	if (fstatat(top, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
		unlinkat(top, name, 0);
		return;
	}
	fd = openat(top, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == EACCES && S_ISDIR(st.st_mode)) {
		/* nobody makes one of his own that he cannot open */
		fchmodat(top, name, 0700, 0);
		fd = openat(top, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return;
	if (S_ISDIR(st.st_mode)) {
		fchmod(fd, 0700);
		scratch_empty(fd);
	}
	unlinkat(top, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0);
}

int eval_sweep(struct store *store)
{
	int top = store_drafts_fd(store);
	DIR *d = open_listing(top);
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (!is_dot(e->d_name) &&
		    strncmp(e->d_name, DRAFTS_SEALED, strlen(DRAFTS_SEALED)))
			sweep_one(top, e->d_name);
	if (d)
		closedir(d);
	return 0;
}

void scratch_done(struct scratch *s)
{
	if (s->fd >= 0) {
		scratch_empty(s->fd);
		close(s->fd);
	}
	if (s->name[0])
		unlinkat(store_drafts_fd(s->store), s->name, AT_REMOVEDIR);
	free(s->path);
}

/* A directory of that name, locked: 1. 0: it is somebody else's, who may even
 * have swept it away a moment after it was made. */
static int try_name(struct scratch *s, int drafts)
{
	CLEANUP_CLOSE int fd = -1;
	struct stat st;

	if (mkdirat(drafts, s->name, 0700) < 0)
		return errno == EEXIST ? 0 : -errno;
	fd = openat(drafts, s->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 0 : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!st.st_nlink)
		return 0;
	s->fd = steal_fd(&fd);
	return 1;
}

/* Processes that do not see each other may have the same number. */
static int make_locked(struct scratch *s, uint64_t number)
{
	int drafts = store_drafts_fd(s->store), i, r = 0;

	for (i = 0; !r && i < 1000; i++) {
		snprintf(s->name, sizeof(s->name), "run-%d-%llu-%d",
			 (int)getpid(), (unsigned long long)number, i);
		r = try_name(s, drafts);
	}
	if (r <= 0)
		s->name[0] = '\0';
	return r < 0 ? r : r ? 0 : -EEXIST;
}

int scratch_make(struct scratch *s, uint64_t number)
{
	int r = make_locked(s, number);

	if (r < 0)
		return r;
	if (mkdirat(s->fd, "o", 0700) < 0)
		return -errno;
	if (asprintf(&s->path, "%s/drafts/%s", store_path(s->store), s->name) <
	    0) {
		s->path = NULL;
		return -ENOMEM;
	}
	return 0;
}
