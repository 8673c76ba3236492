#include "cas/seal_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "core/sealed.h"

#define MAGIC	  "DERIVSL2"
#define FIRST	  "DERIVSL1"
#define MAGIC_LEN 8
#define HEAD	  (MAGIC_LEN + 8)
#define TAIL	  (8 + 8 + MAGIC_LEN)
#define ALIGN	  4096
#define BODY_MAX  MIB(64)
#define CONTEXT	  "deriva seal v1"
#define BOOT_LEN  36

/* Zeros: not known. */
static void read_boot(char ret[BOOT_LEN])
{
	CLEANUP_CLOSE int fd =
		open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

	memset(ret, 0, BOOT_LEN);
	if (fd >= 0 && read(fd, ret, BOOT_LEN) != BOOT_LEN)
		memset(ret, 0, BOOT_LEN);
}

static int write_all(int fd, const void *p, size_t n, uint64_t off)
{
	const uint8_t *b = p;
	ssize_t got;

	for (; n; b += got, n -= (size_t)got, off += (uint64_t)got) {
		got = pwrite(fd, b, n, (off_t)off);
		if (got < 0 && errno == EINTR)
			got = 0;
		else if (got <= 0)
			return got < 0 ? -errno : -EIO;
	}
	return 0;
}

static int read_all(int fd, void *p, size_t n, uint64_t off)
{
	uint8_t *b = p;
	ssize_t got;

	for (; n; b += got, n -= (size_t)got, off += (uint64_t)got) {
		got = pread(fd, b, n, (off_t)off);
		if (got < 0 && errno == EINTR)
			got = 0;
		else if (got <= 0)
			return got < 0 ? -errno : -EBADMSG;
	}
	return 0;
}

/* --- one ------------------------------------------------------------------ */

void seal_file_done(struct seal_file *f)
{
	free(steal(&f->data));
}

int seal_file_write(int fd, const struct buf *body, uint64_t *ret_at)
{
	CLEANUP_BUF struct buf all = BUF_INIT, b = BUF_INIT;
	char boot[BOOT_LEN];
	struct addr sum;
	struct stat st;
	uint64_t at;
	int rc;

	if (fstat(fd, &st) < 0)
		return -errno;
	at = ((uint64_t)st.st_size + ALIGN - 1) / ALIGN * ALIGN;
	read_boot(boot);
	buf_add(&all, boot, BOOT_LEN);
	buf_u64(&all, st.st_dev);
	buf_u64(&all, st.st_ino);
	buf_add(&all, body->data, body->len);
	if (all.len > BODY_MAX)
		return -EOPNOTSUPP;
	addr_derive(CONTEXT, all.data, all.len, &sum);
	buf_add(&b, MAGIC, MAGIC_LEN);
	buf_u64(&b, 0);
	buf_add(&b, all.data, all.len);
	buf_add(&b, sum.b, ADDR_LEN);
	buf_u64(&b, at);
	buf_u64(&b, all.len);
	buf_add(&b, MAGIC, MAGIC_LEN);
	rc = buf_err(&all) < 0 ? -ENOMEM : buf_err(&b);
	if (!rc)
		rc = write_all(fd, b.data, b.len, at);
	if (!rc)
		*ret_at = at;
	return rc;
}

/* Where the rest lies. */
static int read_tail(int fd, uint64_t *ret_len, struct seal_file *f)
{
	uint8_t tail[TAIL];
	uint64_t len;
	struct stat st;
	int rc;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < HEAD + TAIL)
		return -EBADMSG;
	rc = read_all(fd, tail, TAIL, (uint64_t)st.st_size - TAIL);
	if (rc < 0)
		return rc;
	f->at = get_le64(tail);
	len = get_le64(tail + 8);
	f->first = !memcmp(tail + 16, FIRST, MAGIC_LEN);
	if ((!f->first && memcmp(tail + 16, MAGIC, MAGIC_LEN)) ||
	    len > BODY_MAX || f->at > (uint64_t)st.st_size || f->at % ALIGN ||
	    f->at + HEAD + len + ADDR_LEN + TAIL != (uint64_t)st.st_size)
		return -EBADMSG;
	*ret_len = len;
	return 0;
}

/* Pages of a file that was never on the disk are there as long as the machine
 * runs, if it is that file. */
static bool same_file(int fd, const void *boot, uint64_t dev, uint64_t ino)
{
	char now[BOOT_LEN];
	struct stat st;

	read_boot(now);
	return boot && now[0] && !memcmp(now, boot, BOOT_LEN) &&
	       !fstat(fd, &st) && st.st_dev == dev && st.st_ino == ino;
}

static int check(int fd, uint64_t len, struct seal_file *f)
{
	const uint8_t *head = f->data;
	const void *boot;
	uint64_t dev, ino;
	struct addr sum;

	addr_derive(CONTEXT, head + HEAD, len, &sum);
	if (memcmp(head, f->first ? FIRST : MAGIC, MAGIC_LEN) ||
	    memcmp(sum.b, head + HEAD + len, ADDR_LEN))
		return -EBADMSG;
	f->durable = get_le64(head + MAGIC_LEN) == 1;
	f->body = cur_of(head + HEAD, len);
	boot = cur_bytes(&f->body, BOOT_LEN);
	dev = cur_u64(&f->body);
	ino = cur_u64(&f->body);
	if (f->body.bad)
		return -EBADMSG;
	return f->durable || same_file(fd, boot, dev, ino) ? 0 : -EBADMSG;
}

