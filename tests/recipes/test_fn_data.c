/* JSON, CSV and SQL, against jq and Python's own modules. */
#include "tests/recipes/fn_fixture.h"

#include <errno.h>

#define P(...) ((const char *const[]){__VA_ARGS__, NULL})

static void check_text(struct bench *b, const char *fn,
		       const char *const *params, const char *from, size_t n,
		       const char *want, size_t len)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	run_fn(b, fn, from, n, params, &out);
	ck_assert_msg(out.len == len && (!len || !memcmp(out.data, want, len)),
		      "%s of %s gives: %s", fn, from, buf_cstr(&out));
}
#define TEXT(fn, params, from, want)                             \
	check_text(&b, fn, params, from, sizeof(from) - 1, want, \
		   sizeof(want) - 1)

static void fails(struct bench *b, const char *fn, const char *const *params,
		  const void *p, size_t n, int want, const char *message)
{
	static const size_t blocks[] = {0, 1, 3};
	size_t i;

	for (i = 0; i < ARRAY_LEN(blocks); i++) {
		CLEANUP_BUF struct buf out = BUF_INIT;
		struct err err = {""};
		struct fn_input in;
		int rc;

		put(b, p, n, &in);
		b->block = blocks[i];
		rc = call_fn(b, fn, &in, 1, params, &out, &err);
		ck_assert_msg(rc == want, "%s: %d %s", fn, rc, err.msg);
		ck_assert_msg(!strncmp(err.msg, message, strlen(message)), "%s",
			      err.msg);
	}
	b->block = 0;
}
#define FAILS(fn, params, text, message) \
	fails(&b, fn, params, text, sizeof(text) - 1, -EILSEQ, message)
#define REFUSED(fn, params, message) \
	fails(&b, fn, params, "", 0, -EINVAL, message)

/* What a Python program prints; its first argument is a number. */
static void python(struct bench *b, const char *program, unsigned seed,
		   struct buf *ret)
{
	CLEANUP_FREE char *command = NULL;

	ck_assert_int_gt(asprintf(&command,
				  "/usr/bin/python3 -c 'import sys\nexec("
				  "sys.stdin.read())' %u",
				  seed),
			 0);
	run_tool(b, command, program, strlen(program), ret);
}

/* --- json ------------------------------------------------------------------
 */

static const char random_json[] =
	"import random, json, sys\n"
	"r = random.Random(int(sys.argv[1]))\n"
	"def value(d):\n"
	"    k = r.randrange(8 if d < 5 else 6)\n"
	"    if k == 0: return r.choice([True, False, None])\n"
	"    if k == 1: return r.randrange(-1000, 1000)\n"
	"    if k == 2: return r.randrange(100) + .25\n"
	"    if k < 6: return ''.join(r.choice('ab\"\\\\\\n\\t/\\x01\\x7fé€😀 ')"
	" for _ in range(r.randrange(9)))\n"
	"    if k == 6: return [value(d + 1) for _ in range(r.randrange(5))]\n"
	"    return {r.choice('abcé'): value(d + 1)"
	" for _ in range(r.randrange(4))}\n"
	"for _ in range(20):\n"
	"    print(json.dumps([value(0), {'a': value(0), 'b': [value(0),"
	" value(0)]}], ensure_ascii=r.random() < .5,"
	" indent=r.choice([None, 1])))\n";

START_TEST(json_is_jq)
{
	static const struct {
		const char *params[7], *command;
	} table[] = {
		{{NULL}, "jq -c ."},
		{{"format", "pretty"}, "jq ."},
		{{"array", "true"}, "jq -c -s ."},
		{{"array", "true", "format", "pretty"}, "jq -s ."},
		{{"select", ".[1]"}, "jq -c '.[1]'"},
		{{"select", ".[]"}, "jq -c '.[]'"},
		{{"select", ".[1].b[]"}, "jq -c '.[1].b[]'"},
		{{"select", ".[1].a[]"}, "jq -c '.[1].a[]?'"},
		{{"select", ".[1].b[0].a"},
		 "jq -c '.[1].b[0] | objects | select(has(\"a\")) | .a'"},
		{{"select", ".[1].a", "raw", "true"}, "jq -r -c '.[1].a'"},
	};
	BENCH b;
	unsigned seed;
	size_t i;

	setup(&b);
	if (system("command -v jq >/dev/null"))
		return;
	for (seed = 1; seed < 6; seed++) {
		CLEANUP_BUF struct buf t = BUF_INIT;

		python(&b, random_json, seed, &t);
		ck_assert_uint_gt(t.len, 100);
		for (i = 0; i < ARRAY_LEN(table); i++)
			check_against(&b, "json", table[i].params,
				      table[i].command, t.data, t.len);
	}
}
END_TEST

