/* Archives of files and directories, and back: against tar, zip and what was
 * put in. */
#include "tests/recipes/fn_fixture.h"

#include <errno.h>

#include "cas/dir.h"
#include "recipes/dir_out.h"
#include "recipes/fn.h"

extern const struct fn_family family_unpack;

static const struct function *find(const char *name)
{
	size_t i;

	for (i = 0; i < family_unpack.count; i++)
		if (!strcmp(family_unpack.rows[i].name, name))
			return &family_unpack.rows[i];
	return function_find(name);
}

static int make_dir(struct bench *b, const char *name, const void *p, size_t n,
		    const char *const *params, struct addr *ret,
		    struct err *err)
{
	CLEANUP(dir_out_freep) struct dir_out *d = dir_out_new(b->store);
	struct canon_value v[PARAMS_MAX];
	struct fn_input in;
	struct fn_call call = {.fn = find(name),
			       .store = b->store,
			       .inputs = &in,
			       .ninputs = 1,
			       .params = v,
			       .dir = d,
			       .stop = &b->stop,
			       .block = b->block,
			       .scratch_fd = b->scratch};
	int rc;

	put(b, p, n, &in);
	for (; params && *params; params += 2)
		v[call.nparams++] = (struct canon_value){params[0], params[1]};
	rc = function_check(call.fn, v, call.nparams, 1, err);
	if (rc >= 0)
		rc = call.fn->run(&call, err);
	return rc < 0 ? rc : dir_out_finish(d, ret, NULL);
}

/* A directory as text: a line for each entry with its content. */
struct listing {
	struct bench *b;
	struct buf *to, path;
};

static int list_entry(void *ctx, const struct dir_entry *e)
{
	struct listing *l = ctx;
	size_t len = l->path.len;

	buf_add(&l->path, e->name, e->name_len);
	buf_add(l->to, l->path.data, l->path.len);
	if (e->type == DIR_DIR) {
		buf_str(l->to, "/\n");
		buf_u8(&l->path, '/');
		ck_assert_int_eq(dir_each(l->b->store, &e->addr, list_entry, l),
				 0);
	} else if (e->type == DIR_LINK) {
		buf_fmt(l->to, " -> %.*s\n", (int)e->target_len, e->target);
	} else {
		CLEANUP_BUF struct buf content = BUF_INIT;

		read_back(l->b, &e->addr, &content);
		ck_assert_uint_eq(content.len, e->size);
		buf_fmt(l->to, "%s %zu %.9s\n", e->type == DIR_EXEC ? "*" : "",
			content.len, buf_cstr(&content));
	}
	l->path.len = len;
	return 0;
}

static void list(struct bench *b, const struct addr *a, struct buf *ret)
{
	struct listing l = {.b = b, .to = ret};

	ck_assert_int_eq(dir_each(b->store, a, list_entry, &l), 0);
	buf_done(&l.path);
	buf_add(ret, "", 0);
}

#define MAKE_TREE                                                           \
	"t=$(mktemp -d); cd $t; mkdir -p d/e f; echo a >d/a; "              \
	"printf '#!' >d/run; chmod +x d/run; ln -s ../d/a d/e/link; "       \
	"ln d/a f/same; : >\"f/$(printf 'x \\377\\n')\"; echo b >d/e/long-" \
	"$(printf %0150d 1); "

#define WANT_TREE                                                  \
	"d/\nd/a 2 a\n\nd/e/\nd/e/link -> ../d/a\nd/e/long-" ZEROS \
	"1 2 b\n\nd/run* 2 #!\nf/\nf/same 2 a\n\nf/x \xff 0 \n"
#define ZEROS50 "00000000000000000000000000000000000000000000000000"
#define ZEROS \
	ZEROS50 ZEROS50 "0000000000000000000000000000000000000000000000000"

