#include "core/vfs_internal.h"

#include <endian.h>
#include <string.h>

#include "core/err.h"

/* The log: SQLite writes a frame as two pieces, header and page, and the
 * header has the sum of the page, made before it comes here. So the header is
 * held back until its page comes; the page is sealed, and the sum of the frame
 * is made again from that of the frame before. The sums in SQLite's memory run
 * apart from those in the file then, which it does not notice: it reads them
 * in recovery alone, and there takes the file's for its own. Pages in the log
 * are sealed so that whoever checkpoints it, also another program, leaves
 * sealed pages in the main file.
 *
 * Frames of a transaction gather, and go out in one write with the last of
 * them, whose header says that it is: only then SQLite tells others of them,
 * in the log's index. Whatever else is asked of the file writes them first.
 * The sum that the next frame continues is read from the file once a
 * transaction, as others may have written since.
 *
 * A transaction larger than the cache may write a page of the log a second
 * time, without its header, and make the sums of the frames good afterwards,
 * header by header. This is what put_page() and the first half of
 * log_flush() are for.
 */

/* A log is begun in the order of the machine that does it; one from elsewhere
 * keeps its own until it is begun again, by any process. */
static int log_order(struct file *f, bool *ret_big)
{
	const bool big_here = BYTE_ORDER == BIG_ENDIAN;
	uint8_t magic[4];
	bool big;
	int rc;

	if (!f->native) {
		rc = real_read(f, magic, sizeof(magic), 0);
		if (rc != SQLITE_OK)
			return rc;
		big = magic[3] & 1;
		f->native = big == big_here;
		*ret_big = big;
	} else {
		*ret_big = big_here;
	}
	return SQLITE_OK;
}

/* --- frames that gather ---------------------------------------------------
 */

/* More is written on the way: the system's layer takes no more than 17 bits. */
#define RUN_MAX KIB(127)

static int run_write(struct file *f)
{
	size_t n = f->run.len;
	int rc;

	if (!n)
		return SQLITE_OK;
	f->run.len = 0;
	rc = real_write(f, f->run.p, (int)n, f->run.at);
	if (rc != SQLITE_OK)
		f->run.summed = false;
	return rc;
}

/* Room for n bytes that go to that place, behind what has gathered. */
static int run_room(struct file *f, int64_t at, size_t n, uint8_t **ret)
{
	struct log_run *r = &f->run;
	size_t room;
	uint8_t *p;
	int rc;

	if (r->at + (int64_t)r->len != at || r->len + n > RUN_MAX) {
		rc = run_write(f);
		if (rc != SQLITE_OK)
			return rc;
	}
	if (r->room < r->len + n) {
		room = MAX(r->len + n, 2 * r->room);
		p = realloc(r->p, room);
		if (!p)
			return SQLITE_IOERR_NOMEM;
		r->p = p;
		r->room = room;
	}
	if (!r->len)
		r->at = at;
	*ret = r->p + r->len;
	return SQLITE_OK;
}

/* The sum that a frame at that place continues. */
static int sum_before(struct file *f, int64_t at, int64_t frame_size,
		      uint32_t ret[2])
{
	struct log_run *r = &f->run;
	uint8_t p[8];
	int rc;

	if (r->summed && r->turn == f->main->turns && r->sum_at == at) {
		memcpy(ret, r->sum, sizeof(r->sum));
		return SQLITE_OK;
	}
	rc = run_write(f);
	if (rc == SQLITE_OK)
		rc = real_read(f, p, sizeof(p),
			       at == LOG_HEAD ? 24 : at - frame_size + 16);
	if (rc == SQLITE_IOERR_SHORT_READ)
		rc = SQLITE_IOERR_DATA;
	if (rc != SQLITE_OK)
		return rc;
	ret[0] = get_be32(p);
	ret[1] = get_be32(p + 4);
	return SQLITE_OK;
}

/* Seals a frame and adds it to the run, which the last one of a transaction
 * ends. */
