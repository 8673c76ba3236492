#include "core/addr.h"

#include <blake3.h>

static const char *const contexts[] = {
	[OBJ_CHUNK] = NULL,
	[OBJ_NODE] = "deriva node v1",
	[OBJ_DIR] = "deriva dir v1",
	[OBJ_RECIPE] = "deriva recipe v1",
	[OBJ_JOURNAL] = "deriva journal v1",
};

static const char *const names[] = {
	[OBJ_CHUNK] = "chunk",	 [OBJ_NODE] = "node",	    [OBJ_DIR] = "dir",
	[OBJ_RECIPE] = "recipe", [OBJ_JOURNAL] = "journal",
};

bool obj_kind_valid(int kind)
{
	return kind >= OBJ_CHUNK && kind <= OBJ_JOURNAL;
}

const char *obj_kind_name(enum obj_kind kind)
{
	return obj_kind_valid((int)kind) ? names[kind] : "unknown";
}

static void hash(const char *context, const void *p, size_t n, struct addr *ret)
{
	blake3_hasher h;

	if (context)
		blake3_hasher_init_derive_key(&h, context);
	else
		blake3_hasher_init(&h);
	blake3_hasher_update(&h, p, n);
	blake3_hasher_finalize(&h, ret->b, ADDR_LEN);
}

void addr_of(enum obj_kind kind, const void *p, size_t n, struct addr *ret)
{
	hash(contexts[kind], p, n, ret);
}

void addr_derive(const char *context, const void *p, size_t n, struct addr *ret)
{
	hash(context, p, n, ret);
}

struct hasher {
	blake3_hasher h;
};

struct hasher *hasher_new(void)
{
	struct hasher *h = malloc(sizeof(*h));

	if (h)
		blake3_hasher_init(&h->h);
	return h;
}

void hasher_add(struct hasher *h, const void *p, size_t n)
{
	blake3_hasher_update(&h->h, p, n);
}

void hasher_sum(const struct hasher *h, struct addr *ret)
{
	blake3_hasher_finalize(&h->h, ret->b, ADDR_LEN);
}

void hasher_free(struct hasher *h)
{
	free(h);
}

void addr_hex(const struct addr *a, char ret[ADDR_HEX])
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < ADDR_LEN; i++) {
		ret[2 * i] = digits[a->b[i] >> 4];
		ret[2 * i + 1] = digits[a->b[i] & 15];
	}
	ret[2 * ADDR_LEN] = '\0';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool addr_parse(const char *hex, struct addr *ret)
{
	struct addr a;
	int hi, lo;
	size_t i;

	for (i = 0; i < ADDR_LEN; i++) {
		hi = hex_digit(hex[2 * i]);
		lo = hi < 0 ? -1 : hex_digit(hex[2 * i + 1]);
		if (lo < 0)
			return false;
		a.b[i] = (uint8_t)(hi << 4 | lo);
	}
	if (hex[2 * ADDR_LEN])
		return false;
	*ret = a;
	return true;
}

bool addr_is_zero(const struct addr *a)
{
	static const struct addr zero;

	return addr_eq(a, &zero);
}