static void check_tree(const char *fn, const char *command, const char *want)
{
	CLEANUP_BUF struct buf archive = BUF_INIT;
	static const size_t blocks[] = {0, 1, 700};
	struct addr first = {{0}}, a;
	BENCH b;
	size_t i;

	setup(&b);
	run_tool(&b, command, "", 0, &archive);
	for (i = 0; i < ARRAY_LEN(blocks); i++) {
		CLEANUP_BUF struct buf out = BUF_INIT;
		struct err err = {""};
		int rc;

		b.block = blocks[i];
		rc = make_dir(&b, fn, archive.data, archive.len, NULL, &a,
			      &err);
		ck_assert_msg(rc == 0, "%s: %d %s", fn, rc, err.msg);
		list(&b, &a, &out);
		ck_assert_str_eq(buf_cstr(&out), want);
		ck_assert(!i || addr_eq(&a, &first));
		first = a;
	}
}

START_TEST(untar_takes_what_tar_makes)
{
	check_tree("untar", MAKE_TREE "tar -cf - *; rm -r $t", WANT_TREE);
	check_tree("untar", MAKE_TREE "tar -czf - ./*; rm -r $t", WANT_TREE);
	check_tree("untar", MAKE_TREE "tar -c --zstd -f - *; rm -r $t",
		   WANT_TREE);
	check_tree("untar", MAKE_TREE "tar -c --xz -f - *; rm -r $t",
		   WANT_TREE);
	check_tree("untar", "tar -cf - -T /dev/null", "");
}
END_TEST

START_TEST(unzip_takes_what_zip_makes)
{
	check_tree("unzip",
		   "t=$(mktemp -d); cd $t; mkdir -p d/e; echo a >d/a; "
		   "printf '#!' >d/run; chmod +x d/run; ln -s ../a d/e/l; "
		   "zip -qry x.zip d; cat x.zip; rm -r $t",
		   "d/\nd/a 2 a\n\nd/e/\nd/e/l -> ../a\nd/run* 2 #!\n");
}
END_TEST

static void refused(struct bench *b, const char *fn, const void *p, size_t n,
		    const char *const *params, int want, const char *message)
{
	struct err err = {""};
	struct addr a;
	int rc = make_dir(b, fn, p, n, params, &a, &err);

	ck_assert_msg(rc == want, "%s: %d %s", fn, rc, err.msg);
	ck_assert_msg(strstr(err.msg, message), "%s", err.msg);
}

START_TEST(archives_that_lead_out_or_are_none_are_refused)
{
	CLEANUP_BUF struct buf t = BUF_INIT, dev = BUF_INIT;
	BENCH b;

	setup(&b);
	run_tool(&b,
		 "t=$(mktemp -d); cd $t; : >a; mkdir b; cd b; "
		 "tar -cPf - ../a; rm -r $t",
		 "", 0, &t);
	refused(&b, "untar", t.data, t.len, NULL, -EILSEQ,
		"in.txt: `../a` would lead out");
	run_tool(&b, "t=$(mktemp -d); cd $t; mkfifo p; tar -cf - p; rm -r $t",
		 "", 0, &dev);
	refused(&b, "untar", dev.data, dev.len, NULL, -EILSEQ,
		"in.txt: `p` is neither a file");
	refused(&b, "untar", "hello", 5, NULL, -EILSEQ, "in.txt: ");
	refused(&b, "unzip", "hello", 5, NULL, -EILSEQ, "in.txt: ");
	refused(&b, "unzip", "", 0, NULL, -EILSEQ, "in.txt: ");
	t.len = 0;
	run_tool(&b,
		 "seq 100000 >/tmp/x.$$; tar -C /tmp -czf - x.$$; rm /tmp/"
		 "x.$$",
		 "", 0, &t);
	refused(&b, "untar", t.data, t.len / 2, NULL, -EILSEQ, "in.txt: ");
}
END_TEST

