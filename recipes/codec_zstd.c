#include "recipes/codec.h"

#include <errno.h>

#include "cas/zstream.h"

static int zstd_open(const struct codec *c, int level, uint64_t size,
		     void **ret)
{
	struct zstream *z = NULL;
	int rc = level ? zstream_compressor(level, size, &z)
		       : zstream_decompressor(&z);

	if (rc >= 0)
		*ret = z;
	return rc;
}

static int zstd_step(void *z, const uint8_t **p, size_t *n, bool last,
		     uint8_t *out, size_t cap, size_t *ret_len, struct err *err)
{
	int rc = zstream_step(z, p, n, last, out, cap, ret_len);

	if (rc == -EBADMSG)
		return err_set(err, -EILSEQ, "not zstd, or corrupt");
	if (rc == -E2BIG)
		return err_set(err, -EILSEQ,
			       "needs a window of more than 128 MiB to "
			       "decompress (it was made with --long or "
			       "--ultra)");
	return rc;
}

/* At the end of the input there is nothing to be had from a decompressor but
 * what it has not given yet; then it says again where it stands. */
struct unzstd {
	struct zstream *z;
	int state;
};

static int unzstd_open(const struct codec *c, int level, uint64_t size,
		       void **ret)
{
	struct unzstd *u = calloc(1, sizeof(*u));
	int rc = u ? zstream_decompressor(&u->z) : -ENOMEM;

	if (rc < 0)
		free(u);
	else
		*ret = u;
	return rc;
}

static int unzstd_step(void *z, const uint8_t **p, size_t *n, bool last,
		       uint8_t *out, size_t cap, size_t *ret_len,
		       struct err *err)
{
	struct unzstd *u = z;
	int rc;

	*ret_len = 0;
	if (last && u->state == 1)
		return 1;
	rc = zstd_step(u->z, p, n, false, out, cap, ret_len, err);
	u->state = rc;
	return rc;
}

static void zstd_close(void *z)
{
	zstream_free(z);
}

static void unzstd_close(void *z)
{
	struct unzstd *u = z;

	zstream_free(u->z);
	free(u);
}

const struct codec codec_zstd = {"zstd", false, zstd_open, zstd_step,
				 zstd_close};
const struct codec codec_unzstd = {"zstd", false, unzstd_open, unzstd_step,
				   unzstd_close};
