#include "tests/lib/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "cas/store.h"
#include "recipes/function.h"

/* A store, a scratch directory and one call, the output of which is read back
 * and compared with what the system's own tools say. */
struct bench {
	char *dir;
	struct store *store;
	int scratch;
	bool stop;
};

static void setup(struct bench *b)
{
	struct err err = {""};
	char *path = NULL;

	*b = (struct bench){.dir = test_dir()};
	ck_assert_int_gt(asprintf(&path, "%s/store", b->dir), 0);
	ck_assert_msg(store_open(path, STORE_CREATE, &b->store, &err) == 0,
		      "%s", err.msg);
	free(path);
	ck_assert_int_gt(asprintf(&path, "%s/scratch", b->dir), 0);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	b->scratch = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(b->scratch, 0);
	free(path);
}

static void teardown(struct bench *b)
{
	close(b->scratch);
	ck_assert_int_eq(store_close(b->store), 0);
	remove_tree(b->dir);
	free(b->dir);
}
#define BENCH CLEANUP(teardown) struct bench

static void read_back(struct bench *b, const struct addr *a, struct buf *ret)
{
	struct blob *blob = NULL;
	uint64_t size;

	ck_assert_int_eq(blob_open(b->store, a, &blob), 0);
	size = blob_size(blob);
	while (ret->len < size) {
		void *to = buf_room(ret, size - ret->len);
		ssize_t n = blob_pread(blob, to, size - ret->len, ret->len);

		ck_assert_int_gt(n, 0);
		ret->len += (size_t)n;
	}
	buf_add(ret, "", 0); /* its NUL */
	blob_close(blob);
}

static void put(struct bench *b, const void *p, size_t n, struct fn_input *ret)
{
	*ret = (struct fn_input){.path = "in.txt", .size = n};
	ck_assert_int_eq(blob_put(b->store, p, n, &ret->addr), 0);
}

/* Params as "name", "value", ..., NULL. */
#define PARAMS_MAX 4
static int call_fn(struct bench *b, const char *name,
		   const struct fn_input *inputs, size_t n,
		   const char *const *params, struct buf *ret, struct err *err)
{
	const struct function *f = function_find(name);
	CLEANUP(blob_writer_freep)
	struct blob_writer *out = blob_writer_new(b->store);
	struct canon_value v[PARAMS_MAX];
	struct fn_call call = {.store = b->store,
			       .inputs = inputs,
			       .ninputs = n,
			       .params = v,
			       .out = out,
			       .stop = &b->stop,
			       .scratch_fd = b->scratch};
	struct addr addr;
	uint64_t size;
	int rc;

	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_nonnull(out);
	for (; params && *params; params += 2)
		v[call.nparams++] = (struct canon_value){params[0], params[1]};
	rc = function_check(f, v, call.nparams, n, err);
	if (rc >= 0)
		rc = f->run(&call, err);
	if (rc < 0)
		return rc;
	ck_assert_int_eq(blob_finish(out, &addr, &size), 0);
	read_back(b, &addr, ret);
	ck_assert_uint_eq(size, ret->len);
	return 0;
}

static void run_fn(struct bench *b, const char *name, const void *p, size_t n,
		   const char *const *params, struct buf *ret)
{
	struct fn_input in;
	struct err err = {""};

	put(b, p, n, &in);
	ck_assert_msg(call_fn(b, name, &in, 1, params, ret, &err) == 0,
		      "%s: %s", name, err.msg);
}

