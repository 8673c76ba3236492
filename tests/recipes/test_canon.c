#include "tests/lib/harness.h"

#include <errno.h>

#include "cas/store.h"
#include "recipes/canon.h"

static struct addr addr_fill(uint8_t first)
{
	struct addr a;
	size_t i;

	for (i = 0; i < ADDR_LEN; i++)
		a.b[i] = (uint8_t)(first + i);
	return a;
}

/* A computation of every field there is. */
struct full {
	const char *argv[3];
	struct canon_input inputs[5];
	struct canon_value params[2], env[2];
	struct canon_tool tools[2];
	struct canon_out outs[2];
	struct canon c;
};

static void make_full(struct full *f)
{
	*f = (struct full){
		.argv = {"join", "$a", ""},
		.inputs =
			{{.name = "a",
			  .list = true,
			  .addr = addr_fill(1),
			  .path = "x.csv",
			  .path_len = 5},
			 {.name = "a",
			  .list = true,
			  .position = 1,
			  .executable = true,
			  .addr = addr_fill(2),
			  .path = "../\xff",
			  .path_len = 4},
			 {.name = "b",
			  .dir = true,
			  .addr = addr_fill(3),
			  .path = "/d",
			  .path_len = 2},
			 {.name = "c", .list = true, .empty = true, .path = ""},
			 {.name = "d",
			  .addr = addr_fill(4),
			  .path = "e",
			  .path_len = 1}},
		.params = {{"k", "v"}, {"l", ""}},
		.env = {{"LANG", NULL}, {"USER", "me"}},
		.tools = {{"gcc", addr_fill(5)}, {"ld", addr_fill(6)}},
		.outs = {{"log", "run.log"}, {"main", "out"}},
	};
	f->c = (struct canon){
		.kind = RECIPE_RUN_ARGV,
		.version = 7,
		.argv = f->argv,
		.argc = 3,
		.network = true,
		.inputs = f->inputs,
		.ninputs = 5,
		.params = f->params,
		.nparams = 2,
		.env = f->env,
		.nenv = 2,
		.tools = f->tools,
		.ntools = 2,
		.shape = CANON_FILES,
		.outs = f->outs,
		.nouts = 2,
	};
}

static void check_text(const char *a, const char *b)
{
	ck_assert_int_eq(!a, !b);
	if (a)
		ck_assert_str_eq(a, b);
}

static void check_values(const struct canon_value *a, size_t na,
			 const struct canon_value *b, size_t nb)
{
	size_t i;

	ck_assert_uint_eq(na, nb);
	for (i = 0; i < na; i++) {
		ck_assert_str_eq(a[i].name, b[i].name);
		check_text(a[i].value, b[i].value);
	}
}

static void check_inputs(const struct canon *a, const struct canon *b)
{
	size_t i;

	ck_assert_uint_eq(a->ninputs, b->ninputs);
	for (i = 0; i < a->ninputs; i++) {
		const struct canon_input *x = &a->inputs[i], *y = &b->inputs[i];

		check_text(x->name, y->name);
		ck_assert_int_eq(x->list, y->list);
		ck_assert_int_eq(x->empty, y->empty);
		ck_assert_uint_eq(x->position, y->position);
		ck_assert_int_eq(x->dir, y->dir);
		ck_assert_int_eq(x->executable, y->executable);
		ck_assert(addr_eq(&x->addr, &y->addr));
		ck_assert_uint_eq(x->path_len, y->path_len);
		ck_assert_mem_eq(x->path, y->path, x->path_len);
	}
}

static void check_same(const struct canon *a, const struct canon *b)
{
	size_t i;

	ck_assert_int_eq(a->kind, b->kind);
	ck_assert_uint_eq(a->version, b->version);
	check_text(a->text, b->text);
	ck_assert_uint_eq(a->argc, b->argc);
	for (i = 0; i < a->argc; i++)
		ck_assert_str_eq(a->argv[i], b->argv[i]);
	ck_assert_int_eq(a->network, b->network);
	ck_assert_int_eq(a->observed, b->observed);
	ck_assert_uint_eq(a->depth, b->depth);
	check_inputs(a, b);
	check_values(a->params, a->nparams, b->params, b->nparams);
	check_values(a->env, a->nenv, b->env, b->nenv);
	ck_assert_uint_eq(a->ntools, b->ntools);
	for (i = 0; i < a->ntools; i++) {
		ck_assert_str_eq(a->tools[i].name, b->tools[i].name);
		ck_assert(addr_eq(&a->tools[i].addr, &b->tools[i].addr));
	}
	ck_assert_int_eq(a->shape, b->shape);
	check_text(a->out_name, b->out_name);
	ck_assert_uint_eq(a->nouts, b->nouts);
	for (i = 0; i < a->nouts; i++) {
		ck_assert_str_eq(a->outs[i].name, b->outs[i].name);
		ck_assert_str_eq(a->outs[i].file, b->outs[i].file);
	}
}

