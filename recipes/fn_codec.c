#include "recipes/fn.h"

#include <errno.h>

#include "recipes/codec.h"

struct conversion {
	struct fn_call *call;
	const struct codec *codec;
	void *z;
	uint8_t *out;
	const char *path;
	bool complete;
};

static void conversion_done(struct conversion *c)
{
	if (c->z)
		c->codec->close(c->z);
	free(c->out);
}

/* All of the bytes; at the end of the input, until nothing is left inside. */
static int convert(struct conversion *c, const uint8_t *p, size_t n, bool last,
		   struct err *err)
{
	struct err why = {""};
	size_t len = 0;
	int rc;

	do {
		if (fn_stopped(c->call))
			return -ECANCELED;
		rc = c->codec->step(c->z, &p, &n, last, c->out, FN_BLOCK, &len,
				    &why);
		if (rc == -EILSEQ)
			return err_set(err, rc, "%s: %s", c->path, why.msg);
		if (rc < 0)
			return err_set(err, rc, "%s: %s", c->codec->format,
				       why.msg[0] ? why.msg : err_name(rc));
		c->complete = rc == 1;
		rc = fn_write(c->call, c->out, len, err);
		if (rc < 0)
			return rc;
	} while (n || len == FN_BLOCK || (last && !c->complete && len));
	return 0;
}

static int run_codec(struct fn_call *call, const struct codec *codec, int level,
		     struct err *err)
{
	CLEANUP(conversion_done)
	struct conversion c = {.call = call,
			       .codec = codec,
			       .path = call->inputs[0].path};
	CLEANUP_READER struct fn_reader r = {0};
	const uint8_t *p;
	ssize_t n;
	int rc;

	c.out = malloc(FN_BLOCK);
	rc = c.out ? fn_open(&r, call, 0, err) : -ENOMEM;
	if (rc >= 0)
		rc = codec->open(codec, level, blob_size(r.blob), &c.z);
	if (rc < 0)
		return rc;
	while ((n = fn_read(&r, &p, err)) > 0) {
		rc = convert(&c, p, (size_t)n, false, err);
		if (rc < 0)
			return rc;
	}
	if (n < 0)
		return (int)n;
	if (!r.off && codec->empty_ok)
		return 0;
	if (!r.off && !level)
		return err_set(err, -EILSEQ, "%s: is empty, and so no %s file",
			       c.path, codec->format);
	rc = convert(&c, (const uint8_t *)"", 0, true, err);
	if (rc < 0)
		return rc;
	return c.complete ? 0
			  : err_set(err, -EILSEQ,
				    "%s: ends in the middle of the %s data "
				    "(truncated)",
				    c.path,
				    codec->empty_ok ? codec->format
						    : "compressed");
}

/* Compressing has a level from 1 on, decompressing 0. */
#define COMPRESS(x)                                                            \
	static int x(struct fn_call *call, struct err *err)                    \
	{                                                                      \
		return run_codec(call, &codec_##x, (int)fn_int(call, "level"), \
				 err);                                         \
	}
