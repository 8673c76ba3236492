/* The file `lock` is locked in single bytes far behind what is in it, with
 * locks of open file descriptions: they end with the process, closing another
 * descriptor of the file does no harm, and turning an exclusive one into a
 * shared one lets nobody else in between.
 *
 *	GATE		shared by all who have the store open; exclusive by who
 *			is alone
 *	SLOT + i	exclusive, by the process that wrote record i of the
 *			file: whose lock is not held, whose record is dead
 *
 * Versions of deriva before this took flock(2) on the whole file, exclusive,
 * for a mount. The two kinds of locks do not see each other, so that one is
 * taken as well, shared.
 */
#include "cas/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "core/clock.h"

#define GATE   (INT64_C(1) << 40)
#define SLOT   (GATE + 1)
#define SLOTS  4096 /* more processes have no record */
#define RECORD 512

#define PATIENCE_NS (60 * NSEC_PER_SEC)

struct attach {
	int fd;
	int slot; /* -1: none */
	bool alone;
};

static int lock(int fd, short type, int64_t at)
{
	struct flock l = {.l_type = type,
			  .l_whence = SEEK_SET,
			  .l_start = at,
			  .l_len = 1};

	while (fcntl(fd, F_OFD_SETLK, &l) < 0)
		if (errno != EINTR)
			return errno == EACCES ? -EAGAIN : -errno;
	return 0;
}

static bool is_locked(int fd, int64_t at)
{
	struct flock l = {.l_type = F_WRLCK,
			  .l_whence = SEEK_SET,
			  .l_start = at,
			  .l_len = 1};

	return !fcntl(fd, F_OFD_GETLK, &l) && l.l_type != F_UNLCK;
}

/* --- records -------------------------------------------------------------- */

static void take_slot(struct attach *a)
{
	int i;

	for (i = 0; i < SLOTS; i++)
		if (!lock(a->fd, F_WRLCK, SLOT + i)) {
			a->slot = i;
			return;
		}
}

void attach_say(struct attach *a, const char *text)
{
	char record[RECORD] = "";

	if (a->slot < 0)
		return;
	snprintf(record, sizeof(record) - 1, "%s\n", text);
	if (pwrite(a->fd, record, sizeof(record), (off_t)a->slot * RECORD) < 0)
		log_debug("lock: %s", err_name(errno)); /* a full disk */
}

/* A byte behind what is read of a record. */
void attach_ring(const struct attach *a)
{
	int64_t record = a->slot < 0 ? SLOTS : a->slot;

	if (pwrite(a->fd, "", 1, record * RECORD + RECORD - 1) < 0)
		log_debug("lock: %s", err_name(errno));
}

static void say_who(struct attach *a)
{
	char text[64], program[32] = "";
	FILE *f = fopen("/proc/self/comm", "re");

	if (f && fgets(program, sizeof(program), f))
		program[strcspn(program, "\n")] = '\0';
	if (f)
		fclose(f);
	snprintf(text, sizeof(text), "process %d (%s) uses it", (int)getpid(),
		 program);
	attach_say(a, text);
}

static void add_record(int fd, int slot, struct buf *ret)
{
	char text[RECORD];
	ssize_t n = pread(fd, text, sizeof(text) - 1, (off_t)slot * RECORD);

	text[MAX(n, (ssize_t)0)] = '\0';
	text[strcspn(text, "\n")] = '\0';
	buf_fmt(ret, "%s%s", ret->len ? "; " : "",
		*text ? text : "a process that has just come");
}

/* Own locks are not seen through the own descriptor. */
static int others(int fd, struct buf *ret)
{
	struct stat st;
	int i, n;

	if (fstat(fd, &st) < 0)
		return -errno;
	n = (int)MIN((st.st_size + RECORD - 1) / RECORD, (off_t)SLOTS);
	for (i = 0; i < n; i++)
		if (is_locked(fd, SLOT + i))
			add_record(fd, i, ret);
	return buf_err(ret);
}

int attach_others(const struct attach *a, struct buf *ret)
{
	return others(a->fd, ret);
}

/* --- coming and going ----------------------------------------------------- */

static int busy(struct attach *a, const char *path, const char *what,
		struct err *err)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	if (others(a->fd, &b) < 0)
		buf_reset(&b);
	return err_set(err, -EBUSY, "%s: the store %s%s%s%s", path, what,
		       b.len ? " (" : "", buf_cstr(&b), b.len ? ")" : "");
}

/* Alone if nobody is there, else one of many. */
static int pass_gate(struct attach *a, const char *path, struct err *err)
{
	const struct timespec pause = {.tv_nsec = 2000000};
	int64_t until = clock_mono_ns() + PATIENCE_NS;
	int rc;

	for (;;) {
		rc = lock(a->fd, F_WRLCK, GATE);
		if (!rc) {
			a->alone = true;
			return 0;
		}
		if (rc == -EAGAIN)
			rc = lock(a->fd, F_RDLCK, GATE);
		if (rc != -EAGAIN)
			break;
		if (clock_mono_ns() > until)
			return busy(a, path,
				    "is being made ready by another process, "
				    "for more than a minute: try again",
				    err);
		nanosleep(&pause, NULL);
	}
	return rc ? err_set(err, rc, "%s/lock: %s", path, err_name(rc)) : 0;
}

/* The end of one that has just been asked for is waited for a moment. */
static int keep_old_out(struct attach *a, const char *path, struct err *err)
{
	const struct timespec pause = {.tv_nsec = 2000000};
	char text[RECORD];
	ssize_t n;
	int i;

	for (i = 0; flock(a->fd, LOCK_SH | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_set(err, -errno, "%s/lock: %s", path,
				       err_name(errno));
		if (i < 20) {
			nanosleep(&pause, NULL);
			continue;
		}
		n = pread(a->fd, text, sizeof(text) - 1, 0);
		text[MAX(n, (ssize_t)0)] = '\0';
		text[strcspn(text, "\n")] = '\0';
		return err_set(err, -EBUSY,
			       "%s: the store is in use by an older version of "
			       "deriva, which cannot share it: end that first "
			       "(%s)",
			       path, text);
	}
	return 0;
}

int attach_open(int dir_fd, const char *path, struct attach **ret,
		struct err *err)
{
	CLEANUP(attach_closep) struct attach *a = calloc(1, sizeof(*a));
	int rc;

	if (!a)
		return err_set(err, -ENOMEM, "%s: %s", path, err_name(ENOMEM));
	a->slot = -1;
	a->fd = openat(dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (a->fd < 0)
		return err_set(err, -errno, "%s/lock: %s", path,
			       err_name(errno));
	rc = keep_old_out(a, path, err);
	if (!rc)
		rc = pass_gate(a, path, err);
	if (rc)
		return rc;
	take_slot(a);
	say_who(a);
	*ret = steal(&a);
	return 0;
}

void attach_close(struct attach *a)
{
	if (!a)
		return;
	close_fdp(&a->fd);
	free(a);
}

bool attach_alone(const struct attach *a)
{
	return a->alone;
}

int attach_share(struct attach *a)
{
	int rc = a->alone ? lock(a->fd, F_RDLCK, GATE) : 0;

	if (!rc)
		a->alone = false;
	return rc;
}

bool attach_has_others(const struct attach *a)
{
	return is_locked(a->fd, GATE);
}

bool attach_try_alone(struct attach *a)
{
	if (!a->alone)
		a->alone = !lock(a->fd, F_WRLCK, GATE);
	return a->alone;
}