static void check_round_trip(const struct canon *c)
{
	CLEANUP(canon_decoded_freep) struct canon_decoded *d = NULL;
	CLEANUP_BUF struct buf b = BUF_INIT, again = BUF_INIT;

	ck_assert_int_eq(canon_encode(c, &b), 0);
	ck_assert_int_eq(canon_decode(b.data, b.len, &d), 0);
	check_same(c, canon_get(d));
	ck_assert_int_eq(canon_encode(canon_get(d), &again), 0);
	ck_assert_uint_eq(b.len, again.len);
	ck_assert_mem_eq(b.data, again.data, b.len);
}

static void hex_of(const struct buf *b, struct buf *ret)
{
	size_t i;

	for (i = 0; i < b->len; i++)
		buf_fmt(ret, "%02x", b->data[i]);
}

static void check_golden(const struct canon *c, const char *bytes,
			 const char *address)
{
	CLEANUP_BUF struct buf b = BUF_INIT, hex = BUF_INIT;
	char is[ADDR_HEX];
	struct addr a;

	ck_assert_int_eq(canon_encode(c, &b), 0);
	hex_of(&b, &hex);
	ck_assert_str_eq(buf_cstr(&hex), bytes);
	addr_of(OBJ_RECIPE, b.data, b.len, &a);
	addr_hex(&a, is);
	ck_assert_str_eq(is, address);
}

#define ADDR_1 \
	"0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20"
#define ADDR_2 \
	"02030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021"
#define ADDR_3 \
	"030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122"
#define ADDR_4 \
	"0405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223"
#define ADDR_5 \
	"05060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021222324"
#define ADDR_6 \
	"060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425"
#define ADDR_0 \
	"0000000000000000000000000000000000000000000000000000000000000000"

/* The vectors of deriva-store(5): permanent. */
/* clang-format off */
START_TEST(canon_golden_every_field)
{
	struct full f;

	make_full(&f);
	check_golden(
		&f.c,
		/* kind, shape, flags, version, depth */
		"02" "03" "01000000" "07000000" "00000000"
		/* words */
		"03000000" "04000000" "6a6f696e" "02000000" "2461" "00000000"
		/* inputs */
		"05000000"
		"01" "06" "01000000" "61" ADDR_1 "05000000" "782e637376"
		"01" "07" "01000000" "61" ADDR_2 "04000000" "2e2e2fff"
		"02" "02" "01000000" "62" ADDR_3 "02000000" "2f64"
		"00" "06" "01000000" "63" ADDR_0 "00000000"
		"01" "02" "01000000" "64" ADDR_4 "01000000" "65"
		/* params */
		"02000000" "01000000" "6b" "01000000" "76"
		"01000000" "6c" "00000000"
		/* env */
		"02000000" "00" "04000000" "4c414e47" "00000000"
		"01" "04000000" "55534552" "02000000" "6d65"
		/* tools */
		"02000000" "03000000" "676363" ADDR_5 "02000000" "6c64" ADDR_6
		/* outputs */
		"02000000" "03000000" "6c6f67" "07000000" "72756e2e6c6f67"
		"04000000" "6d61696e" "03000000" "6f7574",
		"d854251b65e920e84db947b9a22ecf83a900a0bad897e584326e04e430cd1553");
}
END_TEST

START_TEST(canon_golden_shell)
{
	struct canon_input in = {.list = true,
				 .addr = addr_fill(1),
				 .path = "a",
				 .path_len = 1};
	struct canon c = {.kind = RECIPE_RUN_SHELL,
			  .text = "sort a",
			  .inputs = &in,
			  .ninputs = 1,
			  .out_name = "out"};

	check_golden(&c,
		     "01" "01" "00000000" "01000000" "00000000"
		     "01000000" "06000000" "736f72742061"
		     "01000000" "01" "04" "00000000" ADDR_1 "01000000" "61"
		     "00000000" "00000000" "00000000"
		     "01000000" "00000000" "03000000" "6f7574",
		     "1fb47e2825b431cffe4fd026e731b62be20c59d3f8dac464af74d126ba7435fb");
}
END_TEST

