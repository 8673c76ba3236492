#include "recipes/arc.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* How libarchive takes the names of members goes by the locale of the thread:
 * it is the same one for all. */
struct place {
	locale_t ours, before;
};

static int enter(struct place *p)
{
	p->ours = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	if (!p->ours)
		return -errno;
	p->before = uselocale(p->ours);
	return 0;
}

static void leave(const struct place *p)
{
	uselocale(p->before);
	freelocale(p->ours);
}

/* A failure of a callback, else what libarchive says. */
static int failed(struct archive *a, int callback_rc, int rc, struct err *err)
{
	const char *why = archive_error_string(a);

	if (callback_rc < 0)
		return callback_rc;
	if (archive_errno(a) == ENOMEM)
		return -ENOMEM;
	return err_set(err, rc, "%s", why ? why : "libarchive gives no reason");
}

/* --- writing ---------------------------------------------------------------
 */

struct arc_writer {
	struct archive *a;
	struct archive_entry *entry;
	arc_write_fn fn;
	void *ctx;
	int rc; /* of the callback */
};

/* A failure is kept for who called: libarchive is not told, since it would
 * not free all that it has. */
static la_ssize_t on_write(struct archive *a, void *ctx, const void *p,
			   size_t n)
{
	struct arc_writer *w = ctx;

	if (w->rc >= 0 && w->fn)
		w->rc = w->fn(w->ctx, p, n);
	return (la_ssize_t)n;
}

static int set_format(struct archive *a, enum arc_format format, int level)
{
	char options[64];

	/* no padding to tape blocks behind the end */
	archive_write_set_bytes_per_block(a, 65536);
	archive_write_set_bytes_in_last_block(a, 1);
	if (format == ARC_TAR)
		return archive_write_set_format_gnutar(a);
	if (archive_write_set_format_zip(a) != ARCHIVE_OK)
		return ARCHIVE_FATAL;
	snprintf(options, sizeof(options),
		 level ? "compression=deflate,compression-level=%d"
		       : "compression=store",
		 level);
	return archive_write_set_options(a, options);
}

int arc_writer_new(enum arc_format format, int level, arc_write_fn fn,
		   void *ctx, struct arc_writer **ret)
{
	CLEANUP(arc_writer_freep) struct arc_writer *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->fn = fn;
	w->ctx = ctx;
	w->a = archive_write_new();
	w->entry = archive_entry_new();
	if (!w->a || !w->entry)
		return -ENOMEM;
	if (set_format(w->a, format, level) != ARCHIVE_OK ||
	    archive_write_open(w->a, w, NULL, on_write, NULL) != ARCHIVE_OK)
		return -ENOMEM;
	*ret = steal(&w);
	return 0;
}

void arc_writer_free(struct arc_writer *w)
{
	if (!w)
		return;
	if (w->entry)
		archive_entry_free(w->entry);
	if (w->a) {
		w->fn = NULL; /* what it still has goes nowhere */
		archive_write_free(w->a);
	}
	free(w);
}

/* Modes, without the kind, that everybody can do with. */
static void describe(struct archive_entry *e, const struct arc_member *m)
{
	archive_entry_clear(e);
	archive_entry_set_pathname(e, m->path);
	archive_entry_set_uid(e, 0);
	archive_entry_set_gid(e, 0);
	/* the oldest moment that zip knows, in whatever zone */
	archive_entry_set_mtime(e, 0, 0);
	switch (m->type) {
	case ARC_DIR:
		archive_entry_set_mode(e, S_IFDIR | 0755);
		break;
	case ARC_LINK:
		archive_entry_set_mode(e, S_IFLNK | 0777);
		archive_entry_set_symlink(e, m->target);
		break;
	default:
		archive_entry_set_mode(e,
				       S_IFREG | (m->type == ARC_EXEC ? 0755
								      : 0644));
		archive_entry_set_size(e, (la_int64_t)m->size);
	}
}

int arc_add(struct arc_writer *w, const struct arc_member *m, struct err *err)
{
	struct place p = {0};
	int code, rc = enter(&p);

	if (rc < 0)
		return err_set(err, rc, "the locale C.UTF-8: %s", err_name(rc));
	describe(w->entry, m);
	code = archive_write_header(w->a, w->entry);
	leave(&p);
	return code == ARCHIVE_OK && w->rc >= 0
		       ? 0
		       : failed(w->a, w->rc, -EINVAL, err);
}

int arc_data(struct arc_writer *w, const void *p, size_t n, struct err *err)
{
	la_ssize_t done = n ? archive_write_data(w->a, p, n) : 0;

	return done == (la_ssize_t)n && w->rc >= 0
		       ? 0
		       : failed(w->a, w->rc, -EINVAL, err);
}

int arc_writer_end(struct arc_writer *w, struct err *err)
{
	return archive_write_close(w->a) == ARCHIVE_OK && w->rc >= 0
		       ? 0
		       : failed(w->a, w->rc, -EINVAL, err);
}

/* --- reading ---------------------------------------------------------------
 */

struct arc_reader {
	struct archive *a;
	struct arc_source source;
	uint64_t off;
	int rc; /* of the callback */
};