START_TEST(json_keeps_numbers_and_decodes_texts)
{
	BENCH b;

	setup(&b);
	TEXT("json", NULL, "", "");
	TEXT("json", P("array", "true"), "", "[]\n");
	TEXT("json", NULL, " [1.50, -0, 1e400, 123456789012345678901234567890]",
	     "[1.50,-0,1e400,123456789012345678901234567890]\n");
	TEXT("json", NULL, "1 2\n\"a\"\"b\"[]{}null",
	     "1\n2\n\"a\"\n\"b\"\n[]\n{}\nnull\n");
}
END_TEST

START_TEST(json_texts)
{
	BENCH b;

	setup(&b);
	TEXT("json", NULL, "\"\\u00e9\\ud83d\\ude00\\/\\u0000\\u001f\"",
	     "\"\xc3\xa9\xf0\x9f\x98\x80/\\u0000\\u001f\"\n");
	TEXT("json", NULL, "\"\\ud83dx\\ude00\\ud83d\\ud83d\\ude00\"",
	     "\"\xef\xbf\xbdx\xef\xbf\xbd\xef\xbf\xbd\xf0\x9f\x98\x80\"\n");
	TEXT("json", P("raw", "true"), "\"a\\nb\" [\"c\"]", "a\nb\n[\"c\"]\n");
	TEXT("json", NULL, "\xef\xbb\xbf[1]", "[1]\n");
	TEXT("json", P("format", "pretty"), "[[],{},{\"a\":[1,{}]}]",
	     "[\n  [],\n  {},\n  {\n    \"a\": [\n      1,\n      {}\n"
	     "    ]\n  }\n]\n");
	TEXT("json", P("select", ".a.\"b c\"[1]"),
	     "{\"a\": {\"b c\": [1, [2]]}}\n{\"a\": 5}\n{}", "[2]\n");
	TEXT("json", P("select", ".[\"b c\"]"), "{\"b c\": 1, \"d\": 2}",
	     "1\n");
	TEXT("json", P("select", ".a[]"), "{\"a\": {\"x\": 1, \"y\": [2]}}",
	     "1\n[2]\n");
}
END_TEST

START_TEST(json_says_where_it_is_wrong)
{
	BENCH b;

	setup(&b);
	FAILS("json", NULL, "[1,\n2,\n}",
	      "in.txt: line 3: `}` stands where a "
	      "value is expected");
	FAILS("json", NULL, "[1,\n2}", "in.txt: line 2: `}` ends what `[`");
	FAILS("json", NULL, "{\"a\" 1}",
	      "in.txt: line 1: `1` stands where `:`");
	FAILS("json", NULL, "{a: 1}",
	      "in.txt: line 1: `a` stands where a name");
	FAILS("json", NULL, "{\"a\":1,}", "in.txt: line 1: `}` stands where");
	FAILS("json", NULL, "[01]", "in.txt: line 1: `01` is no number");
	FAILS("json", NULL, "[1.]", "in.txt: line 1: `1.` is no number");
	FAILS("json", NULL, "[tru]", "in.txt: line 1: `tru` is no value");
	FAILS("json", NULL, "[True]", "in.txt: line 1: `T` stands where");
	FAILS("json", NULL, "\"a\nb\"",
	      "in.txt: line 1: a text holds the "
	      "control character 0x0a");
	FAILS("json", NULL, "\"\\x\"",
	      "in.txt: line 1: `x` stands where what "
	      "may follow a backslash");
	FAILS("json", NULL, "\"\xff\"", "in.txt: line 1: a text is not UTF-8");
	FAILS("json", NULL, "\"\xed\xa0\x80\"",
	      "in.txt: line 1: a text is not");
	FAILS("json", NULL, "\"\xc3\"", "in.txt: line 1: a text is not UTF-8");
	FAILS("json", NULL, "[1", "in.txt: line 1: ends in the middle");
	FAILS("json", NULL, "\n\"ab",
	      "in.txt: line 2: ends in the middle of a "
	      "text (truncated)");
	FAILS("json", NULL, "[1]]", "in.txt: line 1: `]` stands where a value");
	FAILS("json", NULL, "\0", "in.txt: line 1: byte 0x00 stands where");
	REFUSED("json", P("select", "a"), "`select` is a path such as");
	REFUSED("json", P("select", ".a["), "`select` is a path such as");
	REFUSED("json", P("select", ".a | .b"), "`select` is a path such as");
	REFUSED("json", P("select", ""), "`select` is a path such as");
	REFUSED("json", P("raw", "true", "array", "true"),
		"`json` takes `array` or `raw`, not both");
}
END_TEST