START_TEST(canon_golden_function)
{
	struct canon_input in = {.list = true,
				 .addr = addr_fill(1),
				 .path = "not covered",
				 .path_len = 11};
	struct canon_value level = {"level", "9"};
	struct canon c = {.kind = RECIPE_FN,
			  .text = "gzip",
			  .inputs = &in,
			  .ninputs = 1,
			  .params = &level,
			  .nparams = 1,
			  .out_name = "not-covered.gz"};

	check_golden(&c,
		     "03" "01" "00000000" "01000000" "00000000"
		     "01000000" "04000000" "677a6970"
		     "01000000" "01" "04" "00000000" ADDR_1 "00000000"
		     "01000000" "05000000" "6c6576656c" "01000000" "39"
		     "00000000" "00000000" "00000000",
		     "d03db891a146a56036d0a1aff2049ddfa5774fa537892573ad744ab0ebbcd9bb");
}
END_TEST

/* clang-format on */
START_TEST(canon_decodes_what_it_encodes)
{
	struct canon_input none = {.list = true,
				   .addr = addr_fill(9),
				   .path = "p",
				   .path_len = 1};
	struct canon c = {.kind = RECIPE_RUN_SHELL,
			  .version = SANDBOX_VERSION,
			  .text = "x",
			  .out_name = "a.png"};
	struct full f;

	make_full(&f);
	check_round_trip(&f.c);
	check_round_trip(&c);
	c.inputs = &none;
	c.ninputs = 1;
	check_round_trip(&c);
	c.ninputs = 0;
	c.observed = true;
	c.depth = 3;
	check_round_trip(&c);
	c.shape = CANON_DIR;
	check_round_trip(&c);
}
END_TEST

START_TEST(canon_covers_every_field)
{
	CLEANUP_BUF struct buf first = BUF_INIT;
	struct full f;
	size_t i;

	make_full(&f);
	ck_assert_int_eq(canon_encode(&f.c, &first), 0);
	for (i = 0; i < 14; i++) {
		CLEANUP_BUF struct buf b = BUF_INIT;

		make_full(&f);
		/* clang-format off */
		switch (i) {
		case 0: f.c.version = 8; break;
		case 1: f.argv[1] = "$b"; break;
		case 2: f.c.network = false; break;
		case 3: f.inputs[0].name = "Z"; break;
		case 4: f.inputs[4].list = true; break;
		case 5: f.inputs[4].executable = true; break;
		case 6: f.inputs[4].dir = true; break;
		case 7: f.inputs[4].addr.b[31] ^= 1; break;
		case 8: f.inputs[4].path = "f"; break;
		case 9: f.params[1].value = "x"; break;
		case 10: f.env[0].value = ""; break;
		case 11: f.tools[1].addr.b[0] ^= 1; break;
		case 12: f.outs[0].file = "run.txt"; break;
		default: f.c.ninputs = 4; break;
		}
		/* clang-format on */
		if (i == 3)
			f.inputs[1].name = "Z";
		ck_assert_int_eq(canon_encode(&f.c, &b), 0);
		ck_assert_msg(b.len != first.len ||
				      memcmp(b.data, first.data, b.len) != 0,
			      "field %zu", i);
	}
}
END_TEST

