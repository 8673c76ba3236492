/* The functions over bytes and lines, each against the tool whose work it
 * does. */
#include "tests/recipes/fn_fixture.h"

#include <errno.h>

struct against {
	const char *fn;
	const char *params[9];
	const char *command;
};

static void check_table(const struct against *table, size_t n)
{
	BENCH b;
	size_t i;

	setup(&b);
	for (i = 0; i < n; i++)
		check_all(&b, table[i].fn, table[i].params, table[i].command);
}

START_TEST(head_and_tail_are_the_tools)
{
	static const struct against table[] = {
		{"head", {NULL}, "head"},
		{"head", {"lines", "0"}, "head -n 0"},
		{"head", {"lines", "1"}, "head -n 1"},
		{"head", {"lines", "9000"}, "head -n 9000"},
		{"head", {"bytes", "0"}, "head -c 0"},
		{"head", {"bytes", "50000"}, "head -c 50000"},
		{"tail", {NULL}, "tail"},
		{"tail", {"lines", "0"}, "tail -n 0"},
		{"tail", {"lines", "1"}, "tail -n 1"},
		{"tail", {"lines", "9000"}, "tail -n 9000"},
		{"tail", {"bytes", "0"}, "tail -c 0"},
		{"tail", {"bytes", "50000"}, "tail -c 50000"},
	};

	check_table(table, ARRAY_LEN(table));
}
END_TEST

START_TEST(slice_is_sed_and_python)
{
	static const struct against table[] = {
		{"slice", {"from", "2", "to", "5"}, "sed -n 2,5p"},
		{"slice", {"from", "3", "to", "3"}, "sed -n 3p"},
		{"slice", {"from", "-5", "to", "-1"}, "tail -n 5"},
		{"slice", {"from", "1", "to", "-4"}, "head -n -3"},
		{"slice", {"from", "-5", "to", "-3"}, "tail -n 5 | head -n -2"},
		{"slice", {"from", "4"}, "tail -n +4"},
		{"slice",
		 {"unit", "bytes", "from", "2", "to", "70"},
		 "head -c 70 | tail -c +2"},
		{"slice", {"unit", "bytes", "from", "-70"}, "tail -c 70"},
		{"slice", {"unit", "bytes", "to", "-71"}, "head -c -70"},
		{"slice",
		 {"unit", "bytes", "from", "-200", "to", "99"},
		 "/usr/bin/python3 -c 'import sys; "
		 "d = sys.stdin.buffer.read(); "
		 "sys.stdout.buffer.write(d[max(0, len(d) - 200):99])'"},
	};

	check_table(table, ARRAY_LEN(table));
}
END_TEST

START_TEST(count_is_wc)
{
	CLEANUP_BUF struct buf t = BUF_INIT;
	static const char *const words[] = {"what", "words", NULL};
	static const char *const bytes[] = {"what", "bytes", NULL};
	BENCH b;
	size_t i;

	setup(&b);
	check_all(&b, "count", bytes, "wc -c");
	check_all(&b, "count", NULL, "grep -c '' -a || :");
	for (i = 0; i < 5; i++) {
		fill(&t, WORDS, fn_sizes[i], i + 1);
		check_against(&b, "count", words, "wc -w", t.data, t.len);
	}
}
END_TEST

START_TEST(holes_are_counted_and_cut)
{
	CLEANUP_BUF struct buf t = BUF_INIT;
	static const char *const words[] = {"what", "words", NULL};
	static const char *const from[] = {"from", "2", NULL};
	static const char *const last[] = {"lines", "2", NULL};
	static const char *const bytes[] = {"unit", "bytes",  "from", "300001",
					    "to",   "700001", NULL};
	BENCH b;

	setup(&b);
	buf_str(&t, "one\n");
	memset(buf_room(&t, 600000), 0, 600000);
	t.len += 600000;
	buf_str(&t, "two\nthree\n");
	memset(buf_room(&t, 600000), 0, 600000);
	t.len += 600000;
	check_against(&b, "count", words, "echo 4", t.data, t.len);
	check_against(&b, "slice", from, "tail -n +2", t.data, t.len);
	check_against(&b, "tail", last, "tail -n 2", t.data, t.len);
	check_against(&b, "slice", bytes, "head -c 700001 | tail -c +300001",
		      t.data, t.len);
	check_against(&b, "head", last, "head -n 2", t.data, t.len);
}
END_TEST

