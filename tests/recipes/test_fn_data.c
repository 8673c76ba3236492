/* JSON, CSV and SQL, against jq and Python's own modules. */
#include "tests/recipes/fn_fixture.h"

#include <errno.h>
#include <pthread.h>

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

/* --- sql -------------------------------------------------------------------
 */

/* The same query over the same columns by Python's sqlite3. */
#define PY_SQL(query)                                                         \
	"/usr/bin/python3 -c '" PY_READ "import sqlite3\n"                    \
	"db = sqlite3.connect(\":memory:\")\n"                                \
	"db.execute(\"create table t1(id integer, \\\"a b\\\" text, n real, " \
	"\\\"q\\\"\\\"\\\" text)\")\n"                                        \
	"db.executemany(\"insert into t1 values(?,?,?,?)\", d)\n"             \
	"c = db.execute(\"" query "\")\n"                                     \
	"w.writerow([x[0] for x in c.description])\n"                         \
	"w.writerows(c)'"

START_TEST(sql_is_python)
{
#define QUERY(q)                                \
	{                                       \
		{"query", (q), NULL}, PY_SQL(q) \
	}
	static const struct {
		const char *params[3], *command;
	} table[] = {
		QUERY("select * from t1"),
		QUERY("select count(*), sum(id), avg(n) from t1"),
		QUERY("select id, n * 2 as m from t1 where n > 3 order by n, "
		      "id"),
		QUERY("select length(id), typeof(n), n from t1 where id < 20"),
		QUERY("with recursive c(i) as (select 1 union all select i+1 "
		      "from c where i < 9) select i, a.id from c join t1 a on "
		      "a.id = i * i"),
	};
	BENCH b;
	unsigned seed;
	size_t i;

	setup(&b);
	for (seed = 1; seed < 3; seed++) {
		CLEANUP_BUF struct buf t = BUF_INIT;

		python(&b, random_csv, seed, &t);
		for (i = 0; i < ARRAY_LEN(table); i++)
			check_against(&b, "sql", table[i].params,
				      table[i].command, t.data, t.len);
	}
}
END_TEST

#define Q(text, ...) P("query", text, ##__VA_ARGS__)

START_TEST(sql_types_of_columns)
{
	BENCH b;

	setup(&b);
	TEXT("sql", Q("select typeof(a), a from t1"), "a\n1\n-20\n",
	     "typeof(a),a\ninteger,1\ninteger,-20\n");
	TEXT("sql", Q("select typeof(a), a from t1"), "a\n1\n2.50\n",
	     "typeof(a),a\nreal,1.0\nreal,2.5\n");
	TEXT("sql", Q("select typeof(a), a from t1"), "a\n007\n1\n",
	     "typeof(a),a\ntext,007\ntext,1\n");
	TEXT("sql", Q("select typeof(a), a from t1"),
	     "a\n12345678901234567890\n",
	     "typeof(a),a\ntext,"
	     "12345678901234567890\n");
	TEXT("sql", Q("select typeof(a), typeof(b), typeof(c) from t1"),
	     "a,b,c\n1,,x\n,,\n",
	     "typeof(a),typeof(b),typeof(c)\ninteger,text,text\n"
	     "null,text,text\n");
	TEXT("sql", Q("select typeof(a) x from t1", "types", "text"), "a\n1\n",
	     "x\ntext\n");
}
END_TEST

START_TEST(sql_reads_json_and_writes_it)
{
	BENCH b;

	setup(&b);
	TEXT("sql", Q("select * from t1"),
	     "{\"a\": 1, \"b\": {\"x\": [1, \"\\u00e9\"]}}\n"
	     "{\"b\": null, \"C\": true, \"a\": 2}\n",
	     "a,b,C\n1,\"{\"\"x\"\":[1,\"\"\xc3\xa9\"\"]}\",\n2,,1\n");
	TEXT("sql", Q("select * from t1", "to", "jsonl"),
	     "[{\"a\": \"x\\\"y\", \"b\": 1.5}, {\"a\": \"\"}]",
	     "{\"a\":\"x\\\"y\",\"b\":1.5}\n{\"a\":\"\",\"b\":null}\n");
	TEXT("sql", Q("select 1 as a where 0", "to", "json"), "x\n", "[]\n");
	TEXT("sql", Q("select 1 as a, null as b", "to", "json"), "x\n",
	     "[\n{\"a\":1,\"b\":null}\n]\n");
	TEXT("sql", Q("select * from t1", "header", "false", "to", "tsv"),
	     "a\tb\n1,2\tx\n", "1,2\tx\n");
	TEXT("sql", Q("select a ->> '$.x' as x from t1"), "{\"a\": {\"x\": 5}}",
	     "x\n5\n");
}
END_TEST

START_TEST(sql_is_the_same_each_time)
{
	BENCH b;

	setup(&b);
	TEXT("sql", Q("select datetime('now') as t"), "a\n",
	     "t\n1980-01-01 00:00:00\n");
	TEXT("sql", Q("select strftime('%s', 'now') as t, current_date as d"),
	     "a\n", "t,d\n315532800,1980-01-01\n");
	fails(&b, "sql", Q("select random()"), "a\n", 2, -EINVAL,
	      "random() is not for recipes");
	REFUSED("sql", Q("select datetime(0, 'unixepoch', 'LocalTime')"),
		"`query` of `sql` cannot use the zone");
}
END_TEST