START_TEST(canon_refuses_what_is_not_in_order)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct full f;
	size_t i;

	for (i = 0; i < 22; i++) {
		make_full(&f);
		/* clang-format off */
		switch (i) {
		case 0: f.inputs[4].name = "a"; break;
		case 1: f.inputs[4].name = NULL; break;
		case 2: f.inputs[1].list = false; break;
		case 3: f.inputs[3].name = "b"; break;
		case 4: f.inputs[3].addr = addr_fill(1); break;
		case 5: f.inputs[3].list = false; break;
		case 6: f.params[1].name = "k"; break;
		case 7: f.params[1].name = "a"; break;
		case 8: f.params[0].value = NULL; break;
		case 9: f.env[1].name = "LANG"; break;
		case 10: f.tools[1].name = "gcc"; break;
		case 11: f.outs[1].name = "a"; break;
		case 12: f.outs[1].file = "a/b"; break;
		case 13: f.outs[1].file = ".."; break;
		case 14: f.outs[1].name = "a-b"; break;
		case 15: f.c.nouts = 0; break;
		case 16: f.c.argc = 0; break;
		case 17: f.argv[0] = ""; break;
		case 18: f.c.observed = true; break;
		case 19: f.c.depth = 1; break;
		case 20: f.c.out_name = "x"; break;
		default:
			f.inputs[0].path = "a\0b";
			f.inputs[0].path_len = 3;
			break;
		}
		/* clang-format on */
		ck_assert_msg(canon_encode(&f.c, &b) == -EINVAL, "%zu", i);
		ck_assert_uint_eq(b.len, 0);
	}
}
END_TEST

START_TEST(canon_unknown_function_has_no_version)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct canon c = {.kind = RECIPE_FN, .text = "frobnicate"};

	ck_assert_int_eq(canon_encode(&c, &b), -EINVAL);
	c.version = 3; /* what another deriva wrote is read all the same */
	ck_assert_int_eq(canon_encode(&c, &b), 0);
}
END_TEST

START_TEST(canon_refuses_every_truncation)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct canon_decoded *d = NULL;
	struct full f;
	size_t n;

	make_full(&f);
	ck_assert_int_eq(canon_encode(&f.c, &b), 0);
	for (n = 0; n < b.len; n++) {
		CLEANUP_FREE uint8_t *exact = malloc(n + !n);

		ck_assert_ptr_nonnull(exact);
		memcpy(exact, b.data, n);
		ck_assert_int_eq(canon_decode(exact, n, &d), -EBADMSG);
	}
	buf_u8(&b, 0);
	ck_assert_int_eq(canon_decode(b.data, b.len, &d), -EBADMSG);
	ck_assert_ptr_null(d);
}
END_TEST

/* Whatever a flipped byte makes of it is refused, or something else that
 * encodes to exactly those bytes. */
START_TEST(canon_has_one_encoding_for_each)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct full f;
	unsigned bit;
	size_t i;

	make_full(&f);
	ck_assert_int_eq(canon_encode(&f.c, &b), 0);
	for (i = 0; i < b.len; i++)
		for (bit = 0; bit < 8; bit++) {
			CLEANUP(canon_decoded_freep)
			struct canon_decoded *d = NULL;
			CLEANUP_BUF struct buf again = BUF_INIT;
			int rc;

			b.data[i] ^= (uint8_t)(1u << bit);
			rc = canon_decode(b.data, b.len, &d);
			ck_assert(rc == 0 || rc == -EBADMSG);
			if (!rc) {
				ck_assert_int_eq(canon_encode(canon_get(d),
							      &again),
						 0);
				ck_assert_uint_eq(again.len, b.len);
				ck_assert_mem_eq(again.data, b.data, b.len);
			}
			b.data[i] ^= (uint8_t)(1u << bit);
		}
}
END_TEST

START_TEST(canon_too_long_is_e2big)
{
	CLEANUP_FREE char *text = malloc(OBJ_MAX + 1);
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct canon c = {.kind = RECIPE_RUN_SHELL, .text = text};

	ck_assert_ptr_nonnull(text);
	memset(text, 'x', OBJ_MAX);
	text[OBJ_MAX] = '\0';
	ck_assert_int_eq(canon_encode(&c, &b), -E2BIG);
	text[OBJ_MAX - 53] = '\0';
	ck_assert_int_eq(canon_encode(&c, &b), 0);
	ck_assert_uint_eq(b.len, OBJ_MAX);
	buf_reset(&b);
	text[OBJ_MAX - 53] = 'x';
	text[OBJ_MAX - 52] = '\0';
	ck_assert_int_eq(canon_encode(&c, &b), -E2BIG);
}
END_TEST

TESTS("canon", canon_golden_every_field, canon_golden_shell,
      canon_golden_function, canon_decodes_what_it_encodes,
      canon_covers_every_field, canon_refuses_what_is_not_in_order,
      canon_unknown_function_has_no_version, canon_refuses_every_truncation,
      canon_has_one_encoding_for_each, canon_too_long_is_e2big)
