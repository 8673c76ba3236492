#include "recipes/codec.h"

#include <errno.h>
#include <zlib.h>

/* gzip files (RFC 1952) with zlib. What is written has no name, no time and
 * "unknown" as its system, so that it depends on the input and the level
 * alone. What is read may have several members, one behind the other, and
 * zeros to the end behind the last one, as tapes leave them. */

#define WINDOW_GZIP (15 + 16) /* the largest window, gzip header */
#define OS_UNKNOWN  255

struct gz {
	z_stream z;
	gz_header header; /* zlib keeps a pointer to it */
	bool between;	  /* members: the last one is complete */
	bool padded;	  /* zeros were seen behind it */
};

static struct gz *gz_new(void)
{
	return calloc(1, sizeof(struct gz));
}

static void give_bytes(struct gz *g, const uint8_t *p, size_t n, uint8_t *out,
		       size_t cap)
{
	g->z.next_in = (Bytef *)(uintptr_t)p;
	g->z.avail_in = (uInt)n;
	g->z.next_out = out;
	g->z.avail_out = (uInt)cap;
}

static void note_bytes(const struct gz *g, const uint8_t **p, size_t *n,
		       size_t cap, size_t *ret_len)
{
	*p = g->z.next_in;
	*n = g->z.avail_in;
	*ret_len = cap - g->z.avail_out;
}

/* --- compressing ---------------------------------------------------------- */

static int gzip_open(const struct codec *c, int level, uint64_t size,
		     void **ret)
{
	struct gz *g = gz_new();

	if (!g || deflateInit2(&g->z, level, Z_DEFLATED, WINDOW_GZIP, 8,
			       Z_DEFAULT_STRATEGY) != Z_OK) {
		free(g);
		return -ENOMEM;
	}
	g->header.os = OS_UNKNOWN;
	deflateSetHeader(&g->z, &g->header);
	*ret = g;
	return 0;
}

static int gzip_step(void *z, const uint8_t **p, size_t *n, bool last,
		     uint8_t *out, size_t cap, size_t *ret_len, struct err *err)
{
	struct gz *g = z;
	int code;

	give_bytes(g, *p, *n, out, cap);
	code = deflate(&g->z, last ? Z_FINISH : Z_NO_FLUSH);
	if (code == Z_STREAM_ERROR)
		return err_set(err, -EIO, "zlib: inconsistent state");
	note_bytes(g, p, n, cap, ret_len);
	return code == Z_STREAM_END;
}

static void gzip_close(void *z)
{
	struct gz *g = z;

	deflateEnd(&g->z);
	free(g);
}

const struct codec codec_gzip = {"gzip", false, gzip_open, gzip_step,
				 gzip_close};

/* --- decompressing -------------------------------------------------------- */

static int gunzip_open(const struct codec *c, int level, uint64_t size,
		       void **ret)
{
	struct gz *g = gz_new();

	if (!g || inflateInit2(&g->z, WINDOW_GZIP) != Z_OK) {
		free(g);
		return -ENOMEM;
	}
	*ret = g;
	return 0;
}

/* A member ended: another one, or zeros. */
static int begin_member(struct gz *g, struct err *err)
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
			       "bytes that are not gzip stand behind the "
			       "compressed data");
	g->between = false;
	inflateReset(&g->z);
	return 0;
}

static int gunzip_step(void *z, const uint8_t **p, size_t *n, bool last,
		       uint8_t *out, size_t cap, size_t *ret_len,
		       struct err *err)
{
	struct gz *g = z;
	int code = Z_OK, rc;

	give_bytes(g, *p, *n, out, cap);
	if (g->between) {
		rc = begin_member(g, err);
		if (rc < 0)
			return rc;
	}
	if (!g->between)
		code = inflate(&g->z, Z_NO_FLUSH);
	if (code == Z_MEM_ERROR)
		return -ENOMEM;
	if (code == Z_DATA_ERROR || code == Z_NEED_DICT)
		return err_set(err, -EILSEQ, "not gzip, or corrupt: %s",
			       g->z.msg ? g->z.msg : "dictionary");
	if (code == Z_STREAM_ERROR)
		return err_set(err, -EIO, "zlib: inconsistent state");
	if (code == Z_STREAM_END)
		g->between = true;
	note_bytes(g, p, n, cap, ret_len);
	return g->between;
}

static void gunzip_close(void *z)
{
	struct gz *g = z;

	inflateEnd(&g->z);
	free(g);
}

const struct codec codec_gunzip = {"gzip", false, gunzip_open, gunzip_step,
				   gunzip_close};
