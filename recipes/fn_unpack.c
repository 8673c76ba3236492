#include "recipes/fn.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "recipes/arc.h"
#include "recipes/dir_out.h"

/* Functions that make a directory. Files of it are written one after the
 * other, each as a blob of its own. */

/* --- untar, unzip ----------------------------------------------------------
 */

struct unpacking {
	struct fn_call *call;
	struct err *err;
	struct fn_reader r;
	struct arc_reader *from;
	uint8_t *block;
};

static void unpacking_done(struct unpacking *u)
{
	arc_reader_free(u->from);
	fn_reader_done(&u->r);
	free(u->block);
}

static ssize_t read_archive(void *ctx, uint64_t off, const void **ret)
{
	struct unpacking *u = ctx;
	const uint8_t *p = NULL;
	ssize_t n;

	u->r.off = off;
	n = fn_read(&u->r, &p, u->err);
	*ret = p;
	return n;
}

static int write_file(struct unpacking *u, const struct arc_member *m)
{
	CLEANUP(blob_writer_freep)
	struct blob_writer *w = blob_writer_new(u->call->store);
	struct err why = {""};
	struct addr a;
	uint64_t size = 0;
	ssize_t n = 0;
	int rc = w ? 0 : -ENOMEM;

	while (rc >= 0 && (n = arc_read(u->from, u->block, FN_BLOCK, &why)) > 0)
		rc = fn_stopped(u->call) ? -ECANCELED
					 : blob_write(w, u->block, (size_t)n);
	if (rc >= 0 && n < 0)
		rc = why.msg[0] ? err_set(u->err, (int)n, "%s: %s: %s",
					  u->r.input->path, m->path, why.msg)
				: (int)n;
	if (rc >= 0)
		rc = blob_finish(w, &a, &size);
	return rc < 0 ? rc
		      : dir_out_file(u->call->dir, m->path, &a, size,
				     m->type == ARC_EXEC, u->err);
}

static int take_member(struct unpacking *u, const struct arc_member *m)
{
	struct dir_out *d = u->call->dir;

	switch (m->type) {
	case ARC_FILE:
	case ARC_EXEC:
		return write_file(u, m);
	case ARC_DIR:
		return dir_out_dir(d, m->path, u->err);
	case ARC_LINK:
		return dir_out_link(d, m->path, m->target, u->err);
	case ARC_SAME:
		return dir_out_same(d, m->path, m->target, u->err);
	default:
		return err_set(u->err, -EILSEQ,
			       "%s: `%s` is neither a file, a directory nor a "
			       "symbolic link",
			       u->r.input->path, m->path);
	}
}

static int take_members(struct unpacking *u)
{
	struct arc_member m;
	struct err why = {""};
	int rc;

	while ((rc = arc_next(u->from, &m, &why)) > 0) {
		rc = fn_stopped(u->call) ? -ECANCELED : take_member(u, &m);
		if (rc == -EEXIST || rc == -ENOENT || rc == -EINVAL)
			return err_prefix(u->err, -EILSEQ, "%s",
					  u->r.input->path);
		if (rc < 0)
			return rc;
	}
	return rc < 0 && why.msg[0] ? err_set(u->err, rc, "%s: %s",
					      u->r.input->path, why.msg)
				    : rc;
}

static int unpack(struct fn_call *call, enum arc_format format, struct err *err)
{
	CLEANUP(unpacking_done) struct unpacking u = {.call = call};
	struct arc_source source = {.read = read_archive, .ctx = &u};
	struct err own = {""}, why = {""};
	int rc;

	u.err = err ? err : &own;
	u.block = malloc(FN_BLOCK);
	rc = u.block ? fn_open(&u.r, call, 0, u.err) : -ENOMEM;
	if (rc < 0)
		return rc;
	source.size = blob_size(u.r.blob);
	rc = arc_reader_new(format, &source, &u.from, &why);
	if (rc < 0 && why.msg[0])
		err_set(u.err, rc, "%s: %s", u.r.input->path, why.msg);
	return rc < 0 ? rc : take_members(&u);
}

static int untar(struct fn_call *call, struct err *err)
{
	return unpack(call, ARC_TAR, err);
}

static int unzip(struct fn_call *call, struct err *err)
{
	return unpack(call, ARC_ZIP, err);
}

/* --- split -----------------------------------------------------------------
 */

struct split {
	struct fn_call *call;
	struct err *err;
	struct blob_writer *piece;
	uint64_t number, left; /* of the piece; lines or bytes it takes yet */
};

static void split_done(struct split *s)
{
	blob_writer_free(s->piece);
}

static int end_piece(struct split *s)
{
	const char *suffix = fn_arg(s->call, "suffix");
	int digits = (int)fn_int(s->call, "digits");
	char name[300];
	struct addr a;
	uint64_t size = 0;
	int n, rc;

	if (!s->piece)
		return 0;
	n = snprintf(name, sizeof(name), "%s%0*llu", fn_arg(s->call, "prefix"),
		     digits, (unsigned long long)s->number);
	if (n > (int)strlen(fn_arg(s->call, "prefix")) + digits)
		return err_set(s->err, -EINVAL,
			       "there are more pieces than numbers of %d "
			       "digits: raise `digits`, or make the pieces "
			       "larger",
			       digits);
	snprintf(name + n, sizeof(name) - (size_t)n, "%s", suffix);
	s->number++;
	rc = blob_finish(s->piece, &a, &size);
	blob_writer_free(s->piece);
	s->piece = NULL;
	return rc < 0 ? rc
		      : dir_out_file(s->call->dir, name, &a, size, false,
				     s->err);
}