static int put_frame(struct file *f, const uint8_t *head, const void *page,
		     int page_size, int64_t at)
{
	int64_t size = LOG_FRAME + page_size;
	struct log_run *r = &f->run;
	uint8_t *frame;
	uint32_t sum[2];
	bool big;
	int rc;

	rc = log_order(f, &big);
	if (rc == SQLITE_OK)
		rc = sum_before(f, at, size, sum);
	if (rc == SQLITE_OK)
		rc = run_room(f, at, (size_t)size, &frame);
	if (rc != SQLITE_OK)
		return rc == SQLITE_IOERR_SHORT_READ ? SQLITE_IOERR_DATA : rc;
	memcpy(frame, head, LOG_FRAME);
	memcpy(frame + LOG_FRAME, page, (size_t)page_size);
	page_seal(frame + LOG_FRAME, (size_t)page_size, get_be32(frame));
	log_frame_seal(big, sum, frame, (size_t)page_size);
	r->len += (size_t)size;
	r->summed = true;
	r->turn = f->main->turns;
	r->sum_at = at + size;
	r->sum[0] = get_be32(frame + 16);
	r->sum[1] = get_be32(frame + 20);
	return get_be32(frame + 4) ? run_write(f) : SQLITE_OK;
}

/* All that was written so far is in the file then. A header whose page did not
 * follow belongs to a page that is there. */
static int log_flush(struct file *f)
{
	int rc = run_write(f);
	uint8_t p[LOG_HEAD], *page;
	struct log_head h;

	if (!f->held || rc != SQLITE_OK)
		return rc;
	f->held = false;
	rc = real_read(f, p, sizeof(p), 0);
	if (rc != SQLITE_OK || !log_head_parse(p, &h))
		return SQLITE_IOERR_DATA;
	page = vfs_scratch(f, h.page_size);
	if (!page)
		return SQLITE_IOERR_NOMEM;
	rc = real_read(f, page, (int)h.page_size, f->held_at + LOG_FRAME);
	if (rc == SQLITE_IOERR_SHORT_READ)
		return real_write(f, f->head, LOG_FRAME, f->held_at);
	if (rc == SQLITE_OK)
		rc = put_frame(f, f->head, page, (int)h.page_size, f->held_at);
	return rc == SQLITE_OK ? run_write(f) : rc;
}

/* A page of the log again, within the transaction that wrote it. */
static int put_page(struct file *f, const void *p, int page_size, int64_t at)
{
	uint8_t head[LOG_FRAME], *page;
	int rc = run_write(f);

	if (rc == SQLITE_OK)
		rc = real_read(f, head, sizeof(head), at);
	if (rc != SQLITE_OK)
		return rc;
	page = vfs_scratch(f, (size_t)page_size);
	if (!page)
		return SQLITE_IOERR_NOMEM;
	memcpy(page, p, (size_t)page_size);
	page_seal(page, (size_t)page_size, get_be32(head));
	return real_write(f, page, page_size, at + LOG_FRAME);
}

static int log_write_page(struct file *f, const void *p, int n, int64_t at)
{
	int rc = SQLITE_OK;

	at -= LOG_FRAME;
	if (f->held && f->held_at != at)
		rc = log_flush(f);
	if (rc != SQLITE_OK)
		return rc;
	if (!f->held)
		return put_page(f, p, n, at);
	f->held = false;
	return put_frame(f, f->head, p, n, at);
}

static bool is_frame_page(int n, int64_t at)
{
	return page_size_valid(n) && at >= LOG_HEAD + LOG_FRAME &&
	       (at - LOG_HEAD - LOG_FRAME) % (n + LOG_FRAME) == 0;
}

static int log_write(sqlite3_file *file, const void *p, int n, sqlite3_int64 at)
{
	struct file *f = file_of(file);
	int rc;

	if (is_frame_page(n, at))
		return log_write_page(f, p, n, at);
	rc = f->held || n != LOG_FRAME ? log_flush(f) : SQLITE_OK;
	if (rc != SQLITE_OK)
		return rc;
	if (n == LOG_HEAD && !at) {
		f->native = f->run.summed = false;
		if (vfs_log_begins(f->main, (const uint8_t *)p + 16) < 0) {
			f->main->error = EIO;
			return SQLITE_IOERR_WRITE;
		}
		f->begun = true;
		return real_write(f, p, n, at);
	}
	if (n != LOG_FRAME || at < LOG_HEAD) {
		log_error("%s: %d bytes at %lld are no part of a frame",
			  f->path, n, (long long)at);
		return SQLITE_IOERR_WRITE;
	}
	memcpy(f->head, p, LOG_FRAME);
	f->held_at = at;
	f->held = true;
	return SQLITE_OK;
}

static int log_read_page(struct file *f, void *p, int n, int64_t at)
{
	uint8_t *frame = vfs_scratch(f, (size_t)n + LOG_FRAME);
	int rc;

	if (!frame)
		return SQLITE_IOERR_NOMEM;
	rc = real_read(f, frame, n + LOG_FRAME, at - LOG_FRAME);
	if (rc == SQLITE_OK)
		rc = vfs_check_page(f, frame + LOG_FRAME, n, get_be32(frame));
	if (rc == SQLITE_IOERR_SHORT_READ)
		rc = SQLITE_IOERR_DATA;
	if (rc == SQLITE_OK)
		memcpy(p, frame + LOG_FRAME, (size_t)n);
	return rc;
}