int seal_file_read(int fd, struct seal_file *ret)
{
	CLEANUP(seal_file_done) struct seal_file f = {0};
	uint64_t len = 0;
	int rc = read_tail(fd, &len, &f);

	if (rc < 0)
		return rc;
	f.data = malloc(HEAD + len + ADDR_LEN);
	if (!f.data)
		return -ENOMEM;
	rc = read_all(fd, f.data, HEAD + len + ADDR_LEN, f.at);
	if (rc >= 0)
		rc = check(fd, len, &f);
	if (rc < 0)
		return rc;
	*ret = f;
	f.data = NULL;
	return 0;
}

int seal_file_whole(int drafts_fd, const char *name)
{
	CLEANUP_CLOSE int fd =
		openat(drafts_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct seal_file f;
	int rc;

	if (fd < 0)
		return errno == ENOENT || errno == ELOOP ? 0 : -errno;
	rc = seal_file_read(fd, &f);
	if (rc < 0)
		return rc == -EBADMSG ? 0 : rc;
	seal_file_done(&f);
	return 1;
}

/* --- all that wait -------------------------------------------------------- */

/* First the bytes, then the remark that they are there. */
static int make_durable(int fd)
{
	struct seal_file f = {0};
	uint8_t one[8];
	uint64_t len;
	int rc;

	if (fdatasync(fd) < 0)
		return -errno;
	rc = read_tail(fd, &len, &f);
	put_le64(one, 1);
	if (rc >= 0)
		rc = write_all(fd, one, sizeof(one), f.at + MAGIC_LEN);
	if (rc >= 0 && fdatasync(fd) < 0)
		rc = -errno;
	return rc;
}

struct waiting {
	uint64_t last;
	struct buf *names;
};

static int note_name(void *ctx, const struct sealed *row)
{
	struct waiting *w = ctx;

	w->last = row->id;
	if (!row->taken)
		buf_add(w->names, row->name, SEALED_NAME);
	return 0;
}

int seal_files_waiting(struct db *db, uint64_t *last, struct buf *ret)
{
	struct waiting w = {*last, ret};
	int rc = sealed_each(db, *last, note_name, &w);

	if (rc >= 0)
		rc = buf_err(ret);
	if (rc >= 0)
		*last = w.last;
	return rc;
}

/* One that is gone was taken in, by a process of its own. What is none is a
 * matter of who takes it in. */
static int sync_one(int drafts_fd, const char *name)
{
	CLEANUP_CLOSE int fd =
		openat(drafts_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	int rc;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	rc = make_durable(fd);
	return rc == -EBADMSG ? 0 : rc;
}

int seal_files_sync(struct store *s, const struct buf *names)
{
	int drafts_fd = store_drafts_fd(s), rc = 0;
	size_t i;

	for (i = 0; rc >= 0 && i < names->len; i += SEALED_NAME)
		rc = sync_one(drafts_fd, (const char *)names->data + i);
	if (rc >= 0 && names->len && fsync(drafts_fd) < 0)
		rc = -errno;
	return rc;
}

/* --- found again ---------------------------------------------------------- */

struct found_file {
	uint64_t seq;
	char name[SEALED_NAME];
};

static int by_change(const void *a, const void *b)
{
	const struct found_file *x = a, *y = b;

	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* What is not whole is left out. */
static void note_file(int drafts_fd, const char *name, uint64_t last,
		      struct buf *ret)
{
	CLEANUP_CLOSE int fd =
		openat(drafts_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	CLEANUP(seal_file_done) struct seal_file f = {0};
	struct found_file one = {.seq = 0};

	if (fd < 0 || strlen(name) >= SEALED_NAME || seal_file_read(fd, &f) < 0)
		return;
	one.seq = f.first ? 0 : cur_u64(&f.body);
	snprintf(one.name, sizeof(one.name), "%s", name);
	if (one.seq && one.seq <= last)
		buf_add(ret, &one, sizeof(one));
}

static int find_files(int drafts_fd, uint64_t last, struct buf *ret)
{
	int fd = openat(drafts_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	int rc;

	if (!d) {
		rc = -errno;
		close_fdp(&fd);
		return rc;
	}
	while ((e = readdir(d)))
		if (!strncmp(e->d_name, DRAFTS_SEALED, strlen(DRAFTS_SEALED)) &&
		    strncmp(e->d_name, DRAFTS_DAMAGED, strlen(DRAFTS_DAMAGED)))
			note_file(drafts_fd, e->d_name, last, ret);
	closedir(d);
	return buf_err(ret);
}

int seal_files_note(struct db *db, int drafts_fd, uint64_t last)
{
	CLEANUP_BUF struct buf found = BUF_INIT;
	struct found_file *f;
	uint64_t id;
	size_t i, n;
	int rc = find_files(drafts_fd, last, &found);

	f = (struct found_file *)(void *)found.data;
	n = found.len / sizeof(*f);
	if (n)
		qsort(f, n, sizeof(*f), by_change);
	for (i = 0; rc >= 0 && i < n; i++)
		rc = sealed_add(db, f[i].name, f[i].seq, &id);
	return rc;
}
