#include "recipes/codec.h"

#include <errno.h>
#include <lzma.h>

/* xz files with liblzma, in one thread, so that the result depends on the input
 * and the level alone. */

#define MEMORY_MAX MIB(256) /* decompressing; xz -9 takes 65 */

static int xz_open(const struct codec *c, int level, uint64_t size, void **ret)
{
	lzma_stream *z = calloc(1, sizeof(*z));
	lzma_ret code;

	if (!z)
		return -ENOMEM;
	*z = (lzma_stream)LZMA_STREAM_INIT;
	if (level)
		code = lzma_easy_encoder(z, (uint32_t)level, LZMA_CHECK_CRC64);
	else
		code = lzma_auto_decoder(z, MEMORY_MAX, LZMA_CONCATENATED);
	if (code != LZMA_OK) {
		free(z);
		return -ENOMEM;
	}
	*ret = z;
	return 0;
}

static int xz_step(void *arg, const uint8_t **p, size_t *n, bool last,
		   uint8_t *out, size_t cap, size_t *ret_len, struct err *err)
{
	lzma_stream *z = arg;
	lzma_ret code;

	z->next_in = *p;
	z->avail_in = *n;
	z->next_out = out;
	z->avail_out = cap;
	code = lzma_code(z, last ? LZMA_FINISH : LZMA_RUN);
	*p = z->next_in;
	*n = z->avail_in;
	*ret_len = cap - z->avail_out;
	switch (code) {
	case LZMA_OK:
	case LZMA_BUF_ERROR: /* no bytes to go on with */
		return 0;
	case LZMA_STREAM_END:
		return 1;
	case LZMA_MEM_ERROR:
		return -ENOMEM;
	case LZMA_MEMLIMIT_ERROR:
		return err_set(err, -EILSEQ,
			       "needs more than 256 MiB of memory to "
			       "decompress");
	case LZMA_FORMAT_ERROR:
		return err_set(err, -EILSEQ, "not xz");
	case LZMA_OPTIONS_ERROR:
		return err_set(err, -EILSEQ,
			       "xz of a kind that liblzma does not know");
	case LZMA_DATA_ERROR:
		return err_set(err, -EILSEQ, "not xz, or corrupt");
	default:
		return err_set(err, -EIO, "liblzma: error %d", (int)code);
	}
}

static void xz_close(void *arg)
{
	lzma_stream *z = arg;

	lzma_end(z);
	free(z);
}

const struct codec codec_xz = {"xz", false, xz_open, xz_step, xz_close};
const struct codec codec_unxz = {"xz", false, xz_open, xz_step, xz_close};
