#include "tests/recipes/fn_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define SMALL 5000

void setup(struct bench *b)
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

void teardown(struct bench *b)
{
	close(b->scratch);
	ck_assert_int_eq(store_close(b->store), 0);
	remove_tree(b->dir);
	free(b->dir);
}
void read_back(struct bench *b, const struct addr *a, struct buf *ret)
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

void put(struct bench *b, const void *p, size_t n, struct fn_input *ret)
{
	*ret = (struct fn_input){.path = "in.txt", .size = n};
	ck_assert_int_eq(blob_put(b->store, p, n, &ret->addr), 0);
}

int call_fn(struct bench *b, const char *name, const struct fn_input *inputs,
	    size_t n, const char *const *params, struct buf *ret,
	    struct err *err)
{
	const struct function *f = function_find(name);
	CLEANUP(blob_writer_freep)
	struct blob_writer *out = blob_writer_new(b->store);
	struct canon_value v[PARAMS_MAX];
	struct fn_call call = {.fn = f,
			       .store = b->store,
			       .block = b->block,
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

/* However the input is cut into blocks, the output is the same. */
static void check_blocks(struct bench *b, const char *name,
			 const struct fn_input *in, const char *const *params,
			 const struct buf *want)
{
	static const size_t blocks[] = {1, 7, 1000};
	size_t i;

	for (i = 0; i < ARRAY_LEN(blocks); i++) {
		CLEANUP_BUF struct buf out = BUF_INIT;
		struct err err = {""};

		b->block = blocks[i];
		ck_assert_msg(call_fn(b, name, in, 1, params, &out, &err) == 0,
			      "%s: %s", name, err.msg);
		ck_assert_msg(out.len == want->len &&
				      (!out.len ||
				       !memcmp(out.data, want->data, out.len)),
			      "%s: another output by blocks of %zu", name,
			      blocks[i]);
	}
	b->block = 0;
}

void run_fn(struct bench *b, const char *name, const void *p, size_t n,
	    const char *const *params, struct buf *ret)
{
	struct fn_input in;
	struct err err = {""};

	put(b, p, n, &in);
	ck_assert_msg(call_fn(b, name, &in, 1, params, ret, &err) == 0,
		      "%s: %s", name, err.msg);
	if (n <= SMALL)
		check_blocks(b, name, &in, params, ret);
}

/* Bytes through a shell command. */
void run_tool(struct bench *b, const char *command, const void *p, size_t n,
	      struct buf *ret)
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

void check_against(struct bench *b, const char *name, const char *const *params,
		   const char *command, const void *p, size_t n)
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

void fill(struct buf *b, enum style style, size_t n, uint64_t seed)
{
	while (b->len < n)
		buf_u8(b, random_byte(style, &seed));
	ck_assert_int_eq(buf_err(b), 0);
}

const size_t fn_sizes[FN_SIZES] = {0, 1, 2, 100, 4096, 70000, 700000};

/* Every size in every style, and a text without a last newline. */
void check_all(struct bench *b, const char *name, const char *const *params,
	       const char *command)
{
	size_t i, style;

	for (i = 0; i < FN_SIZES; i++)
		for (style = WORDS; style <= BYTES; style++) {
			CLEANUP_BUF struct buf t = BUF_INIT;

			fill(&t, (enum style)style, fn_sizes[i], i + style + 1);
			check_against(b, name, params, command, t.data, t.len);
		}
	check_against(b, name, params, command, "b\na", 3);
	check_against(b, name, params, command, "\n\n\n", 3);
}
