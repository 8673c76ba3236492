#include "recipes/fn.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

/* gzip files (RFC 1952) with zlib. What is written has no name, no time and
 * "unknown" as its system, so that it depends on the input and the level
 * alone. What is read may have several members, one behind the other, and
 * zeros to the end behind the last one, as tapes leave them. */

#define WINDOW_GZIP (15 + 16) /* the largest window, gzip header */
#define OS_UNKNOWN  255

/* --- gzip ---------------------------------------------------------------- */

static int deflate_block(struct fn_call *call, z_stream *z, uint8_t *out,
			 int flush, struct err *err)
{
	int rc;

	do {
		z->next_out = out;
		z->avail_out = FN_BLOCK;
		if (deflate(z, flush) == Z_STREAM_ERROR)
			return err_set(err, -EIO, "zlib: inconsistent state");
		rc = fn_write(call, out, FN_BLOCK - z->avail_out, err);
		if (rc < 0)
			return rc;
	} while (z->avail_out == 0);
	return 0;
}

static int deflate_all(struct fn_call *call, z_stream *z, struct err *err)
{
	CLEANUP_FREE uint8_t *out = malloc(FN_BLOCK);
	CLEANUP_READER struct fn_reader r = {0};
	const uint8_t *p;
	ssize_t n;
	int rc;

	if (!out)
		return -ENOMEM;
	rc = fn_open(&r, call, 0, err);
	if (rc < 0)
		return rc;
	do {
		n = fn_read(&r, &p, err);
		if (n < 0)
			return (int)n;
		z->next_in = n ? r.block : NULL;
		z->avail_in = (uInt)n;
		rc = deflate_block(call, z, out, n ? Z_NO_FLUSH : Z_FINISH,
				   err);
		if (rc < 0)
			return rc;
	} while (n > 0);
	return 0;
}

static int gzip(struct fn_call *call, struct err *err)
{
	gz_header header = {.os = OS_UNKNOWN};
	z_stream z = {0};
	int level = atoi(fn_arg(call, &fn_gzip, "level"));
	int rc;

	rc = deflateInit2(&z, level, Z_DEFLATED, WINDOW_GZIP, 8,
			  Z_DEFAULT_STRATEGY);
	if (rc != Z_OK)
		return -ENOMEM;
	deflateSetHeader(&z, &header);
	rc = deflate_all(call, &z, err);
	deflateEnd(&z);
	return rc;
}

static const struct fn_param gzip_params[] = {
	{"level", "from 1 (fast) to 9 (small)", "6", FN_INT, 1, 9},
	{0},
};

const struct function fn_gzip = {
	.name = "gzip",
	.help = "the input compressed in gzip format, without name and time",
	.version = 1,
	.params = gzip_params,
	.min_inputs = 1,
	.max_inputs = 1,
	.example = "in: [dump.sql]\nfn: gzip\nparams: {level: 9}\n",
	.run = gzip,
};

/* --- gunzip -------------------------------------------------------------- */

struct gunzip {
	struct fn_call *call;
	const char *path;
	z_stream z;
	uint8_t *out;
	bool between; /* members: the last one is complete */
	bool padded;  /* zeros were seen behind it */
};

/* A member ended: another one, or zeros. */
static int begin_member(struct gunzip *g, struct err *err)
{
	while (g->z.avail_in && !*g->z.next_in) {
		g->padded = true;
		g->z.next_in++;
		g->z.avail_in--;
	}
	if (!g->z.avail_in)
		return 0;
	if (g->padded || *g->z.next_in != 0x1f)
		return err_set(err, -EILSEQ,
			       "%s: bytes that are not gzip stand behind the "
			       "compressed data",
			       g->path);
	g->between = false;
	inflateReset(&g->z);
	return 0;
}

static int inflate_block(struct gunzip *g, struct err *err)
{
	int zrc, rc;

	do {
		if (g->between) {
			rc = begin_member(g, err);
			if (rc < 0 || g->between)
				return rc;
		}
		g->z.next_out = g->out;
		g->z.avail_out = FN_BLOCK;
		zrc = inflate(&g->z, Z_NO_FLUSH);
		if (zrc == Z_MEM_ERROR)
			return -ENOMEM;
		if (zrc == Z_DATA_ERROR || zrc == Z_NEED_DICT)
			return err_set(err, -EILSEQ,
				       "%s: not gzip, or corrupt: %s", g->path,
				       g->z.msg ? g->z.msg : "dictionary");
		if (zrc == Z_STREAM_ERROR)
			return err_set(err, -EIO, "zlib: inconsistent state");
		rc = fn_write(g->call, g->out, FN_BLOCK - g->z.avail_out, err);
		if (rc < 0)
			return rc;
		if (fn_stopped(g->call))
			return -ECANCELED;
		g->between = zrc == Z_STREAM_END;
	} while (g->z.avail_in || g->z.avail_out == 0);
	return 0;
}

static int inflate_all(struct gunzip *g, struct err *err)
{
	CLEANUP_READER struct fn_reader r = {0};
	const uint8_t *p;
	ssize_t n;
	int rc;

	rc = fn_open(&r, g->call, 0, err);
	if (rc < 0)
		return rc;
	while ((n = fn_read(&r, &p, err)) > 0) {
		g->z.next_in = r.block;
		g->z.avail_in = (uInt)n;
		rc = inflate_block(g, err);
		if (rc < 0)
			return rc;
	}
	if (n < 0)
		return (int)n;
	if (!g->between)
		return err_set(err, -EILSEQ, "%s: %s", g->path,
			       r.off ? "ends in the middle of the compressed "
				       "data (truncated)"
				     : "is empty, and so no gzip file");
	return 0;
}

static int gunzip(struct fn_call *call, struct err *err)
{
	struct gunzip g = {.call = call, .path = call->inputs[0].path};
	int rc = -ENOMEM;

	g.out = malloc(FN_BLOCK);
	if (g.out && inflateInit2(&g.z, WINDOW_GZIP) == Z_OK) {
		rc = inflate_all(&g, err);
		inflateEnd(&g.z);
	}
	free(g.out);
	return rc;
}

static const struct fn_param gunzip_params[] = {{0}};

const struct function fn_gunzip = {
	.name = "gunzip",
	.help = "the content of a gzip file; all its members",
	.version = 1,
	.params = gunzip_params,
	.min_inputs = 1,
	.max_inputs = 1,
	.example = "in: [access.log.gz]\nfn: gunzip\n",
	.run = gunzip,
};
