#include "recipes/fn.h"

#include <errno.h>
#include <sodium/crypto_hash_sha256.h>

static const struct fn_param none[] = {{0}};

static int sha256(struct fn_call *call, struct err *err)
{
	static const char digits[] = "0123456789abcdef";
	CLEANUP_READER struct fn_reader r = {0};
	unsigned char sum[crypto_hash_sha256_BYTES];
	char hex[2 * sizeof(sum) + 1];
	crypto_hash_sha256_state state;
	const uint8_t *p;
	ssize_t n;
	size_t i;
	int rc;

	rc = fn_open(&r, call, 0, err);
	if (rc < 0)
		return rc;
	crypto_hash_sha256_init(&state);
	while ((n = fn_read(&r, &p, err)) > 0)
		crypto_hash_sha256_update(&state, p, (size_t)n);
	if (n < 0)
		return (int)n;
	crypto_hash_sha256_final(&state, sum);
	for (i = 0; i < sizeof(sum); i++) {
		hex[2 * i] = digits[sum[i] >> 4];
		hex[2 * i + 1] = digits[sum[i] & 15];
	}
	hex[2 * i] = '\0';
	return fn_write_line(call, hex, err);
}

CLEANUP_FN(struct hasher, hasher_free)

static int blake3(struct fn_call *call, struct err *err)
{
	CLEANUP(hasher_freep) struct hasher *h = hasher_new();
	CLEANUP_READER struct fn_reader r = {0};
	char hex[ADDR_HEX];
	struct addr sum;
	const uint8_t *p;
	ssize_t n;
	int rc;

	if (!h)
		return -ENOMEM;
	rc = fn_open(&r, call, 0, err);
	if (rc < 0)
		return rc;
	while ((n = fn_read(&r, &p, err)) > 0)
		hasher_add(h, p, (size_t)n);
	if (n < 0)
		return (int)n;
	hasher_sum(h, &sum);
	addr_hex(&sum, hex);
	return fn_write_line(call, hex, err);
}

#define EXAMPLE(fn, sum)      \
	"== abc.txt\n"        \
	"abc\n"               \
	"== abc.sum.recipe\n" \
	"in: [abc.txt]\n"     \
	"fn: " fn "\n"        \
	"== abc.sum\n" sum "\n"

static const struct function rows[] = {
	{
		.name = "blake3",
		.help = "BLAKE3 of the input, as b3sum prints it: 64 hex "
			"digits and a newline",
		.version = 1,
		.params = none,
		.min_inputs = 1,
		.max_inputs = 1,
		.example =
			EXAMPLE("blake3", "aa95faeede7041e63c6056bdcf10e6fb"
					  "f709a355e539259da51a067e5dd27802"),
		.run = blake3,
	},
	{
		.name = "sha256",
		.help = "SHA-256 of the input (FIPS 180-4): 64 hex digits and "
			"a newline",
		.version = 1,
		.params = none,
		.min_inputs = 1,
		.max_inputs = 1,
		.example =
			EXAMPLE("sha256", "edeaaff3f1774ad2888673770c6d6409"
					  "7e391bc362d7d6fb34982ddf0efd18cb"),
		.run = sha256,
	},
};

const struct fn_family family_hash = {"Sums", rows, ARRAY_LEN(rows)};