START_TEST(uniq_is_uniq)
{
	static const struct against table[] = {
		{"uniq", {NULL}, "uniq"},
		{"uniq", {"count", "true"}, "uniq -c"},
		{"uniq", {"only", "repeated"}, "uniq -d"},
		{"uniq", {"only", "single"}, "uniq -u"},
		{"uniq", {"ignore_case", "true", "count", "true"}, "uniq -ci"},
	};

	check_table(table, ARRAY_LEN(table));
}
END_TEST

START_TEST(filter_is_grep)
{
	static const struct against table[] = {
		{"filter", {"literal", "ab"}, "grep -aF ab || :"},
		{"filter", {"literal", ""}, "grep -aF '' || :"},
		{"filter",
		 {"literal", "aB", "ignore_case", "true"},
		 "grep -aFi aB || :"},
		{"filter",
		 {"literal", "a", "invert", "true"},
		 "grep -aFv a || :"},
		{"filter",
		 {"literal", "aaa", "whole", "true"},
		 "grep -aFx aaa || :"},
		{"filter", {"regex", "^a+b"}, "grep -aE '^a+b' || :"},
		{"filter",
		 {"regex", "a|b", "whole", "true"},
		 "grep -aEx 'a|b' || :"},
		{"filter",
		 {"regex", "[cz]$", "ignore_case", "true"},
		 "grep -aEi '[cz]$' || :"},
		{"filter",
		 {"regex", "[0-9]", "invert", "true"},
		 "grep -aEv '[0-9]' || :"},
	};

	check_table(table, ARRAY_LEN(table));
}
END_TEST

static void check_text(struct bench *b, const char *fn,
		       const char *const *params, const char *from, size_t n,
		       const char *want, size_t len)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	run_fn(b, fn, from, n, params, &out);
	ck_assert_msg(out.len == len && (!len || !memcmp(out.data, want, len)),
		      "%s: %zu bytes: %s", fn, out.len, buf_cstr(&out));
}
#define TEXT(fn, params, from, want)                             \
	check_text(&b, fn, params, from, sizeof(from) - 1, want, \
		   sizeof(want) - 1)
#define P(...) ((const char *const[]){__VA_ARGS__, NULL})

START_TEST(regex_takes_characters_of_utf8_and_passes_over_the_rest)
{
	BENCH b;

	setup(&b);
	TEXT("filter", P("regex", "^.$"),
	     "\xc3\xa9\n\xff\nab\n\xff"
	     "x\n",
	     "\xc3\xa9\n");
	TEXT("filter", P("literal", "\xc3\x89t\xc3\xa9", "ignore_case", "true"),
	     "un \xc3\xa9t\xc3\x89\nete\n\xff \xc3\xa9t\xc3\xa9\n",
	     "un \xc3\xa9t\xc3\x89\n\xff \xc3\xa9t\xc3\xa9\n");
	TEXT("filter", P("regex", "a\\x00b"), "a\0b\nab\n", "a\0b\n");
	/* a carriage return is part of its line */
	TEXT("filter", P("regex", "a$"), "a\r\na\n", "a\n");
	TEXT("filter", P("regex", "a\\R?$"), "a\r\na", "a\r\na\n");
}
END_TEST

START_TEST(replace_is_sed_and_perl)
{
	static const struct against table[] = {
		{"replace",
		 {"literal", "ab", "with", "<$1>"},
		 "sed 's/ab/<$1>/g'"},
		{"replace",
		 {"literal", "a", "with", "", "all", "false"},
		 "sed 's/a//'"},
		{"replace",
		 {"regex", "(a+)(b)", "with", "${2}$1$$"},
		 "sed -E 's/(a+)(b)/\\2\\1$/g'"},
		{"replace", {"regex", "^", "with", "> "}, "sed 's/^/> /'"},
		{"replace", {"regex", "$", "with", "."}, "sed 's/$/./'"},
		{"replace",
		 {"regex", "[0-9]+", "with", "<$0>"},
		 "sed -E 's/[0-9]+/<&>/g'"},
		{"replace",
		 {"regex", "B", "with", "x", "ignore_case", "true"},
		 "sed 's/b/x/gI'"},
	};

	check_table(table, ARRAY_LEN(table));
}
END_TEST

