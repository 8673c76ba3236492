/* A process uses a mount through its working directory, its root, its program,
 * open files and mappings. Which mount an open file belongs to stands in
 * /proc/PID/fdinfo, and statx(2) tells it of a link under /proc without asking
 * the file system: a stat would compute derived files, or wait for ever. Mounts
 * of the same file system in other namespaces (sandboxes) have other ids, and
 * do not keep this one busy.
 */
#include "cli/unmount.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define USERS_MAX 20 /* named in one message */

extern char **environ;

static int unmount_root(const char *dir, bool lazy, struct err *err)
{
	int flags = UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0);

	if (umount2(dir, flags) == 0)
		return 0;
	return err_set(err, -errno, "it cannot be unmounted: %s",
		       err_name(errno));
}

/* Standard error of the program, as one line. */
static void read_message(int fd, struct buf *ret)
{
	char block[512];
	ssize_t n;

	while ((n = read(fd, block, sizeof(block))) > 0)
		buf_add(ret, block, (size_t)n);
	while (ret->len && isspace(ret->data[ret->len - 1]))
		ret->data[--ret->len] = '\0';
}

static int spawn_fusermount(const char *dir, bool lazy, int err_fd, pid_t *ret)
{
	const char *const argv[] = {"fusermount3", lazy ? "-uz" : "-u", "--",
				    dir, NULL};
	posix_spawn_file_actions_t actions;
	int rc;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, err_fd, STDERR_FILENO);
	rc = posix_spawnp(ret, argv[0], &actions, NULL,
			  (char **)(uintptr_t)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return -rc;
}

static int unmount_user(const char *dir, bool lazy, struct err *err)
{
	CLEANUP_BUF struct buf said = BUF_INIT;
	int pipefd[2], status = -1, rc;
	pid_t pid;

	if (pipe2(pipefd, O_CLOEXEC) < 0)
		return err_set(err, -errno, "pipe: %s", err_name(errno));
	rc = spawn_fusermount(dir, lazy, pipefd[1], &pid);
	close(pipefd[1]);
	if (rc >= 0) {
		read_message(pipefd[0], &said);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	close(pipefd[0]);
	if (rc < 0)
		return err_set(err, rc,
			       "fusermount3 could not be started: %s (install "
			       "the package fuse3)",
			       err_name(rc));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	rc = strstr(buf_cstr(&said), strerror(EBUSY)) ? -EBUSY : -EPERM;
	return err_set(err, rc, "%s",
		       said.len ? buf_cstr(&said) : "fusermount3 failed");
}

int unmount(const char *dir, bool lazy, struct err *err)
{
	if (geteuid() == 0)
		return unmount_root(dir, lazy, err);
	return unmount_user(dir, lazy, err);
}

/* --- who uses it --------------------------------------------------------- */

struct scan {
	const struct mount_entry *e;
	struct buf *out;
	int found;
	const char *pid;
	char comm[32];
};

static void found(struct scan *s, const char *how, const char *path,
		  const char *tail)
{
	if (s->found++ >= USERS_MAX)
		return;
	buf_fmt(s->out, "%s%s (pid %s) %s %s%s", s->out->len ? "; " : "",
		s->comm, s->pid, how, path, tail);
}

static bool link_in_mount(const struct scan *s, const char *link)
{
	struct statx st;

	return statx(AT_FDCWD, link, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT,
		     STATX_MNT_ID, &st) == 0 &&
	       (int)st.stx_mnt_id == s->e->id;
}

static void scan_link(struct scan *s, const char *name, const char *how)
{
	char link[64], target[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%s/%s", s->pid, name);
	if (!link_in_mount(s, link))
		return;
	n = readlink(link, target, sizeof(target) - 1);
	target[MAX(n, (ssize_t)0)] = '\0';
	found(s, how, target, "");
}

static int fdinfo_mount(const char *pid, const char *fd)
{
	char path[64], line[128];
	int id = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.16s/fdinfo/%.16s", pid, fd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "mnt_id: %d", &id) == 1)
			break;
	if (f)
		fclose(f);
	return id;
}

static void scan_files(struct scan *s)
{
	char path[64], target[PATH_MAX];
	struct dirent *e;
	ssize_t n;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%.16s/fd", s->pid);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.' ||
		    fdinfo_mount(s->pid, e->d_name) != s->e->id)
			continue;
		snprintf(path, sizeof(path), "/proc/%.16s/fd/%.16s", s->pid,
			 e->d_name);
		n = readlink(path, target, sizeof(target) - 1);
		target[MAX(n, (ssize_t)0)] = '\0';
		found(s, "has", target, " open");
	}
	if (d)
		closedir(d);
}

