#include "tests/recipes/fn_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

START_TEST(sort_is_sort)
{
	static const struct {
		const char *params[7], *command;
	} table[] = {
		{{NULL}, "sort"},
		{{"reverse", "true", NULL}, "sort -r"},
		{{"unique", "true", NULL}, "sort -u"},
		{{"numeric", "true", NULL}, "sort -n"},
		{{"numeric", "true", "reverse", "true", NULL}, "sort -n -r"},
		{{"numeric", "true", "unique", "true", NULL}, "sort -n -u"},
		{{"numeric", "true", "unique", "true", "reverse", "true", NULL},
		 "sort -n -u -r"},
	};
	BENCH b;
	size_t i;

	setup(&b);
	for (i = 0; i < ARRAY_LEN(table); i++)
		check_all(&b, "sort", table[i].params, table[i].command);
}
END_TEST

/* Over 48 MiB with the index of the lines: runs in scratch. */
START_TEST(sort_larger_than_its_memory_is_sort)
{
	static const char *const numeric[] = {"numeric", "true", "unique",
					      "true", NULL};
	CLEANUP_BUF struct buf t = BUF_INIT;
	BENCH b;

	setup(&b);
	fill(&t, NUMBERS, 20000000, 7);
	check_against(&b, "sort", NULL, "sort", t.data, t.len);
	check_against(&b, "sort", numeric, "sort -n -u", t.data, t.len);
}
END_TEST

/* Empty lines cost the most: 18 runs, which are more than one merge takes. */
START_TEST(sort_merges_in_several_passes)
{
	static const char *const unique[] = {"unique", "true", NULL};
	static const char *const reverse[] = {"reverse", "true", NULL};
	CLEANUP_BUF struct buf t = BUF_INIT, out = BUF_INIT;
	BENCH b;
	size_t i;

	setup(&b);
	fill(&t, WORDS, 50000000, 1);
	memset(t.data, '\n', t.len);
	for (i = 0; i < 26; i++) /* here and there a letter */
		t.data[i * 1900000 + 1] = (uint8_t)('z' - i);
	run_fn(&b, "sort", t.data, t.len, unique, &out);
	ck_assert_str_eq(buf_cstr(&out), "\na\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\n"
					 "l\nm\nn\no\np\nq\nr\ns\nt\nu\nv\n"
					 "w\nx\ny\nz\n");
	buf_reset(&out);
	run_fn(&b, "sort", t.data, t.len, reverse, &out);
	ck_assert_uint_eq(out.len, t.len);
	ck_assert_mem_eq(out.data,
			 "z\ny\nx\nw\nv\nu\nt\ns\nr\nq\np\no\nn\n"
			 "m\nl\nk\nj\ni\nh\ng\nf\ne\nd\nc\nb\na\n"
			 "\n\n",
			 54);
}
END_TEST

START_TEST(sort_takes_lines_up_to_a_limit)
{
	CLEANUP_BUF struct buf t = BUF_INIT, out = BUF_INIT;
	struct fn_input in;
	struct err err = {""};
	BENCH b;
	size_t i;

	setup(&b);
	for (i = 0; i < 20; i++) {
		fill(&t, BYTES, t.len + MIB(4) - 1, i + 1);
		buf_u8(&t, '\n');
	}
	for (i = 0; i + 1 < t.len; i++)
		if (t.data[i] == '\n' && (i + 1) % MIB(4))
			t.data[i] = '\r';
	check_against(&b, "sort", NULL, "sort", t.data, t.len);
	memset(t.data, 'x', MIB(4) + 1);
	put(&b, t.data, t.len, &in);
	ck_assert_int_eq(call_fn(&b, "sort", &in, 1, NULL, &out, &err),
			 -EILSEQ);
	ck_assert_str_eq(err.msg,
			 "in.txt:1: a line of more than 4 MiB cannot be "
			 "sorted");
}
END_TEST

START_TEST(sort_without_scratch_says_so)
{
	CLEANUP_BUF struct buf t = BUF_INIT, out = BUF_INIT;
	struct fn_input in;
	struct err err = {""};
	struct bench b;
	int fd;

	setup(&b);
	fd = b.scratch;
	b.scratch = -1;
	fill(&t, WORDS, MIB(40), 1);
	put(&b, t.data, t.len, &in);
	ck_assert_int_eq(call_fn(&b, "sort", &in, 1, NULL, &out, &err), -EBADF);
	ck_assert_ptr_nonnull(strstr(err.msg, "needs a scratch file"));
	b.scratch = fd;
	teardown(&b);
}
END_TEST