START_TEST(replace_of_nothing_moves_on)
{
	BENCH b;

	setup(&b);
	TEXT("replace", P("regex", "x*", "with", "-"), "abc\n", "-a-b-c-\n");
	TEXT("replace", P("regex", "a*", "with", "x"), "baaac", "xbxxcx");
	TEXT("replace", P("regex", "", "with", "-"), "\xc3\xa9\xff\n",
	     "-\xc3\xa9-\xff-\n");
	TEXT("replace", P("regex", "(?<y>\\d+)-(?<m>\\d+)", "with", "$2${y}"),
	     "2024-11 x 7-8\n", "112024 x 87\n");
	TEXT("replace", P("regex", "(a)|(b)", "with", "[$1$2]"), "ab\n",
	     "[a][b]\n");
}
END_TEST

START_TEST(cut_is_cut)
{
	static const struct against table[] = {
		{"cut", {"bytes", "1"}, "cut -b 1"},
		{"cut", {"bytes", "2-4,7-"}, "cut -b 2-4,7-"},
		{"cut", {"bytes", "9,-3,2-5"}, "cut -b 9,-3,2-5"},
		{"cut", {"fields", "1", "delimiter", "a"}, "cut -d a -f 1"},
		{"cut",
		 {"fields", "3-,1", "delimiter", " "},
		 "cut -d ' ' -f 3-,1"},
		{"cut",
		 {"fields", "2", "delimiter", "b", "only_delimited", "true"},
		 "cut -d b -f 2 -s"},
		{"cut", {"fields", "2-3"}, "cut -f 2-3"},
	};

	check_table(table, ARRAY_LEN(table));
}
END_TEST

START_TEST(columns_is_awk)
{
	static const struct against table[] = {
		{"columns",
		 {"fields", "1"},
		 "awk -F'[ \\t]+' '{$0=$0; "
		 "sub(/^[ \\t]+/, \"\"); "
		 "print $1}'"},
	};
	CLEANUP_BUF struct buf t = BUF_INIT;
	BENCH b;

	setup(&b);
	fill(&t, WORDS, 70000, 3);
	check_against(&b, table[0].fn, table[0].params, table[0].command,
		      t.data, t.len);
	TEXT("columns", P("fields", "3,1"), " a  b\tc \n\n  \nx y\n",
	     "c a\n\n\nx\n");
	TEXT("columns", P("fields", "2-,1", "separator", ", "), "a b c",
	     "b, c, a\n");
	TEXT("columns", P("fields", "1,1"), "a b", "a a\n");
}
END_TEST

START_TEST(text_encodings_are_the_tools)
{
	static const struct against table[] = {
		{"base64", {NULL}, "base64"},
		{"base64", {"wrap", "0"}, "base64 -w 0"},
		{"base64", {"wrap", "1"}, "base64 -w 1"},
		{"base64", {"wrap", "10"}, "base64 -w 10"},
		{"hex", {"wrap", "0"}, "od -An -v -tx1 | tr -d ' \\n'"},
		{"hex",
		 {NULL},
		 "od -An -v -tx1 | tr -d ' \\n' | fold -w 60 | sed '$a\\'"},
	};

	check_table(table, ARRAY_LEN(table));
}
END_TEST

static void there_and_back(const char *there, const char *back,
			   const char *const *params)
{
	BENCH b;
	size_t i;

	setup(&b);
	for (i = 0; i < FN_SIZES; i++) {
		CLEANUP_BUF struct buf t = BUF_INIT, text = BUF_INIT;
		CLEANUP_BUF struct buf again = BUF_INIT;

		fill(&t, BYTES, fn_sizes[i], i + 1);
		run_fn(&b, there, t.data, t.len, params, &text);
		run_fn(&b, back, text.data, text.len, NULL, &again);
		ck_assert_uint_eq(again.len, t.len);
		ck_assert(!t.len || !memcmp(again.data, t.data, t.len));
	}
}

START_TEST(text_encodings_go_back)
{
	there_and_back("base64", "unbase64", NULL);
	there_and_back("base64", "unbase64", P("wrap", "0"));
	there_and_back("hex", "unhex", NULL);
	there_and_back("hex", "unhex", P("wrap", "7"));
}
END_TEST