static int damaged_frame(const struct file *f, uint32_t n, uint32_t of)
{
	log_error("%s: frame %u of %u is damaged", f->path, n, of);
	return SQLITE_IOERR_DATA;
}

/* Frames up to the mark. */
static int examine_frames(struct file *f, const struct log_head *h)
{
	uint32_t frames = vfs_marked_frames(f->main, h->salt), i;
	uint32_t sum[2] = {h->sum[0], h->sum[1]};
	int size = (int)h->page_size + LOG_FRAME, rc;
	uint8_t *frame = vfs_scratch(f, (size_t)size);

	if (!frame)
		return SQLITE_IOERR_NOMEM;
	for (i = 0; i < frames; i++) {
		rc = real_read(f, frame, size, LOG_HEAD + (int64_t)i * size);
		if (rc != SQLITE_OK && rc != SQLITE_IOERR_SHORT_READ)
			return rc;
		if (rc != SQLITE_OK || !log_frame_ok(h, frame, sum))
			return damaged_frame(f, i + 1, frames);
	}
	return SQLITE_OK;
}

static bool all_zero(const uint8_t *p, size_t n)
{
	while (n && !*p)
		p++, n--;
	return !n;
}

/* The header is on the disk before the first frame is written: frames behind
 * one that does not match are damage. Zeros are a file that was just made. */
static int examine_log(struct file *f)
{
	uint8_t p[LOG_HEAD + LOG_FRAME] = {0};
	struct log_head h;
	int rc;

	rc = real_read(f, p, sizeof(p), 0);
	if (rc == SQLITE_IOERR_SHORT_READ)
		return SQLITE_OK;
	if (rc != SQLITE_OK)
		return rc;
	if (log_head_parse(p, &h) && !vfs_log_known(f->main, h.salt)) {
		log_error("%s: this is not the log that was written last",
			  f->path);
		return SQLITE_IOERR_DATA;
	}
	if (log_head_parse(p, &h))
		return examine_frames(f, &h);
	if (all_zero(p, LOG_HEAD) &&
	    !vfs_marked_frames(f->main, p + LOG_HEAD + 8))
		return SQLITE_OK;
	log_error("%s: the header is damaged", f->path);
	return SQLITE_IOERR_DATA;
}

static int log_read(sqlite3_file *file, void *p, int n, sqlite3_int64 at)
{
	struct file *f = file_of(file);
	int rc = log_flush(f);

	if (rc != SQLITE_OK)
		return rc;
	if (is_frame_page(n, at))
		return log_read_page(f, p, n, at);
	if (n == LOG_HEAD && !at) {
		/* this is how recovery begins */
		rc = examine_log(f);
		if (rc != SQLITE_OK)
			return rc;
	}
	return real_read(f, p, n, at);
}

static int log_sync(sqlite3_file *file, int flags)
{
	struct file *f = file_of(file);
	int rc = log_flush(f);

	if (rc == SQLITE_OK)
		rc = real_sync(f, flags);
	if (rc == SQLITE_OK && f->begun) {
		vfs_log_begun(f->main);
		f->begun = false;
	}
	return rc;
}

static int log_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	struct file *f = file_of(file);

	f->held = f->native = f->run.summed = false;
	f->run.len = 0;
	return real_truncate(f, size);
}

static int log_size(sqlite3_file *file, sqlite3_int64 *ret)
{
	int rc = log_flush(file_of(file));

	return rc == SQLITE_OK ? vfs_file_size(file, ret) : rc;
}

static int log_close(sqlite3_file *file)
{
	int rc = log_flush(file_of(file)), closed = vfs_file_close(file);

	return rc != SQLITE_OK ? rc : closed;
}

const sqlite3_io_methods vfs_log_methods = {
	.iVersion = 1,
	.xClose = log_close,
	.xRead = log_read,
	.xWrite = log_write,
	.xTruncate = log_truncate,
	.xSync = log_sync,
	.xFileSize = log_size,
	.xLock = vfs_file_lock,
	.xUnlock = vfs_file_unlock,
	.xCheckReservedLock = vfs_file_check_lock,
	.xFileControl = vfs_file_control,
	.xSectorSize = vfs_file_sector,
	.xDeviceCharacteristics = vfs_file_device,
};
