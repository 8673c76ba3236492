#include "core/ns_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

/* An inode without a name lives on while somebody has it open; after a crash
 * nobody has. With several processes on one store, "after a crash" is a matter
 * of whose it was: so what is still nameless when a batch is committed is
 * written down with the process that unlinked it, in a form that another
 * process can check: boot, process namespace, pid and start time. Where that
 * cannot be decided (another process namespace of this boot), it is taken to
 * live. */

static int read_small(const char *path, char *to, size_t size)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, to, size - 1);
	if (n < 0)
		return -errno;
	to[n] = '\0';
	to[strcspn(to, "\n")] = '\0';
	return 0;
}

/* Field 22 of /proc/PID/stat; field 2 is a name that may hold anything, in
 * parentheses. A zombie is gone: -ESRCH. */
static int start_time(long pid, unsigned long long *ret)
{
	char path[64], text[1024];
	const char *p;
	char state;
	int rc;

	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	rc = read_small(path, text, sizeof(text));
	if (rc < 0)
		return rc == -ENOENT ? -ESRCH : rc;
	p = strrchr(text, ')');
	if (!p || sscanf(p,
			 ") %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u "
			 "%*d %*d %*d %*d %*d %*d %llu",
			 &state, ret) != 2)
		return -EPROTO;
	return state == 'Z' || state == 'X' ? -ESRCH : 0;
}

/* "BOOT PIDNS ", which two processes share that can see each other. */
static int home(char *to, size_t size)
{
	struct stat st;
	char boot[64];
	int rc;

	rc = read_small("/proc/sys/kernel/random/boot_id", boot, sizeof(boot));
	if (rc < 0)
		return rc;
	if (stat("/proc/self/ns/pid", &st) < 0)
		return -errno;
	snprintf(to, size, "%s %llu ", boot, (unsigned long long)st.st_ino);
	return 0;
}

int ns_owner_self(char **ret)
{
	unsigned long long start;
	char where[96];
	char *s;
	int rc;

	rc = home(where, sizeof(where));
	if (rc == 0)
		rc = start_time((long)getpid(), &start);
	if (rc < 0)
		return rc;
	if (asprintf(&s, "%s%ld %llu", where, (long)getpid(), start) < 0)
		return -ENOMEM;
	*ret = s;
	return 0;
}

bool ns_owner_alive(const char *owner)
{
	unsigned long long start, now;
	char where[96];
	size_t boot, n;
	long pid;
	int rc;

	if (home(where, sizeof(where)) < 0)
		return true;
	boot = strcspn(where, " ") + 1;
	if (strncmp(owner, where, boot) != 0)
		return false;
	n = strlen(where);
	if (strncmp(owner, where, n) != 0)
		return true;
	if (sscanf(owner + n, "%ld %llu", &pid, &start) != 2)
		return false;
	rc = start_time(pid, &now);
	return rc == 0 ? start == now : rc != -ESRCH;
}

int ns_orphan_add(struct ns *ns, uint64_t ino)
{
	return map_put_u64(ns->orphans, ino, ns);
}

int ns_orphan_del(struct ns *ns, uint64_t ino)
{
	struct stmt *st;
	int rc;

	if (map_del_u64(ns->orphans, ino))
		return 0; /* of this batch: not written yet */
	st = stmts_get(&ns->stmts, NS_ORPHAN_DEL, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)ino);
	return stmt_run(st);
}

static int write_one(struct ns *ns, uint64_t ino)
{
	struct ns_attr a;
	struct stmt *st;
	int rc;

	rc = ns_inode(ns, ino, &a);
	if (rc < 0 || a.nlink) /* its change was reverted */
		return rc == -ENOENT ? 0 : rc;
	st = stmts_get(&ns->stmts, NS_ORPHAN_ADD, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)ino);
	stmt_text(st, 2, ns->owner, strlen(ns->owner));
	return stmt_run(st);
}

int ns_orphans_write(struct ns *ns)
{
	const void *key;
	size_t it = 0, len;
	uint64_t ino;
	char *owner;
	int rc = 0;

	if (!map_count(ns->orphans))
		return 0;
	/* A daemon forks after it opened its store. */
	if (ns->owner_pid != getpid()) {
		rc = ns_owner_self(&owner);
		if (rc < 0)
			return rc;
		free(ns->owner);
		ns->owner = owner;
		ns->owner_pid = getpid();
	}
	while (rc == 0 && map_next(ns->orphans, &it, &key, &len, NULL)) {
		memcpy(&ino, key, sizeof(ino));
		rc = write_one(ns, ino);
	}
	return rc;
}

/* Rows change while they are read: the numbers are gathered first. A process
 * opens a store once, so its own rows are those of an earlier opening. */
static int dead_orphans(struct ns *ns, struct buf *ret)
{
	const char *owner;
	struct stmt *st;
	size_t n;
	int rc;

	st = stmts_get(&ns->stmts, NS_ORPHAN_LIST, &rc);
	if (!st)
		return rc;
	while ((rc = stmt_step(st)) > 0) {
		owner = stmt_col_blob(st, 1, &n);
		if (strlen(ns->owner) != n || memcmp(ns->owner, owner, n)) {
			CLEANUP_FREE char *text = strndup(owner, n);

			if (!text) {
				stmt_reset(st);
				return -ENOMEM;
			}
			if (ns_owner_alive(text))
				continue;
		}
		buf_u64(ret, (uint64_t)stmt_col_int(st, 0));
	}
	return rc < 0 ? rc : buf_err(ret);
}

int ns_orphans_sweep(struct ns *ns)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct cur c;
	uint64_t ino;
	int rc;

	rc = dead_orphans(ns, &b);
	if (rc < 0 || !b.len)
		return rc;
	rc = ns_enter(ns);
	if (rc == -EROFS)
		return 0; /* read only: whoever writes next will do it */
	c = cur_of(b.data, b.len);
	while (rc == 0 && cur_left(&c)) {
		ino = cur_u64(&c);
		rc = ns_reap(ns, ino);
		if (rc == -ENOENT)
			rc = ns_orphan_del(ns, ino);
	}
	return rc;
}