START_TEST(json_nests_up_to_a_limit)
{
	CLEANUP_BUF struct buf t = BUF_INIT, want = BUF_INIT;
	BENCH b;

	setup(&b);
	memset(buf_room(&t, 20002), '[', 20002);
	t.len = 20000;
	memset(t.data + 10000, ']', 10000);
	buf_add(&want, t.data, t.len);
	buf_u8(&want, '\n');
	check_text(&b, "json", NULL, (char *)t.data, t.len, (char *)want.data,
		   want.len);
	memset(t.data, '[', 10001);
	fails(&b, "json", NULL, t.data, 10001, -E2BIG,
	      "in.txt: line 1: nested more than 10000 deep");
}
END_TEST

/* --- csv -------------------------------------------------------------------
 */

static const char random_csv[] =
	"import random, csv, sys\n"
	"r = random.Random(int(sys.argv[1]))\n"
	"w = csv.writer(sys.stdout, quoting=r.choice([csv.QUOTE_MINIMAL,"
	" csv.QUOTE_ALL]), lineterminator=r.choice(['\\n', '\\r\\n']))\n"
	"w.writerow(['id', 'a b', 'n', 'q\"'])\n"
	"for i in range(200):\n"
	"    w.writerow([i, ''.join(r.choice('xyZ,\"\\n é')"
	" for _ in range(r.randrange(6))), r.randrange(-50, 50) / 4,"
	" r.choice(['', 'k', 'l'])])\n";

#define PY_READ                                                      \
	"import csv, sys, json, io\n"                                \
	"rows = list(csv.reader(io.TextIOWrapper(sys.stdin.buffer, " \
	"newline=\"\", encoding=\"utf-8\")))\n"                      \
	"out = io.TextIOWrapper(sys.stdout.buffer, newline=\"\", "   \
	"encoding=\"utf-8\")\n"                                      \
	"w = csv.writer(out, lineterminator=\"\\n\")\n"              \
	"h, d = rows[0], rows[1:]\n"

START_TEST(csv_is_python)
{
	static const struct {
		const char *params[9], *command;
	} table[] = {
		{{NULL}, "/usr/bin/python3 -c '" PY_READ "w.writerows(rows)'"},
		{{"select", "n,id"},
		 "/usr/bin/python3 -c '" PY_READ
		 "w.writerows([x[2], x[0]] for x in rows)'"},
		{{"select", "\"q\"\"\""},
		 "/usr/bin/python3 -c '" PY_READ
		 "w.writerows([x[3]] for x in rows)'"},
		{{"sort", "a b"},
		 "/usr/bin/python3 -c '" PY_READ "w.writerow(h)\n"
		 "w.writerows(sorted(d, key=lambda x: x[1].encode()))'"},
		{{"sort", "n", "numeric", "true", "reverse", "true"},
		 "/usr/bin/python3 -c '" PY_READ "w.writerow(h)\n"
		 "w.writerows(sorted(d, key=lambda x: -float(x[2])))'"},
		{{"sort", "\"q\"\"\",n"},
		 "/usr/bin/python3 -c '" PY_READ "w.writerow(h)\n"
		 "w.writerows(sorted(d, key=lambda x: (x[3], x[2])))'"},
		{{"to", "jsonl"},
		 "/usr/bin/python3 -c '" PY_READ
		 "for x in d: out.write(json.dumps(dict(zip(h, x)), "
		 "ensure_ascii=False, separators=(\",\", \":\")) + \"\\n\")'"},
		{{"to", "tsv", "header", "false", "select", "3,1"},
		 "/usr/bin/python3 -c '" PY_READ
		 "w = csv.writer(out, delimiter=\"\\t\", "
		 "lineterminator=\"\\n\")\n"
		 "w.writerows([x[2], x[0]] for x in rows)'"},
	};
	BENCH b;
	unsigned seed;
	size_t i;

	setup(&b);
	for (seed = 1; seed < 5; seed++) {
		CLEANUP_BUF struct buf t = BUF_INIT;

		python(&b, random_csv, seed, &t);
		ck_assert_uint_gt(t.len, 1000);
		for (i = 0; i < ARRAY_LEN(table); i++)
			check_against(&b, "csv", table[i].params,
				      table[i].command, t.data, t.len);
	}
}
END_TEST