START_TEST(sort_joins_its_inputs_line_by_line)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct fn_input in[3];
	struct err err = {""};
	BENCH b;

	setup(&b);
	put(&b, "c\na", 3, &in[0]);
	put(&b, "", 0, &in[1]);
	put(&b, "b\nd", 3, &in[2]);
	ck_assert_int_eq(call_fn(&b, "sort", in, 3, NULL, &out, &err), 0);
	ck_assert_str_eq(buf_cstr(&out), "a\nb\nc\nd\n");
}
END_TEST

START_TEST(hashes_are_the_tools)
{
	BENCH b;

	setup(&b);
	check_all(&b, "sha256", NULL, "sha256sum | cut -d' ' -f1");
	if (!system("command -v b3sum >/dev/null"))
		check_all(&b, "blake3", NULL, "b3sum --no-names");
}
END_TEST

START_TEST(hashes_of_abc)
{
	CLEANUP_BUF struct buf sha = BUF_INIT, blake = BUF_INIT;
	BENCH b;

	setup(&b);
	run_fn(&b, "sha256", "abc", 3, NULL, &sha);
	ck_assert_str_eq(buf_cstr(&sha), /* FIPS 180-2, appendix B.1 */
			 "ba7816bf8f01cfea414140de5dae2223"
			 "b00361a396177a9cb410ff61f20015ad\n");
	run_fn(&b, "blake3", "abc", 3, NULL, &blake);
	ck_assert_str_eq(buf_cstr(&blake),
			 "6437b3ac38465133ffb63b75273a8db5"
			 "48c558465d79db03fd359c6cd5bd9d85\n");
}
END_TEST

START_TEST(lines_counts_the_last_one)
{
	BENCH b;

	setup(&b);
	check_all(&b, "lines", NULL, "grep -c '' -a || :");
}
END_TEST

START_TEST(lines_adds_inputs)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct fn_input in[2];
	struct err err = {""};
	BENCH b;

	setup(&b);
	put(&b, "a", 1, &in[0]);
	put(&b, "b\nc\n", 4, &in[1]);
	ck_assert_int_eq(call_fn(&b, "lines", in, 2, NULL, &out, &err), 0);
	ck_assert_str_eq(buf_cstr(&out), "3\n");
}
END_TEST

START_TEST(concat_joins_in_order)
{
	CLEANUP_BUF struct buf out = BUF_INIT, t = BUF_INIT, want = BUF_INIT;
	struct fn_input in[4];
	struct err err = {""};
	BENCH b;

	setup(&b);
	fill(&t, BYTES, 700000, 3);
	memset(t.data + 1000, 0, 600000); /* a hole inside */
	put(&b, "ab", 2, &in[0]);
	put(&b, t.data, t.len, &in[1]);
	put(&b, "", 0, &in[2]);
	memset(t.data, 0, t.len);
	put(&b, t.data, t.len, &in[3]);
	buf_str(&want, "ab");
	buf_reset(&t);
	fill(&t, BYTES, 700000, 3);
	memset(t.data + 1000, 0, 600000);
	buf_add(&want, t.data, t.len);
	memset(t.data, 0, t.len);
	buf_add(&want, t.data, t.len);
	ck_assert_int_eq(call_fn(&b, "concat", in, 4, NULL, &out, &err), 0);
	ck_assert_uint_eq(out.len, want.len);
	ck_assert_mem_eq(out.data, want.data, out.len);
	buf_reset(&out);
	ck_assert_int_eq(call_fn(&b, "concat", in, 0, NULL, &out, &err), 0);
	ck_assert_uint_eq(out.len, 0);
}
END_TEST