static void fails(struct bench *b, const char *fn, const char *const *params,
		  const void *p, size_t n, int want, const char *message)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct err err = {""};
	struct fn_input in;
	int rc;

	put(b, p, n, &in);
	rc = call_fn(b, fn, &in, 1, params, &out, &err);
	ck_assert_msg(rc == want, "%s: %d %s", fn, rc, err.msg);
	ck_assert_msg(!strncmp(err.msg, message, strlen(message)), "%s",
		      err.msg);
}
#define FAILS(fn, text, message) \
	fails(&b, fn, NULL, text, sizeof(text) - 1, -EILSEQ, message)
#define REFUSED(fn, params, message) \
	fails(&b, fn, params, "", 0, -EINVAL, message)

START_TEST(text_encodings_say_where_they_are_wrong)
{
	BENCH b;

	setup(&b);
	FAILS("unhex", "61\n6g", "in.txt: line 2: `g` is no digit of hex");
	FAILS("unhex", "616", "in.txt: ends in the middle of the hex data");
	FAILS("unhex", "\0", "in.txt: line 1: 0x00 is no digit of hex");
	FAILS("unbase64",
	      "YQ==YQ==", "in.txt: line 1: base64 goes on behind its `=`");
	FAILS("unbase64", "YQ=", "in.txt: ends in the middle of the base64");
	FAILS("unbase64", "Y", "in.txt: ends in the middle of the base64");
	FAILS("unbase64", "Y=", "in.txt: line 1: `=` is no digit of base64");
	FAILS("unbase64", "\n\nYQ*=", "in.txt: line 3: `*` is no digit of");
	FAILS("unbase64", "YWI==", "in.txt: line 1: `=` is no digit of base64");
}
END_TEST

START_TEST(params_that_do_not_go_together_are_refused)
{
	BENCH b;

	setup(&b);
	REFUSED("head", P("lines", "1", "bytes", "1"),
		"`head` takes `lines` or `bytes`, not both");
	REFUSED("head", P("lines", "-1"),
		"`lines` of `head` is a number from 0 on, not `-1`");
	REFUSED("slice", P("from", "0"), "`from` of `slice` cannot be 0");
	REFUSED("slice", P("to", "0"), "`to` of `slice` cannot be 0");
	REFUSED("slice", P("from", "5", "to", "4"),
		"`slice` from 5 to 4 is nothing");
	REFUSED("slice", P("unit", "words"),
		"`unit` of `slice` is `lines` or `bytes`, not `words`");
	REFUSED("count", P("what", "x"),
		"`what` of `count` is `lines`, `words` or `bytes`, not `x`");
	REFUSED("filter", NULL, "`filter` needs `literal` or `regex`");
	REFUSED("filter", P("literal", "a", "regex", "b"),
		"`filter` needs `literal` or `regex`, not both");
	REFUSED("filter", P("regex", "a(b"),
		"the regular expression is wrong at byte 4: missing closing");
	REFUSED("replace", P("regex", "a"), "`replace` needs the param `with`");
	REFUSED("replace", P("literal", "", "with", "b"),
		"`literal` of `replace` is empty");
	REFUSED("replace", P("regex", "(a)", "with", "$2"),
		"`with`: the regular expression has 1 group, there is no `$2`");
	REFUSED("replace", P("regex", "a", "with", "${x}"),
		"`with`: the regular expression has no group called `x`");
	REFUSED("replace", P("regex", "a", "with", "5 $"),
		"`with`: a name or number of a group stands behind `$`");
	REFUSED("replace", P("regex", "a", "with", "${x"),
		"`with`: `${` without its `}`");
	REFUSED("cut", NULL, "`cut` needs `fields` or `bytes`");
	REFUSED("cut", P("fields", "0"),
		"`fields` of `cut` is a list of numbers and ranges");
	REFUSED("cut", P("fields", "3-2"), "`fields` of `cut` is a list");
	REFUSED("cut", P("fields", "1,,2"), "`fields` of `cut` is a list");
	REFUSED("cut", P("bytes", ""), "`bytes` of `cut` is a list");
	REFUSED("cut", P("fields", "1", "delimiter", ", "),
		"`delimiter` of `cut` is one byte, or `tab`, not `, `");
	REFUSED("columns", NULL, "`columns` needs the param `fields`");
}
END_TEST