/* Bytes of p that belong to the piece. */
static size_t part_length(struct split *s, const uint8_t *p, size_t n,
			  bool lines)
{
	const uint8_t *at = p, *end = p + n;

	if (!lines) {
		n = (size_t)MIN((uint64_t)n, s->left);
		s->left -= n;
		return n;
	}
	while (s->left && at < end) {
		const uint8_t *nl = memchr(at, '\n', (size_t)(end - at));

		at = nl ? nl + 1 : end;
		s->left -= nl != NULL;
	}
	return (size_t)(at - p);
}

static int split_block(struct split *s, const uint8_t *p, size_t n, bool lines)
{
	uint64_t each = (uint64_t)fn_int(s->call, lines ? "lines" : "bytes");
	size_t part;
	int rc = 0;

	for (; n && rc >= 0; p += part, n -= part) {
		if (!s->piece) {
			s->piece = blob_writer_new(s->call->store);
			s->left = each;
		}
		part = part_length(s, p, n, lines);
		rc = s->piece ? blob_write(s->piece, p, part) : -ENOMEM;
		if (rc >= 0 && !s->left)
			rc = end_piece(s);
	}
	return rc;
}

static int split(struct fn_call *call, struct err *err)
{
	CLEANUP(split_done) struct split s = {.call = call, .err = err};
	CLEANUP_READER struct fn_reader r = {0};
	bool lines = fn_given(call, "lines");
	const uint8_t *p;
	size_t i;
	ssize_t n;
	int rc = 0;

	for (i = 0; i < call->ninputs && rc >= 0; i++) {
		rc = fn_open(&r, call, i, err);
		while (rc >= 0 && (n = fn_read(&r, &p, err)) != 0)
			rc = n < 0 ? (int)n
				   : split_block(&s, p, (size_t)n, lines);
	}
	return rc < 0 ? rc : end_piece(&s);
}

static int check_split(const struct fn_call *call, struct err *err)
{
	const char *prefix = fn_arg(call, "prefix");
	const char *suffix = fn_arg(call, "suffix");
	int rc = fn_one_of(call, "lines", "bytes", err);

	if (rc >= 0 && (strchr(prefix, '/') || strchr(suffix, '/') ||
			strlen(prefix) + strlen(suffix) > 200))
		rc = err_set(err, -EINVAL,
			     "`prefix` and `suffix` of `split` are parts of a "
			     "file name, of at most 200 bytes together");
	return rc;
}

static const struct fn_param none[] = {{0}};
static const struct fn_param split_params[] = {
	PARAM_INT("lines", "", 1, LONG_MAX, "how many lines make a piece"),
	PARAM_INT("bytes", "", 1, LONG_MAX, "how many bytes make a piece"),
	PARAM_TEXT("prefix", "", "of the names, before the number"),
	PARAM_TEXT("suffix", "", "behind the number"),
	PARAM_INT("digits", "6", 1, 18, "of the number, which begins at 0"),
	{0},
};

static const struct function rows[] = {
	{
		.name = "split",
		.help = "the inputs in pieces of as many lines or bytes, as "
			"numbered files of a directory",
		.version = 1,
		.params = split_params,
		.min_inputs = 1,
		.max_inputs = SIZE_MAX,
		.makes_dir = true,
		.example = "== rows.txt\n"
			   "a\n"
			   "b\n"
			   "c\n"
			   "== pieces.recipe\n"
			   "in: [rows.txt]\n"
			   "fn: split\n"
			   "params: {lines: 2, suffix: .txt, digits: 2}\n"
			   "out: dir\n"
			   "== pieces/01.txt\n"
			   "c\n",
		.check = check_split,
		.run = split,
	},
	{
		.name = "untar",
		.help = "the files of a tar file, also a compressed one, as a "
			"directory",
		.version = 1,
		.params = none,
		.min_inputs = 1,
		.max_inputs = 1,
		.makes_dir = true,
		.example = "== a.txt\n"
			   "one\n"
			   "== all.tar.recipe\n"
			   "in: [a.txt]\n"
			   "fn: tar\n"
			   "== all.recipe\n"
			   "in: [all.tar]\n"
			   "fn: untar\n"
			   "out: dir\n"
			   "== all/a.txt\n"
			   "one\n",
		.run = untar,
	},
	{
		.name = "unzip",
		.help = "the files of a zip file as a directory",
		.version = 1,
		.params = none,
		.min_inputs = 1,
		.max_inputs = 1,
		.makes_dir = true,
		.example = "== a.txt\n"
			   "one\n"
			   "== all.zip.recipe\n"
			   "in: [a.txt]\n"
			   "fn: zip\n"
			   "== all.recipe\n"
			   "in: [all.zip]\n"
			   "fn: unzip\n"
			   "out: dir\n"
			   "== all/a.txt\n"
			   "one\n",
		.run = unzip,
	},
};

const struct fn_family family_unpack = {"Files to directories", rows,
					ARRAY_LEN(rows)};