/* Back through the other function and through the tool. */
static void check_codec(const char *pack, const char *unpack,
			const char *const *params, const char *tool,
			const char *untool)
{
	BENCH b;
	size_t i;

	setup(&b);
	for (i = 0; i < FN_SIZES; i++) {
		CLEANUP_BUF struct buf t = BUF_INIT, packed = BUF_INIT;
		CLEANUP_BUF struct buf by_fn = BUF_INIT, by_tool = BUF_INIT;
		CLEANUP_BUF struct buf theirs = BUF_INIT, again = BUF_INIT;

		fill(&t, i % 2 ? WORDS : BYTES, fn_sizes[i], i + 1);
		run_fn(&b, pack, t.data, t.len, params, &packed);
		run_fn(&b, unpack, packed.data, packed.len, NULL, &by_fn);
		run_tool(&b, untool, packed.data, packed.len, &by_tool);
		run_tool(&b, tool, t.data, t.len, &theirs);
		run_fn(&b, unpack, theirs.data, theirs.len, NULL, &again);
		ck_assert_uint_eq(by_fn.len, t.len);
		ck_assert_uint_eq(by_tool.len, t.len);
		ck_assert_uint_eq(again.len, t.len);
		if (!t.len)
			continue;
		ck_assert_mem_eq(by_fn.data, t.data, t.len);
		ck_assert_mem_eq(by_tool.data, t.data, t.len);
		ck_assert_mem_eq(again.data, t.data, t.len);
	}
}

START_TEST(gzip_and_back)
{
	static const char *const nine[] = {"level", "9", NULL};

	check_codec("gzip", "gunzip", NULL, "gzip -c", "gzip -dc");
	check_codec("gzip", "gunzip", nine, "gzip -1 -c", "gzip -dc");
}
END_TEST

START_TEST(zstd_and_back)
{
	static const char *const one[] = {"level", "1", NULL};
	static const char *const high[] = {"level", "19", NULL};

	check_codec("zstd", "unzstd", NULL, "zstd -c", "zstd -dc");
	check_codec("zstd", "unzstd", one, "zstd -c --no-check", "zstd -dc");
	check_codec("zstd", "unzstd", high, "zstd -19 -c", "zstd -dc");
}
END_TEST

START_TEST(gzip_has_neither_name_nor_time)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	BENCH b;

	setup(&b);
	run_fn(&b, "gzip", "abc", 3, NULL, &out);
	ck_assert_mem_eq(out.data, "\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
}
END_TEST

START_TEST(gunzip_takes_members_and_padding)
{
	CLEANUP_BUF struct buf out = BUF_INIT, packed = BUF_INIT;
	BENCH b;

	setup(&b);
	run_tool(&b, "gzip -c; printf more | gzip -c; printf '\\0\\0\\0'",
		 "some ", 5, &packed);
	run_fn(&b, "gunzip", packed.data, packed.len, NULL, &out);
	ck_assert_str_eq(buf_cstr(&out), "some more");
}
END_TEST

START_TEST(unzstd_takes_frames)
{
	CLEANUP_BUF struct buf out = BUF_INIT, packed = BUF_INIT;
	BENCH b;

	setup(&b);
	run_tool(&b,
		 "zstd -c; printf '\\120\\52\\115\\30\\2\\0\\0\\0xx'; "
		 "printf more | zstd -c",
		 "some ", 5, &packed);
	run_fn(&b, "unzstd", packed.data, packed.len, NULL, &out);
	ck_assert_str_eq(buf_cstr(&out), "some more");
}
END_TEST

static void check_fails(struct bench *b, const char *name, const void *p,
			size_t n, const char *message)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct fn_input in;
	struct err err = {""};
	int rc;

	put(b, p, n, &in);
	rc = call_fn(b, name, &in, 1, NULL, &out, &err);
	ck_assert_msg(rc == -EILSEQ, "%s of %zu bytes: %d %s", name, n, rc,
		      err.msg);
	ck_assert_msg(!strncmp(err.msg, message, strlen(message)), "%s",
		      err.msg);
}