static la_ssize_t on_read(struct archive *a, void *ctx, const void **ret)
{
	struct arc_reader *r = ctx;
	ssize_t n = r->source.read(r->source.ctx, r->off, ret);

	if (n < 0) {
		r->rc = (int)n;
		archive_set_error(a, -r->rc, "reading the input");
		return -1;
	}
	r->off += (uint64_t)n;
	return n;
}

static la_int64_t on_seek(struct archive *a, void *ctx, la_int64_t off,
			  int whence)
{
	struct arc_reader *r = ctx;
	int64_t base = whence == SEEK_SET   ? 0
		       : whence == SEEK_CUR ? (int64_t)r->off
					    : (int64_t)r->source.size;

	if (off < -base || (off > 0 && off > INT64_MAX - base))
		return ARCHIVE_FATAL;
	r->off = (uint64_t)(base + off);
	return (la_int64_t)r->off;
}

static la_int64_t on_skip(struct archive *a, void *ctx, la_int64_t n)
{
	struct arc_reader *r = ctx;
	uint64_t left = r->source.size - MIN(r->off, r->source.size);

	n = n < 0 ? 0 : (la_int64_t)MIN((uint64_t)n, left);
	r->off += (uint64_t)n;
	return n;
}

static void set_kind(struct archive *a, enum arc_format format)
{
	if (format == ARC_ZIP) {
		archive_read_support_format_zip_seekable(a);
		return;
	}
	archive_read_support_format_tar(a);
	archive_read_support_format_empty(a);
	/* where the library has no decoder of its own it would start a
	 * program */
	if (archive_zlib_version())
		archive_read_support_filter_gzip(a);
	if (archive_liblzma_version())
		archive_read_support_filter_xz(a);
	if (archive_libzstd_version())
		archive_read_support_filter_zstd(a);
	if (archive_bzlib_version())
		archive_read_support_filter_bzip2(a);
}

int arc_reader_new(enum arc_format format, const struct arc_source *source,
		   struct arc_reader **ret, struct err *err)
{
	CLEANUP(arc_reader_freep) struct arc_reader *r = calloc(1, sizeof(*r));
	struct place p = {0};
	int code, rc;

	if (!r)
		return -ENOMEM;
	r->source = *source;
	r->a = archive_read_new();
	if (!r->a)
		return -ENOMEM;
	set_kind(r->a, format);
	archive_read_set_read_callback(r->a, on_read);
	archive_read_set_seek_callback(r->a, on_seek);
	archive_read_set_skip_callback(r->a, on_skip);
	archive_read_set_callback_data(r->a, r);
	rc = enter(&p);
	if (rc < 0)
		return err_set(err, rc, "the locale C.UTF-8: %s", err_name(rc));
	code = archive_read_open1(r->a);
	leave(&p);
	if (code != ARCHIVE_OK)
		return failed(r->a, r->rc, -EILSEQ, err);
	*ret = steal(&r);
	return 0;
}

void arc_reader_free(struct arc_reader *r)
{
	if (!r)
		return;
	if (r->a)
		archive_read_free(r->a);
	free(r);
}

static void take(struct archive_entry *e, struct arc_member *ret)
{
	mode_t type = archive_entry_filetype(e);

	*ret = (struct arc_member){
		.path = archive_entry_pathname(e),
		.size = archive_entry_size_is_set(e)
				? (uint64_t)archive_entry_size(e)
				: UINT64_MAX,
	};
	ret->target = archive_entry_hardlink(e);
	if (ret->target) {
		ret->type = ARC_SAME;
		return;
	}
	ret->target = archive_entry_symlink(e);
	ret->type = type == AE_IFDIR		   ? ARC_DIR
		    : type == AE_IFLNK		   ? ARC_LINK
		    : type != AE_IFREG		   ? ARC_OTHER
		    : archive_entry_perm(e) & 0100 ? ARC_EXEC
						   : ARC_FILE;
}

int arc_next(struct arc_reader *r, struct arc_member *ret, struct err *err)
{
	struct archive_entry *e;
	struct place p = {0};
	int code, rc = enter(&p);

	if (rc < 0)
		return err_set(err, rc, "the locale C.UTF-8: %s", err_name(rc));
	do
		code = archive_read_next_header(r->a, &e);
	while (code == ARCHIVE_RETRY);
	if (code == ARCHIVE_OK || code == ARCHIVE_WARN)
		take(e, ret);
	leave(&p);
	if (code == ARCHIVE_EOF)
		return 0;
	if (code != ARCHIVE_OK && code != ARCHIVE_WARN)
		return failed(r->a, r->rc, -EILSEQ, err);
	if (!ret->path || (ret->type == ARC_LINK && !ret->target))
		return err_set(err, -EILSEQ,
			       "the name of a member cannot be read");
	return 1;
}

ssize_t arc_read(struct arc_reader *r, void *p, size_t n, struct err *err)
{
	la_ssize_t got = archive_read_data(r->a, p, n);

	return got >= 0 ? (ssize_t)got : failed(r->a, r->rc, -EILSEQ, err);
}