START_TEST(csv_edges)
{
	BENCH b;

	setup(&b);
	TEXT("csv", NULL, "", "");
	TEXT("csv", P("to", "json"), "", "[]\n");
	TEXT("csv", P("to", "json"), "a\n", "[]\n");
	TEXT("csv", P("to", "json"), "a,b\n1,x\n",
	     "[\n{\"a\":\"1\",\"b\":"
	     "\"x\"}\n]\n");
	TEXT("csv", P("to", "json", "numbers", "true"), "a,b\n1,007\n",
	     "[\n{\"a\":1,\"b\":\"007\"}\n]\n");
	TEXT("csv", P("to", "jsonl", "header", "false"), "1,x",
	     "[\"1\",\"x\"]\n");
	TEXT("csv", NULL, "\xef\xbb\xbfx,y\r\n\r\n\n1,\"\"\r\n", "x,y\n1,\n");
	TEXT("csv", NULL, "x\n\"\"\n \n", "x\n\"\"\n \n");
	TEXT("csv", NULL, "a\"b,c\n\r,\0x\n", "\"a\"\"b\",c\n\"\r\",\0x\n");
	TEXT("csv", P("delimiter", ";"), "a;b,c\n\"1;\";2\n",
	     "a,\"b,c\"\n1;,2\n");
	TEXT("csv", P("delimiter", "tab", "to", "tsv"), "a\tb\n1,\t2\n",
	     "a\tb\n1,\t2\n");
	TEXT("csv", NULL, "\xff,\xef\xbb\n1,2\n", "\xff,\xef\xbb\n1,2\n");
}
END_TEST

START_TEST(csv_says_where_it_is_wrong)
{
	BENCH b;

	setup(&b);
	FAILS("csv", NULL, "a,b\n\n1\n",
	      "in.txt:3: 1 field where the header "
	      "has 2");
	FAILS("csv", P("header", "false"), "a,b\n1,2,3\n",
	      "in.txt:2: 3 fields where the first record has 2");
	FAILS("csv", NULL, "a\n\"x\ny",
	      "in.txt: line 2: a quote begins a field "
	      "here and none ends it");
	FAILS("csv", NULL, "a\n\n\"x\"y",
	      "in.txt: line 3: something stands "
	      "behind the quote");
	FAILS("csv", P("select", "c"), "a,b\n",
	      "in.txt:1: there is no column `c`; there are `a`, `b`");
	FAILS("csv", P("sort", "c"), "a,b\n", "in.txt:1: there is no column");
	FAILS("csv", P("header", "false", "select", "3"), "a,b\n",
	      "in.txt:1: there is no column 3: the record has 2");
	FAILS("csv", P("to", "json"), "a\n\xff\n",
	      "in.txt:2: a field is not UTF-8");
	REFUSED("csv", P("header", "false", "select", "a"),
		"`select` of `csv`: without `header` columns are numbers");
	REFUSED("csv", P("select", ""), "`select` of `csv` is a list of");
	REFUSED("csv", P("numeric", "true"), "`numeric` of `csv` goes with");
	REFUSED("csv", P("to", "xml"),
		"`to` of `csv` is `csv`, `tsv`, `json` or `jsonl`, not `xml`");
	REFUSED("csv", P("delimiter", "\""), "`delimiter` of `csv` cannot be");
}
END_TEST

START_TEST(csv_joins_inputs_of_one_header)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct fn_input in[2];
	struct err err = {""};
	BENCH b;

	setup(&b);
	put(&b, "a,b\n1,2", 7, &in[0]);
	put(&b, "a,b\r\n3,4\r\n", 10, &in[1]);
	ck_assert_int_eq(call_fn(&b, "csv", in, 2, NULL, &out, &err), 0);
	ck_assert_str_eq(buf_cstr(&out), "a,b\n1,2\n3,4\n");
	put(&b, "a,c\n3,4\n", 8, &in[1]);
	ck_assert_int_eq(call_fn(&b, "csv", in, 2, NULL, &out, &err), -EILSEQ);
	ck_assert_str_eq(err.msg, "in.txt:1: column 2 is not called as in the "
				  "first input");
}
END_TEST

TESTS("fn_data", json_is_jq, json_keeps_numbers_and_decodes_texts, json_texts,
      json_says_where_it_is_wrong, json_nests_up_to_a_limit, csv_is_python,
      csv_edges, csv_says_where_it_is_wrong, csv_joins_inputs_of_one_header)