static void check_truncations(const char *name, const char *tool)
{
	CLEANUP_BUF struct buf packed = BUF_INIT, t = BUF_INIT;
	BENCH b;
	size_t n;

	setup(&b);
	fill(&t, WORDS, 5000, 1);
	run_tool(&b, tool, t.data, t.len, &packed);
	for (n = 1; n < packed.len; n += 1 + n / 20)
		check_fails(&b, name, packed.data, n,
			    "in.txt: ends in the middle of the compressed "
			    "data (truncated)");
	check_fails(&b, name, packed.data, packed.len - 1,
		    "in.txt: ends in the middle");
	check_fails(&b, name, "", 0, "in.txt: is empty, and so no ");
	check_fails(&b, name, t.data, t.len, "in.txt: not ");
	packed.data[packed.len / 2] ^= 0x10;
	check_fails(&b, name, packed.data, packed.len, "in.txt: not ");
	packed.data[packed.len / 2] ^= 0x10;
	packed.data[packed.len - 1] ^= 1;
	check_fails(&b, name, packed.data, packed.len,
		    !strcmp(name, "gunzip") ? "in.txt: not gzip, or corrupt: "
					      "incorrect length check"
					    : "in.txt: not zstd, or corrupt");
}

START_TEST(gunzip_of_damage_says_so)
{
	BENCH b;

	check_truncations("gunzip", "gzip -c");
	setup(&b);
	check_fails(&b, "gunzip",
		    "\x1f\x8b\x08\0\0\0\0\0\0\xff\x03\0\0\0\0\0\0\0\0\0junk",
		    24, "in.txt: bytes that are not gzip stand behind");
}
END_TEST

START_TEST(unzstd_of_damage_says_so)
{
	check_truncations("unzstd", "zstd -c --check");
}
END_TEST

START_TEST(unzstd_refuses_huge_windows)
{
	CLEANUP_BUF struct buf packed = BUF_INIT;
	BENCH b;

	setup(&b);
	run_tool(&b, "zstd -1 --long=30 -c", "x", 1, &packed);
	/* no size known beforehand, so the window stays what was asked for */
	check_fails(&b, "unzstd", packed.data, packed.len,
		    "in.txt: needs a window of more than 128 MiB");
}
END_TEST

/* Of functions that take more than one input, or need params. */
static const char *const *needed_params(const char *name)
{
	static const struct {
		const char *name, *params[5];
	} table[] = {
		{"filter", {"literal", "a"}},
		{"replace", {"literal", "a", "with", "b"}},
		{"cut", {"bytes", "1"}},
		{"columns", {"fields", "1"}},
		{"sql", {"query", "SELECT * FROM t1"}},
		{"split", {"lines", "5"}},
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(table); i++)
		if (!strcmp(name, table[i].name))
			return table[i].params;
	return NULL;
}

START_TEST(stopped_function_is_ecanceled)
{
	CLEANUP_BUF struct buf packed = BUF_INIT;
	const struct function *f;
	BENCH b;
	size_t i;

	setup(&b);
	run_fn(&b, "gzip", "abc", 3, NULL, &packed);
	b.stop = true;
	for (i = 0; (f = function_at(i)); i++) {
		CLEANUP_BUF struct buf out = BUF_INIT;
		struct fn_input in[2];
		struct err err = {""};
		int rc;

		put(&b, packed.data, packed.len, &in[0]);
		put(&b, packed.data, packed.len, &in[1]);
		rc = call_fn(&b, f->name, in, MAX(f->min_inputs, (size_t)1),
			     needed_params(f->name), &out, &err);
		ck_assert_msg(rc == -ECANCELED, "%s: %d %s", f->name, rc,
			      err.msg);
	}
}
END_TEST

START_TEST(missing_input_names_its_path)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct fn_input in[2] = {
		{.path = "gone.txt", .addr = {{1}}, .size = 5},
		{.path = "gone.txt", .addr = {{1}}, .size = 5},
	};
	const struct function *f;
	BENCH b;
	size_t i;

	setup(&b);
	for (i = 0; (f = function_at(i)); i++) {
		struct err err = {""};
		int rc = call_fn(&b, f->name, in, MAX(f->min_inputs, (size_t)1),
				 needed_params(f->name), &out, &err);

		ck_assert_msg(rc == -ENOENT, "%s: %d %s", f->name, rc, err.msg);
		ck_assert_msg(!strncmp(err.msg, "gone.txt: ", 10), "%s",
			      err.msg);
	}
}
END_TEST

START_TEST(function_rows_are_whole)
{
	const struct function *f;
	const struct fn_param *p;
	size_t i;

	for (i = 0; (f = function_at(i)); i++) {
		ck_assert_ptr_eq(function_find(f->name), f);
		ck_assert(f->help && f->example && f->params && f->run);
		ck_assert_uint_ge(f->version, 1);
		ck_assert_uint_le(f->min_inputs, f->max_inputs);
		for (p = f->params; p->name; p++)
			ck_assert_ptr_nonnull(p->help);
	}
	ck_assert_ptr_null(function_at(i + 1));
}
END_TEST