/* A directory packed and unpacked is the same object. */
START_TEST(directories_go_there_and_back)
{
	static const char *const formats[][2] = {{"tar", "untar"},
						 {"zip", "unzip"}};
	CLEANUP_BUF struct buf tree = BUF_INIT;
	struct err err = {""};
	struct addr a, again;
	BENCH b;
	size_t i;

	setup(&b);
	run_tool(&b,
		 "t=$(mktemp -d); cd $t; mkdir -p d/e f; seq 100000 >d/a; "
		 "printf '#!' >d/run; chmod +x d/run; ln -s ../d/a d/e/link; "
		 ": >f/$(printf 'caf\\303\\251'); tar -cf - *; rm -r $t",
		 "", 0, &tree);
	ck_assert_int_eq(make_dir(&b, "untar", tree.data, tree.len, NULL, &a,
				  &err),
			 0);
	for (i = 0; i < ARRAY_LEN(formats); i++) {
		CLEANUP_BUF struct buf out = BUF_INIT, one = BUF_INIT;
		struct fn_input in = {.path = "./", .addr = a, .dir = true};

		ck_assert_msg(call_fn(&b, formats[i][0], &in, 1, NULL, &out,
				      &err) == 0,
			      "%s", err.msg);
		ck_assert_msg(make_dir(&b, formats[i][1], out.data, out.len,
				       NULL, &again, &err) == 0,
			      "%s", err.msg);
		ck_assert_msg(addr_eq(&a, &again), "%s", formats[i][0]);
		b.block = 5;
		ck_assert_int_eq(call_fn(&b, formats[i][0], &in, 1, NULL, &one,
					 &err),
				 0);
		b.block = 0;
		ck_assert_uint_eq(out.len, one.len);
		ck_assert_mem_eq(out.data, one.data, one.len);
	}
}
END_TEST

START_TEST(functions_of_files_refuse_directories)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct err err = {""};
	struct fn_input in = {.path = "d/", .dir = true};
	BENCH b;

	setup(&b);
	ck_assert_int_eq(call_fn(&b, "sort", &in, 1, NULL, &out, &err),
			 -EINVAL);
	ck_assert_str_eq(err.msg, "d/: is a directory; `sort` takes files");
}
END_TEST

static void check_split(struct bench *b, const char *const *params,
			const char *text, const char *want)
{
	static const size_t blocks[] = {0, 1, 3};
	size_t i;

	for (i = 0; i < ARRAY_LEN(blocks); i++) {
		CLEANUP_BUF struct buf out = BUF_INIT;
		struct err err = {""};
		struct addr a;

		b->block = blocks[i];
		ck_assert_msg(make_dir(b, "split", text, strlen(text), params,
				       &a, &err) == 0,
			      "%s", err.msg);
		list(b, &a, &out);
		ck_assert_str_eq(buf_cstr(&out), want);
	}
	b->block = 0;
}
#define P(...) ((const char *const[]){__VA_ARGS__, NULL})

START_TEST(split_makes_pieces)
{
	BENCH b;

	setup(&b);
	check_split(&b, P("lines", "2", "digits", "2"), "a\nb\nc\nd\ne",
		    "00 4 a\nb\n\n01 4 c\nd\n\n02 1 e\n");
	check_split(&b, P("lines", "2"), "a\nb\n", "000000 4 a\nb\n\n");
	check_split(&b,
		    P("bytes", "3", "prefix", "x-", "suffix", ".t", "digits",
		      "1"),
		    "abcdefg", "x-0.t 3 abc\nx-1.t 3 def\nx-2.t 1 g\n");
	check_split(&b, P("bytes", "3"), "", "");
	refused(&b, "split", "abcdefghijk", 11, P("bytes", "1", "digits", "1"),
		-EINVAL, "more pieces than numbers of 1 digits");
	refused(&b, "split", "", 0, P("bytes", "1", "prefix", "a/"), -EINVAL,
		"`prefix` and `suffix` of `split` are parts of a file name");
	refused(&b, "split", "", 0, NULL, -EINVAL,
		"`split` needs `lines` or `bytes`");
}
END_TEST

TESTS("fn_archive", untar_takes_what_tar_makes, unzip_takes_what_zip_makes,
      archives_that_lead_out_or_are_none_are_refused,
      directories_go_there_and_back, functions_of_files_refuse_directories,
      split_makes_pieces)