START_TEST(pattern_that_would_never_end_is_e2big)
{
	CLEANUP_BUF struct buf t = BUF_INIT;
	BENCH b;

	setup(&b);
	buf_str(&t, "fine\n");
	fill(&t, NUMBERS, 5, 1);
	memset(buf_room(&t, 60), 'a', 60);
	t.len += 60;
	buf_str(&t, "!\n");
	fails(&b, "filter", P("regex", "^(a+)+$|(\\w+\\s?)*x"), t.data + 5,
	      t.len - 5, -E2BIG,
	      "in.txt:1: the regular expression takes too many steps here");
}
END_TEST

START_TEST(line_of_any_length_up_to_the_limit)
{
	CLEANUP_BUF struct buf t = BUF_INIT;
	static const char *const a[] = {"literal", "b", NULL};
	BENCH b;

	setup(&b);
	memset(buf_room(&t, MIB(64)), 'a', MIB(64));
	t.len = MIB(64);
	t.data[t.len - 1] = 'b';
	check_against(&b, "filter", a, "cat; echo", t.data, t.len);
	buf_u8(&t, 'c');
	fails(&b, "filter", a, t.data, t.len, -E2BIG,
	      "in.txt:1: a line of more than 64 MiB");
}
END_TEST

START_TEST(inputs_are_taken_line_by_line)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct fn_input in[3];
	struct err err = {""};
	BENCH b;

	setup(&b);
	put(&b, "a\nb", 3, &in[0]);
	put(&b, "", 0, &in[1]);
	put(&b, "b\nc", 3, &in[2]);
	ck_assert_int_eq(call_fn(&b, "uniq", in, 3, NULL, &out, &err), 0);
	ck_assert_str_eq(buf_cstr(&out), "a\nb\nc\n");
	buf_reset(&out);
	ck_assert_int_eq(call_fn(&b, "replace", in, 3,
				 P("literal", "b", "with", "x"), &out, &err),
			 0);
	ck_assert_str_eq(buf_cstr(&out), "a\nx\nx\nc");
}
END_TEST

/* --- join ------------------------------------------------------------------
 */

/* Whether a blank at the end of a line begins one more field, an empty one,
 * depends on the version of the tool. */
static void no_blank_ends(struct buf *b)
{
	size_t i;

	for (i = b->len; i-- > 0;)
		if ((b->data[i] == ' ' || b->data[i] == '\t') &&
		    (i + 1 == b->len || b->data[i + 1] == '\n'))
			b->data[i] = 'e';
}

/* Both functions and tool on two inputs; the tool reads $1 and $2. */
static void check_join(struct bench *b, const char *const *params,
		       const char *options, size_t size, uint64_t seed)
{
	CLEANUP_BUF struct buf x = BUF_INIT, y = BUF_INIT, out = BUF_INIT;
	CLEANUP_BUF struct buf want = BUF_INIT;
	CLEANUP_FREE char *command = NULL;
	struct fn_input in[2];
	struct err err = {""};
	char end[16];

	fill(&x, WORDS, size, seed);
	fill(&y, WORDS, size / 2, seed + 1);
	no_blank_ends(&x);
	no_blank_ends(&y);
	put(b, x.data, x.len, &in[0]);
	put(b, y.data, y.len, &in[1]);
	ck_assert_msg(call_fn(b, "join", in, 2, params, &out, &err) == 0, "%s",
		      err.msg);
	/* one stream: the length of the first, then both */
	snprintf(end, sizeof(end), "%zu", x.len);
	ck_assert_int_gt(
		asprintf(&command,
			 "cat >%s/both; head -c %s %s/both | sort -s %s "
			 ">%s/x; tail -c +%zu %s/both | sort -s %s >%s/y; "
			 "join %s %s/x %s/y",
			 b->dir, end, b->dir,
			 strstr(options, "-t") ? "-t b -k 2,2" : "-b -k 1,1",
			 b->dir, x.len + 1, b->dir,
			 strstr(options, "-t") ? "-t b -k 1,1" : "-b -k 1,1",
			 b->dir, options, b->dir, b->dir),
		0);
	buf_add(&x, y.data, y.len);
	run_tool(b, command, x.data, x.len, &want);
	ck_assert_msg(out.len == want.len &&
			      (!out.len ||
			       !memcmp(out.data, want.data, out.len)),
		      "join %s: %zu bytes, not %zu", options, out.len,
		      want.len);
}