/* The parts of an example: "== NAME" lines and what stands below each. */
START_TEST(function_examples_are_recipes)
{
	const struct function *f;
	size_t i;

	for (i = 0; (f = function_at(i)); i++) {
		const char *p = f->example, *name, *body, *next;
		unsigned recipes = 0, uses = 0;

		for (; p && *p; p = next) {
			CLEANUP(recipe_def_freep) struct recipe_def *d = NULL;
			struct err err = {""};

			ck_assert_msg(!strncmp(p, "== ", 3), "%s", f->name);
			name = p + 3;
			body = strchr(name, '\n') + 1;
			next = strstr(body, "\n== ");
			next = next ? next + 1 : body + strlen(body);
			if (strncmp(body - 8, ".recipe\n", 8) != 0)
				continue;
			ck_assert_msg(recipe_parse(body, (size_t)(next - body),
						   &d, &err) == 0,
				      "%s: %s", f->name, err.msg);
			recipes++;
			uses += !strcmp(d->fn, f->name);
		}
		ck_assert_msg(recipes && uses, "%s", f->name);
	}
}
END_TEST

START_TEST(function_arguments_are_checked)
{
	static const struct {
		const char *fn, *name, *value;
		size_t ninputs;
		const char *want;
	} table[] = {
		{"sha256", NULL, NULL, 2, "`sha256` takes 1 input, not 2"},
		{"sha256", NULL, NULL, 0, "`sha256` takes 1 input, not 0"},
		{"sort", NULL, NULL, 0, "`sort` takes at least 1 input, not 0"},
		{"sort", "revers", "true", 1,
		 "`sort` takes no param `revers`: did you mean `reverse`?"},
		{"sort", "zzzzz", "true", 1,
		 "`sort` takes no param `zzzzz`; `deriva functions` lists "
		 "those "
		 "it takes"},
		{"gzip", "level", "10", 1,
		 "`level` of `gzip` is a number from 1 to 9, not `10`"},
		{"gzip", "level", "", 1,
		 "`level` of `gzip` is a number from 1 to 9, not ``"},
		{"gzip", "level", "+5", 1,
		 "`level` of `gzip` is a number from 1 to 9, not `+5`"},
		{"zstd", "level", "99999999999999999999", 1,
		 "`level` of `zstd` is a number from 1 to 19, not "
		 "`99999999999999999999`"},
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(table); i++) {
		struct canon_value v = {table[i].name, table[i].value};
		struct err err = {""};

		ck_assert_int_eq(function_check(function_find(table[i].fn), &v,
						v.name != NULL,
						table[i].ninputs, &err),
				 -EINVAL);
		ck_assert_str_eq(err.msg, table[i].want);
	}
}
END_TEST

START_TEST(function_near_is_what_was_meant)
{
	ck_assert_str_eq(function_near("sotr"), "sort");
	ck_assert_str_eq(function_near("cat"), "concat");
	ck_assert_str_eq(function_near("sha265"), "sha256");
	ck_assert_str_eq(function_near("gunzp"), "gunzip");
	ck_assert_ptr_null(function_near("frobnicate"));
	ck_assert_ptr_null(function_near(""));
}
END_TEST

TESTS("function", sort_is_sort, sort_larger_than_its_memory_is_sort,
      sort_merges_in_several_passes, sort_takes_lines_up_to_a_limit,
      sort_without_scratch_says_so, sort_joins_its_inputs_line_by_line,
      hashes_are_the_tools, hashes_of_abc, lines_counts_the_last_one,
      lines_adds_inputs, concat_joins_in_order, gzip_and_back, zstd_and_back,
      gzip_has_neither_name_nor_time, gunzip_takes_members_and_padding,
      unzstd_takes_frames, gunzip_of_damage_says_so, unzstd_of_damage_says_so,
      unzstd_refuses_huge_windows, stopped_function_is_ecanceled,
      missing_input_names_its_path, function_rows_are_whole,
      function_examples_are_recipes, function_arguments_are_checked,
      function_near_is_what_was_meant)
