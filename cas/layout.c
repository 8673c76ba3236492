/* A store is a directory with a file `format` that says so. That file is
 * written last, and renamed into place, so that a crash while a store is made
 * leaves a directory that is no store, but one that may be finished: it holds
 * nothing but names of ours, and no pack.
 */
#include "cas/layout.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cas/newer.h"
#include "cas/store.h"

#define FORMAT_WORD "deriva store "

static void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

static int open_list(int dir_fd, const char *name, DIR **ret)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*ret = fdopendir(fd);
	if (*ret)
		return 0;
	close(fd);
	return -ENOMEM;
}

static bool is_dots(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

/* 1 nothing in it, 0 something, -ENOENT. */
static int is_empty(int dir_fd, const char *name)
{
	CLEANUP(closedirp) DIR *d = NULL;
	struct dirent *e;
	int rc = open_list(dir_fd, name, &d);

	if (rc)
		return rc;
	while (errno = 0, (e = readdir(d)))
		if (!is_dots(e->d_name))
			return 0;
	return errno ? -errno : 1;
}

/* A name of a store's directory; the database brings several. */
static bool is_ours(const char *name)
{
	return !strcmp(name, "packs") || !strcmp(name, "drafts") ||
	       !strcmp(name, "lock") || !strcmp(name, "holds") ||
	       !strcmp(name, "format.tmp") ||
	       !strncmp(name, "deriva.db", strlen("deriva.db"));
}

/* Whether an earlier start to make a store here was cut short, or the
 * directory is empty: 1 or 0. */
static int is_unfinished(int dir_fd)
{
	CLEANUP(closedirp) DIR *d = NULL;
	struct dirent *e;
	int rc = open_list(dir_fd, ".", &d);

	if (rc)
		return rc;
	while (errno = 0, (e = readdir(d)))
		if (!is_dots(e->d_name) && !is_ours(e->d_name))
			return 0;
	if (errno)
		return -errno;
	rc = is_empty(dir_fd, "packs");
	return rc == -ENOENT ? 1 : rc;
}

/* 0 a store, 1 no format file, -errno with a message. */
static int check_format(const char *path, int dir_fd, struct err *err)
{
	CLEANUP_CLOSE int fd = -1;
	char text[64] = "", end = '\0';
	unsigned version;
	ssize_t n;

	fd = openat(dir_fd, "format", O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 1;
	if (fd < 0)
		return err_set(err, -errno, "%s/format: %s", path,
			       err_name(errno));
	n = read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return err_set(err, -errno, "%s/format: %s", path,
			       err_name(errno));
	if (sscanf(text, FORMAT_WORD "%6u%c", &version, &end) != 2 ||
	    end != '\n' || !version)
		return err_set(err, -EUCLEAN,
			       "%s/format: is not what a store has there "
			       "(\"" FORMAT_WORD "%d\"): if it is one, "
			       "deriva fsck --repair --store DIR writes it "
			       "anew",
			       path, STORE_FORMAT);
	if (version > STORE_FORMAT)
		return err_set(err, -EPROTONOSUPPORT,
			       "%s: a store of format %u, this program knows "
			       "up to %d: use a newer deriva",
			       path, version, STORE_FORMAT);
	return 0;
}

static int make_dir(const char *path, struct err *err)
{
	if (!*path)
		return err_set(err, -ENOENT, "the store's path is empty");
	if (!mkdir(path, 0700) || errno == EEXIST)
		return 0;
	if (errno == ENOENT)
		return err_set(err, -ENOENT,
			       "%s: cannot be made, the directory above it "
			       "does not exist: make that first",
			       path);
	return err_set(err, -errno, "%s: cannot be made: %s", path,
		       err_name(errno));
}

static int not_usable(const char *path, struct err *err)
{
	return err_set(err, -errno, "%s: the store cannot be written to: %s%s",
		       path, err_name(errno),
		       errno == EACCES ? ": use it as the user it belongs to"
				       : "");
}

static int open_top(const char *path, bool create, struct layout *l,
		    struct err *err)
{
	int rc = create ? make_dir(path, err) : 0;

	if (rc)
		return rc;
	l->path = realpath(path, NULL);
	if (!l->path && errno == ENOENT)
		return err_set(err, -ENOENT,
			       "%s: there is no store: `deriva mount %s DIR` "
			       "makes one",
			       path, path);
	if (!l->path)
		return not_usable(path, err);
	l->dir_fd = open(l->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l->dir_fd < 0 && errno == ENOTDIR)
		return err_set(err, -ENOTDIR,
			       "%s: is a file; a store is a directory", path);
	return l->dir_fd < 0 ? not_usable(path, err) : 0;
}

/* Not that of another program either, if it has packs. */
static int not_a_store(const struct layout *l, struct err *err)
{
	if (!faccessat(l->dir_fd, "packs", F_OK, 0))
		return err_set(err, -ENOTEMPTY,
			       "%s: its file \"format\" is missing: if it is a "
			       "store, deriva fsck --repair --store DIR writes "
			       "it anew",
			       l->path);
	return err_set(err, -ENOTEMPTY,
		       "%s: is not empty and no store: name an empty or a new "
		       "directory",
		       l->path);
}

/* What stands in the way of using the directory as a store. */
static int recognise(bool create, struct layout *l, struct err *err)
{
	int rc;

	if (faccessat(l->dir_fd, ".", R_OK | W_OK | X_OK, AT_EACCESS) < 0)
		return not_usable(l->path, err);
	rc = check_format(l->path, l->dir_fd, err);
	if (!rc)
		rc = newer_check(l->path, l->dir_fd, err);
	if (rc < 0)
		return rc;
	l->fresh = rc;
	if (l->fresh) {
		rc = is_unfinished(l->dir_fd);
		if (rc < 0)
			return err_set(err, rc, "%s: %s", l->path,
				       err_name(rc));
		if (!rc)
			return not_a_store(l, err);
		if (!create)
			return err_set(err, -ENOENT,
				       "%s: there is no store: `deriva mount "
				       "%s DIR` makes one",
				       l->path, l->path);
	}
	return 0;
}

int layout_look(const char *path, struct err *err)
{
	CLEANUP(layout_done) struct layout l = LAYOUT_NONE;
	int rc = open_top(path, false, &l, err);

	if (!rc)
		rc = check_format(l.path, l.dir_fd, err);
	return rc < 0 ? rc : newer_check(l.path, l.dir_fd, err);
}

static int open_sub(struct layout *l, const char *name, int *ret,
		    struct err *err)
{
	if (l->fresh && mkdirat(l->dir_fd, name, 0700) < 0 && errno != EEXIST)
		return err_set(err, -errno, "%s/%s: cannot be made: %s",
			       l->path, name, err_name(errno));
	*ret = openat(l->dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*ret >= 0)
		return 0;
	return err_set(err, errno == ENOENT ? -EUCLEAN : -errno,
		       "%s/%s: a part of the store: %s", l->path, name,
		       err_name(errno));
}

int layout_open(const char *path, bool create, struct layout *ret,
		struct err *err)
{
	CLEANUP(layout_done)
	struct layout l = {NULL, -1, -1, -1, false};
	int rc = open_top(path, create, &l, err);

	if (!rc)
		rc = recognise(create, &l, err);
	if (!rc)
		rc = open_sub(&l, "packs", &l.packs_fd, err);
	if (!rc)
		rc = open_sub(&l, "drafts", &l.drafts_fd, err);
	if (rc)
		return rc;
	*ret = l;
	l = (struct layout){NULL, -1, -1, -1, false};
	return 0;
}

void layout_done(struct layout *l)
{
	free(l->path);
	close_fdp(&l->dir_fd);
	close_fdp(&l->packs_fd);
	close_fdp(&l->drafts_fd);
	*l = (struct layout){NULL, -1, -1, -1, false};
}

int layout_look_again(struct layout *l, struct err *err)
{
	int rc = check_format(l->path, l->dir_fd, err);

	if (rc >= 0)
		l->fresh = rc;
	return rc < 0 ? rc : 0;
}

static int write_format(struct layout *l)
{
	CLEANUP_CLOSE int fd = -1, up = -1;
	char text[64];
	ssize_t done;
	int n;

	n = snprintf(text, sizeof(text), FORMAT_WORD "%d\n", STORE_FORMAT);
	fd = openat(l->dir_fd, "format.tmp",
		    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	done = write(fd, text, (size_t)n);
	if (done != n)
		return done < 0 ? -errno : -ENOSPC;
	if (fsync(fd) < 0)
		return -errno;
	/* another process that makes it at the same time may have moved it */
	if (renameat(l->dir_fd, "format.tmp", l->dir_fd, "format") < 0 &&
	    (errno != ENOENT || faccessat(l->dir_fd, "format", F_OK, 0) < 0))
		return -errno;
	if (fsync(l->dir_fd) < 0)
		return -errno;
	/* and its own name, in the directory above */
	up = openat(l->dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (up < 0)
		return errno == EACCES ? 0 : -errno;
	return fsync(up) < 0 ? -errno : 0;
}

int layout_seal(struct layout *l, struct err *err)
{
	int rc = write_format(l);

	if (rc)
		return err_set(err, rc, "%s/format: cannot be written: %s",
			       l->path, err_name(rc));
	l->fresh = false;
	return 0;
}

static int heal_dir(struct layout *l, const char *name, int bit)
{
	if (mkdirat(l->dir_fd, name, 0700) == 0)
		return fsync(l->dir_fd) < 0 ? -errno : bit;
	return errno == EEXIST ? 0 : -errno;
}

int layout_heal(const char *path, struct err *err)
{
	CLEANUP(layout_done) struct layout l = LAYOUT_NONE;
	struct err why = {{0}};
	int rc = open_top(path, false, &l, err), packs, drafts, done = 0;

	if (rc < 0)
		return rc;
	/* only a store has both, or a database of that name with packs lost */
	if (faccessat(l.dir_fd, "deriva.db", F_OK, 0) < 0 &&
	    faccessat(l.dir_fd, "packs", F_OK, 0) < 0)
		return 0;
	rc = check_format(l.path, l.dir_fd, &why);
	if (rc == 1 && is_unfinished(l.dir_fd) > 0 &&
	    faccessat(l.dir_fd, "deriva.db", F_OK, 0) < 0)
		return 0;
	if (rc == -EUCLEAN || rc == 1) {
		rc = layout_seal(&l, err);
		done |= HEALED_FORMAT;
	}
	if (rc < 0)
		return err->msg[0] ? rc : err_set(err, rc, "%s", why.msg);
	packs = heal_dir(&l, "packs", HEALED_PACKS);
	drafts = heal_dir(&l, "drafts", HEALED_DRAFTS);
	if (packs < 0 || drafts < 0)
		return err_set(err, MIN(packs, drafts), "%s: %s", l.path,
			       err_name(MIN(packs, drafts)));
	return done | packs | drafts;
}