START_TEST(join_is_join)
{
	static const struct {
		const char *params[9], *options;
	} table[] = {
		{{NULL}, ""},
		{{"lines", "first"}, "-a 1"},
		{{"lines", "second"}, "-a 2"},
		{{"lines", "all"}, "-a 1 -a 2"},
		{{"delimiter", "b", "field1", "2"}, "-t b -1 2 -2 1"},
		{{"delimiter", "b", "field1", "2", "lines", "all"},
		 "-t b -1 2 -2 1 -a 1 -a 2"},
	};
	BENCH b;
	size_t i, k;

	setup(&b);
	for (i = 0; i < ARRAY_LEN(table); i++)
		for (k = 0; k < 3; k++)
			check_join(&b, table[i].params, table[i].options,
				   (size_t[]){0, 50, 3000}[k], k + 5);
}
END_TEST

/* More lines of one key than are kept in memory. */
START_TEST(join_of_one_key_goes_through_scratch)
{
	CLEANUP_BUF struct buf x = BUF_INIT, out = BUF_INIT;
	struct fn_input in[2];
	struct err err = {""};
	BENCH b;
	size_t i, n = 100000;

	setup(&b);
	for (i = 0; i < n; i++)
		buf_fmt(&x, "k%099zu\n", i);
	for (i = 0; i < x.len; i += 101) /* the same key for all */
		x.data[i + 1] = ' ';
	put(&b, "k a\nk b\n", 8, &in[0]);
	put(&b, x.data, x.len, &in[1]);
	ck_assert_msg(call_fn(&b, "join", in, 2, NULL, &out, &err) == 0, "%s",
		      err.msg);
	ck_assert_uint_eq(out.len, 2 * n * (strlen("k a ") + 99));
	ck_assert_mem_eq(out.data + out.len / 2 - 3, "99\n", 3);
	ck_assert_mem_eq(out.data + out.len / 2, "k b 0000", 8);
	ck_assert_mem_eq(out.data + out.len - 4, "999\n", 4);
}
END_TEST

/* --- template --------------------------------------------------------------
 */

START_TEST(template_is_filled_in)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct fn_input in[3];
	struct err err = {""};
	BENCH b;

	setup(&b);
	TEXT("template", P("a", "1", "b", ""), "{{a}}-{{ b }}-{{\ta }}\n}}{\n",
	     "1--1\n}}{\n");
	TEXT("template", P("open", "<", "close", ">", "x", "{{y}}"),
	     "<x>\0{{\xff<x>", "{{y}}\0{{\xff{{y}}");
	TEXT("template", NULL, "", "");
	put(&b, "(b)\n\n", 5, &in[0]);
	put(&b, "", 0, &in[1]);
	put(&b, "{{body}}{{e}}.", 14, &in[2]);
	in[0].name = "body";
	in[1].name = "e";
	in[2].name = "template";
	ck_assert_msg(call_fn(&b, "template", in, 3, NULL, &out, &err) == 0,
		      "%s", err.msg);
	ck_assert_str_eq(buf_cstr(&out), "(b)\n.");
}
END_TEST

START_TEST(template_says_where_it_is_wrong)
{
	BENCH b;

	setup(&b);
	FAILS("template", "a\n{{x}}",
	      "in.txt:2: neither a param nor an input is called `x`");
	FAILS("template", "\n\n{{x\n}}", "in.txt:3: `{{` without its `}}`");
	REFUSED("template", P("title", "x"),
		"the param `title` stands nowhere in in.txt");
	REFUSED("template", P("open", ""), "`open` and `close` of `template`");
	REFUSED("join", NULL, "`join` takes 2 inputs, not 1");
}
END_TEST

TESTS("fn_text", head_and_tail_are_the_tools, slice_is_sed_and_python,
      count_is_wc, holes_are_counted_and_cut, uniq_is_uniq, filter_is_grep,
      regex_takes_characters_of_utf8_and_passes_over_the_rest,
      replace_is_sed_and_perl, replace_of_nothing_moves_on, cut_is_cut,
      columns_is_awk, text_encodings_are_the_tools, text_encodings_go_back,
      text_encodings_say_where_they_are_wrong,
      params_that_do_not_go_together_are_refused,
      pattern_that_would_never_end_is_e2big, line_of_any_length_up_to_the_limit,
      inputs_are_taken_line_by_line, join_is_join,
      join_of_one_key_goes_through_scratch, template_is_filled_in,
      template_says_where_it_is_wrong)