START_TEST(sql_does_nothing_but_read_its_tables)
{
	static const char *const bad[] = {
		"attach '/tmp/x' as x",
		"select load_extension('x')",
		"pragma user_version",
		"create table x(a)",
		"insert into t1 values(1)",
		"delete from t1",
		"drop table t1",
		"vacuum into '/tmp/x'",
		"begin",
		"select 1; select 2",
		"select 1; drop table t1",
		"select readfile('/etc/passwd')",
		"select * from nowhere",
		"select b from t1",
		"selec 1",
		"-- nothing",
		"select writefile('/tmp/x', 1)",
		"create temp table x(a)",
		"select * from pragma_table_info('t1')",
		"explain delete from t1",
	};
	BENCH b;
	size_t i;

	setup(&b);
	for (i = 0; i < ARRAY_LEN(bad); i++)
		fails(&b, "sql", Q(bad[i]), "a\n1\n", 4, -EINVAL, "");
	FAILS("sql", Q("select abs(-9223372036854775807 - 1)"), "a\n1\n",
	      "integer overflow");
	REFUSED("sql", Q(" \n"), "`query` of `sql` is empty");
	TEXT("sql", Q("select 1 as a; -- done\n"), "a\n", "a\n1\n");
}
END_TEST

START_TEST(sql_says_where_its_input_is_wrong)
{
	BENCH b;

	setup(&b);
	FAILS("sql", Q("select 1"), "", "in.txt: is empty");
	FAILS("sql", Q("select 1"), "a,A\n",
	      "in.txt:1: two columns are called");
	FAILS("sql", Q("select 1"), "a,\n", "in.txt:1: a column has no name");
	FAILS("sql", Q("select 1"), "a,b\n\n1\n", "in.txt:3: 1 field where");
	FAILS("sql", Q("select 1"), "{\"a\": 1}\n[2]",
	      "in.txt:2: a row is an object");
	FAILS("sql", Q("select 1"), "{\"a\": 1}\n{", "in.txt: line 2: ends in");
	FAILS("sql", Q("select 1"), "{\"\": 1}", "in.txt:1: a column has no");
}
END_TEST

START_TEST(sql_tables_are_the_inputs)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct fn_input in[4];
	struct err err = {""};
	BENCH b;

	setup(&b);
	put(&b, "id,v\n1,x\n", 9, &in[0]);
	put(&b, "id,w\n2,y\n", 9, &in[1]);
	put(&b, "{\"id\": 2}", 9, &in[2]);
	in[0].name = in[1].name = "rows of";
	in[2].name = "z";
	ck_assert_int_eq(call_fn(&b, "sql", in, 3,
				 Q("select a.* from \"rows of\" a join z "
				   "using (id)"),
				 &out, &err),
			 0);
	ck_assert_str_eq(buf_cstr(&out), "id,v,w\n2,,y\n");
	in[0].name = in[1].name = NULL;
	buf_reset(&out);
	ck_assert_int_eq(call_fn(&b, "sql", in, 2, Q("select v, w from t1, t2"),
				 &out, &err),
			 0);
	ck_assert_str_eq(buf_cstr(&out), "v,w\nx,y\n");
	buf_reset(&out);
	ck_assert_int_eq(call_fn(&b, "sql", NULL, 0, Q("select 1 as a"), &out,
				 &err),
			 0);
	ck_assert_str_eq(buf_cstr(&out), "a\n1\n");
}
END_TEST

/* Neither a cross product nor recursion without an end can hold a thread. */
static void *stop_soon(void *arg)
{
	usleep(200000);
	__atomic_store_n((bool *)arg, true, __ATOMIC_RELAXED);
	return NULL;
}

START_TEST(sql_stops)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct fn_input in;
	struct err err = {""};
	pthread_t thread;
	BENCH b;

	setup(&b);
	put(&b, "a\n1\n", 4, &in);
	ck_assert_int_eq(pthread_create(&thread, NULL, stop_soon, &b.stop), 0);
	ck_assert_int_eq(call_fn(&b, "sql", &in, 1,
				 Q("with recursive c(i) as (select 1 union all "
				   "select i + 1 from c) select count(*) from "
				   "c"),
				 &out, &err),
			 -ECANCELED);
	pthread_join(thread, NULL);
}
END_TEST

TESTS("fn_data", json_is_jq, json_keeps_numbers_and_decodes_texts, json_texts,
      json_says_where_it_is_wrong, json_nests_up_to_a_limit, csv_is_python,
      csv_edges, csv_says_where_it_is_wrong, csv_joins_inputs_of_one_header,
      sql_is_python, sql_types_of_columns, sql_reads_json_and_writes_it,
      sql_is_the_same_each_time, sql_does_nothing_but_read_its_tables,
      sql_says_where_its_input_is_wrong, sql_tables_are_the_inputs, sql_stops)