#define CONVERT(x)                                          \
	static int x(struct fn_call *call, struct err *err) \
	{                                                   \
		return run_codec(call, &codec_##x, 0, err); \
	}
COMPRESS(gzip)
COMPRESS(zstd)
COMPRESS(xz)
CONVERT(gunzip)
CONVERT(unzstd)
CONVERT(unxz)
CONVERT(unbase64)
CONVERT(unhex)

static int base64(struct fn_call *call, struct err *err)
{
	return run_codec(call, &codec_base64, (int)fn_int(call, "wrap") + 1,
			 err);
}

static int hex(struct fn_call *call, struct err *err)
{
	return run_codec(call, &codec_hex, (int)fn_int(call, "wrap") + 1, err);
}

static const struct fn_param none[] = {{0}};
static const struct fn_param gzip_params[] = {
	PARAM_INT("level", "6", 1, 9, "from 1 (fast) to 9 (small)"),
	{0},
};
static const struct fn_param zstd_params[] = {
	PARAM_INT("level", "3", 1, 19, "from 1 (fast) to 19 (small)"),
	{0},
};
static const struct fn_param xz_params[] = {
	PARAM_INT("level", "6", 1, 9,
		  "from 1 (fast) to 9 (small); 6 takes about 100 MiB of "
		  "memory, 9 about 700"),
	{0},
};
#define WRAP_HELP "how many digits make a line; 0: all on one, and no newline"
static const struct fn_param base64_params[] = {
	PARAM_INT("wrap", "76", 0, 1000000, WRAP_HELP),
	{0},
};
static const struct fn_param hex_params[] = {
	PARAM_INT("wrap", "60", 0, 1000000, WRAP_HELP),
	{0},
};

#define ROW(x, helps, takes, ...)                                             \
	{                                                                     \
		.name = #x, .help = (helps), .version = 1, .params = (takes), \
		.min_inputs = 1, .max_inputs = 1, .example = (__VA_ARGS__),   \
		.run = x                                                      \
	}
/* There and back. */
#define ROUND_TRIP(pack, params, unpack, suffix)        \
	"== poem.txt\n"                                 \
	"so much depends\n"                             \
	"upon\n"                                        \
	"== poem.txt." suffix ".recipe\n"               \
	"in: [poem.txt]\n"                              \
	"fn: " pack "\n" params "== again.txt.recipe\n" \
	"in: [poem.txt." suffix "]\n"                   \
	"fn: " unpack "\n"                              \
	"== again.txt\n"                                \
	"so much depends\n"                             \
	"upon\n"

static const struct function rows[] = {
	ROW(base64, "the input in base64 (RFC 4648), as base64(1)",
	    base64_params,
	    "== key.bin\n"
	    "a key\n"
	    "== key.txt.recipe\n"
	    "in: [key.bin]\n"
	    "fn: base64\n"
	    "== key.txt\n"
	    "YSBrZXkK\n"),
	ROW(gunzip, "the content of a gzip file; all its members", none,
	    ROUND_TRIP("gzip", "", "gunzip", "gz")),
	ROW(gzip, "the input compressed in gzip format, without name and time",
	    gzip_params,
	    ROUND_TRIP("gzip", "params: {level: 9}\n", "gunzip", "gz")),
	ROW(hex, "the input as hexadecimal digits, as xxd -p", hex_params,
	    "== key.bin\n"
	    "a key\n"
	    "== key.hex.recipe\n"
	    "in: [key.bin]\n"
	    "fn: hex\n"
	    "== key.hex\n"
	    "61206b65790a\n"),
	ROW(unbase64,
	    "the bytes that base64 stands for; blanks and line ends are "
	    "passed over",
	    none,
	    "== key.txt\n"
	    "YSBrZXkK\n"
	    "== key.bin.recipe\n"
	    "in: [key.txt]\n"
	    "fn: unbase64\n"
	    "== key.bin\n"
	    "a key\n"),
	ROW(unhex,
	    "the bytes that hexadecimal digits stand for; blanks and line "
	    "ends are passed over",
	    none,
	    "== key.hex\n"
	    "61 20 6B 65\n"
	    "79 0A\n"
	    "== key.bin.recipe\n"
	    "in: [key.hex]\n"
	    "fn: unhex\n"
	    "== key.bin\n"
	    "a key\n"),
	ROW(unxz, "the content of an xz or lzma file; all its streams", none,
	    ROUND_TRIP("xz", "", "unxz", "xz")),
	ROW(unzstd, "the content of a zstd file; all its frames", none,
	    ROUND_TRIP("zstd", "", "unzstd", "zst")),
	ROW(xz, "the input compressed in xz format", xz_params,
	    ROUND_TRIP("xz", "params: {level: 9}\n", "unxz", "xz")),
	ROW(zstd, "the input compressed in zstd format, with a checksum",
	    zstd_params,
	    ROUND_TRIP("zstd", "params: {level: 19}\n", "unzstd", "zst")),
};

const struct fn_family family_codec = {"Compressing and encoding", rows,
				       ARRAY_LEN(rows)};