/* Bytes through a shell command. */
static void run_tool(struct bench *b, const char *command, const void *p,
		     size_t n, struct buf *ret)
{
	CLEANUP_FREE char *from = NULL, *line = NULL;
	FILE *f;
	size_t got;

	ck_assert_int_gt(asprintf(&from, "%s/tool-input", b->dir), 0);
	f = fopen(from, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(n ? fwrite(p, 1, n, f) : 0, n);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_gt(asprintf(&line, "LC_ALL=C; export LC_ALL; (%s) < %s",
				  command, from),
			 0);
	f = popen(line, "r");
	ck_assert_ptr_nonnull(f);
	do {
		void *to = buf_room(ret, 65536);

		ck_assert_ptr_nonnull(to);
		got = fread(to, 1, 65536, f);
		ret->len += got;
	} while (got);
	buf_add(ret, "", 0);
	ck_assert_int_eq(pclose(f), 0);
}

static void check_against(struct bench *b, const char *name,
			  const char *const *params, const char *command,
			  const void *p, size_t n)
{
	CLEANUP_BUF struct buf ours = BUF_INIT, theirs = BUF_INIT;

	run_fn(b, name, p, n, params, &ours);
	run_tool(b, command, p, n, &theirs);
	ck_assert_msg(ours.len == theirs.len, "%s: %zu bytes, `%s`: %zu", name,
		      ours.len, command, theirs.len);
	ck_assert_msg(!ours.len || !memcmp(ours.data, theirs.data, ours.len),
		      "%s differs from `%s`", name, command);
}

static uint64_t random_next(uint64_t *state) /* xorshift64 (Marsaglia 2003) */
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

enum style { WORDS, NUMBERS, BYTES };

static uint8_t random_byte(enum style style, uint64_t *seed)
{
	static const char number[] = " -00123456789..x\n\n";
	static const char word[] = "aaabcd Z\n\n";
	uint64_t r = random_next(seed) >> 7;

	if (style == WORDS)
		return (uint8_t)word[r % (sizeof(word) - 1)];
	if (style == NUMBERS)
		return (uint8_t)number[r % (sizeof(number) - 1)];
	/* sort -n of coreutils 9.1 takes 0x80 for a thousands separator */
	return (uint8_t)r == 0x80 ? 0x81 : (uint8_t)r;
}

static void fill(struct buf *b, enum style style, size_t n, uint64_t seed)
{
	while (b->len < n)
		buf_u8(b, random_byte(style, &seed));
	ck_assert_int_eq(buf_err(b), 0);
}

static const size_t sizes[] = {0, 1, 2, 100, 4096, 70000, 700000};

/* Every size in every style, and a text without a last newline. */
static void check_all(struct bench *b, const char *name,
		      const char *const *params, const char *command)
{
	size_t i, style;

	for (i = 0; i < ARRAY_LEN(sizes); i++)
		for (style = WORDS; style <= BYTES; style++) {
			CLEANUP_BUF struct buf t = BUF_INIT;

			fill(&t, (enum style)style, sizes[i], i + style + 1);
			check_against(b, name, params, command, t.data, t.len);
		}
	check_against(b, name, params, command, "b\na", 3);
	check_against(b, name, params, command, "\n\n\n", 3);
}

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
	ck_assert_str_eq(err.msg, "in.txt: a line of more than 4 MiB cannot be "
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
	for (i = 0; i < ARRAY_LEN(sizes); i++) {
		CLEANUP_BUF struct buf t = BUF_INIT, packed = BUF_INIT;
		CLEANUP_BUF struct buf by_fn = BUF_INIT, by_tool = BUF_INIT;
		CLEANUP_BUF struct buf theirs = BUF_INIT, again = BUF_INIT;

		fill(&t, i % 2 ? WORDS : BYTES, sizes[i], i + 1);
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
		struct fn_input in;
		struct err err = {""};

		put(&b, packed.data, packed.len, &in);
		ck_assert_msg(call_fn(&b, f->name, &in, 1, NULL, &out, &err) ==
				      -ECANCELED,
			      "%s", f->name);
	}
}
END_TEST

START_TEST(missing_input_names_its_path)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct fn_input in = {.path = "gone.txt", .addr = {{1}}, .size = 5};
	const struct function *f;
	BENCH b;
	size_t i;

	setup(&b);
	for (i = 0; (f = function_at(i)); i++) {
		struct err err = {""};

		ck_assert_int_eq(call_fn(&b, f->name, &in, 1, NULL, &out, &err),
				 -ENOENT);
		ck_assert_msg(!strncmp(err.msg, "gone.txt: ", 10), "%s",
			      err.msg);
	}
}
END_TEST

START_TEST(function_rows_are_whole)
{
	const struct function *f, *before = NULL;
	const struct fn_param *p;
	size_t i;

	for (i = 0; (f = function_at(i)); i++) {
		ck_assert(!before || strcmp(before->name, f->name) < 0);
		ck_assert_ptr_eq(function_find(f->name), f);
		ck_assert(f->help && f->example && f->params && f->run);
		ck_assert_uint_ge(f->version, 1);
		ck_assert_uint_le(f->min_inputs, f->max_inputs);
		for (p = f->params; p->name; p++)
			ck_assert_ptr_nonnull(p->help);
		before = f;
	}
	ck_assert_ptr_null(function_at(i + 1));
}
END_TEST

START_TEST(function_examples_are_recipes)
{
	const struct function *f;
	size_t i;

	for (i = 0; (f = function_at(i)); i++) {
		CLEANUP(recipe_def_freep) struct recipe_def *d = NULL;
		struct err err = {""};

		ck_assert_msg(recipe_parse(f->example, strlen(f->example), &d,
					   &err) == 0,
			      "%s: %s", f->name, err.msg);
		ck_assert_str_eq(d->fn, f->name);
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