/* Mapped files that are closed otherwise. Lines name the device, not the
 * mount, so the path has to lie there, too. */
static void scan_maps(struct scan *s)
{
	char path[64], line[PATH_MAX + 128], last[PATH_MAX] = "", *name;
	unsigned major, minor;
	int at = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.16s/maps", s->pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (sscanf(line, "%*s %*s %*s %x:%x %*s %n", &major, &minor,
			   &at) < 2 ||
		    major != s->e->major || minor != s->e->minor)
			continue;
		name = line + at;
		if (!path_below(name, s->e->dir) || !strcmp(name, last))
			continue;
		snprintf(last, sizeof(last), "%s", name);
		found(s, "has", name, " mapped");
	}
	if (f)
		fclose(f);
}

static void scan_process(struct scan *s)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/comm", s->pid);
	snprintf(s->comm, sizeof(s->comm), "?");
	f = fopen(path, "re");
	if (f && fgets(s->comm, sizeof(s->comm), f))
		s->comm[strcspn(s->comm, "\n")] = '\0';
	if (f)
		fclose(f);
	scan_link(s, "cwd", "works in");
	scan_link(s, "root", "has as root");
	scan_link(s, "exe", "runs");
	scan_files(s);
	scan_maps(s);
}

int mount_users(const struct mount_table *t, const struct mount_entry *e,
		struct buf *ret)
{
	struct scan s = {.e = e, .out = ret};
	struct dirent *d;
	size_t i;
	DIR *proc;

	for (i = 0; i < t->count; i++)
		if (t->entries[i].parent == e->id)
			buf_fmt(ret, "%sanother file system is mounted at %s",
				ret->len ? "; " : "", t->entries[i].dir);
	proc = opendir("/proc");
	if (!proc)
		return -errno;
	while ((d = readdir(proc))) {
		if (!isdigit((unsigned char)d->d_name[0]) ||
		    strlen(d->d_name) > 16 || atoi(d->d_name) == getpid())
			continue; /* who asks is no news */
		s.pid = d->d_name;
		scan_process(&s);
	}
	closedir(proc);
	if (s.found > USERS_MAX)
		buf_fmt(ret, "; and %d more", s.found - USERS_MAX);
	return buf_err(ret);
}

/* Whether one process sees the file system in its own mount namespace. */
static bool sees(const char *pid, const struct mount_entry *e)
{
	CLEANUP(mount_table_done) struct mount_table t = {0};
	CLEANUP_FREE char *text = NULL;
	char path[64];
	size_t i, len = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/mountinfo", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (getdelim(&text, &len, '\0', f) < 0) {
		fclose(f);
		return false;
	}
	fclose(f);
	if (mount_table_parse(steal(&text), &t) < 0)
		return false;
	for (i = 0; i < t.count; i++)
		if (t.entries[i].major == e->major &&
		    t.entries[i].minor == e->minor &&
		    mount_is_deriva(&t.entries[i]))
			return true;
	return false;
}

int mount_elsewhere(const struct mount_entry *e, struct buf *ret)
{
	char name[64], comm[32];
	struct dirent *d;
	unsigned found = 0;
	DIR *proc = opendir("/proc");
	FILE *f;

	if (!proc)
		return -errno;
	while ((d = readdir(proc))) {
		if (!isdigit((unsigned char)d->d_name[0]) ||
		    strlen(d->d_name) > 16 || !sees(d->d_name, e) ||
		    ++found > USERS_MAX)
			continue;
		snprintf(name, sizeof(name), "/proc/%s/comm", d->d_name);
		f = fopen(name, "re");
		if (!f || !fgets(comm, sizeof(comm), f))
			strcpy(comm, "?");
		if (f)
			fclose(f);
		comm[strcspn(comm, "\n")] = '\0';
		buf_fmt(ret, "%s%s (pid %s)", ret->len ? ", " : "", comm,
			d->d_name);
	}
	closedir(proc);
	return buf_err(ret);
}
