#include "tests/lib/harness.h"

#include <errno.h>

#include "recipes/file.h"

/* The definition on one line, for comparing. */
static char *describe(const struct recipe_def *d)
{
	char *text = NULL;
	size_t size, i, k;
	FILE *f = open_memstream(&text, &size);

	ck_assert_ptr_nonnull(f);
	if (d->kind == RECIPE_RUN_SHELL)
		fprintf(f, "sh(%s)", d->run);
	else if (d->kind == RECIPE_FN)
		fprintf(f, "fn(%s)", d->fn);
	for (i = 0; i < d->argc; i++)
		fprintf(f, "%s%s", i ? "," : "argv(", d->argv[i]);
	if (d->argc)
		fputc(')', f);
	for (i = 0; i < d->ninputs; i++) {
		const struct recipe_input *in = &d->inputs[i];

		fprintf(f, " %s%s", in->name ? in->name : "",
			in->list ? "[" : "=");
		for (k = 0; k < in->count; k++)
			fprintf(f, "%s%s%s", k ? "," : "", in->paths[k].text,
				in->paths[k].glob ? "~" : "");
		if (in->list)
			fputc(']', f);
	}
	for (i = 0; i < d->nparams; i++)
		fprintf(f, " %s:%s", d->params[i].name, d->params[i].value);
	for (i = 0; i < d->nenv; i++)
		fprintf(f, " $%s", d->env[i]);
	if (d->timeout_ns != RECIPE_TIMEOUT_NS)
		fprintf(f, " %.3fs", (double)d->timeout_ns / NSEC_PER_SEC);
	if (d->memory)
		fprintf(f, " %lluM", (unsigned long long)(d->memory >> 20));
	if (d->stat_set)
		fputs(d->stat_lazy ? " lazy" : " exact", f);
	fclose(f);
	return text;
}

struct good {
	const char *text, *want;
};

static void check_good(const struct good *g, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		CLEANUP(recipe_def_freep) struct recipe_def *d = NULL;
		CLEANUP_FREE char *is = NULL;
		struct err err = {""};
		int rc = recipe_parse(g[i].text, strlen(g[i].text), &d, &err);

		ck_assert_msg(rc == 0, "%s: %s", g[i].text, err.msg);
		is = describe(d);
		ck_assert_msg(!strcmp(is, g[i].want), "%s: is %s", g[i].text,
			      is);
	}
}

static void check_bad(const struct good *g, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		struct recipe_def *d = NULL;
		struct err err = {""};
		int rc = recipe_parse(g[i].text, strlen(g[i].text), &d, &err);

		ck_assert_msg(rc == -EINVAL, "%s: %d", g[i].text, rc);
		ck_assert_ptr_null(d);
		ck_assert_msg(!strcmp(err.msg, g[i].want), "%s: says %s",
			      g[i].text, err.msg);
	}
}

START_TEST(file_reads_what_is_written)
{
	static const struct good table[] = {
		{"in: [access.log]\nrun: sort access.log | head\n",
		 "sh(sort access.log | head) [access.log]"},
		{"run: date\nin: []\n", "sh(date)"},
		{"in: {b: x, a: [y, z]}\nrun: cat \"$a\" $b\n",
		 "sh(cat \"$a\" $b) a[y,z] b=x"},
		{"in: [\"*.csv\", a?.csv, 'x[12].csv', plain]\nfn: concat\n",
		 "fn(concat) [*.csv~,a?.csv~,x[12].csv~,plain]"},
		{"in:\n- ../up.txt\n- /from/root\nrun: [cat, up.txt, \"\"]\n",
		 "argv(cat,up.txt,) [../up.txt,/from/root]"},
		{"in: [100%%.txt]\nfn: lines\n", "fn(lines) [100%.txt]"},
		{"in: [a]\nrun: |\n  x: y # kept\n  *z\n",
		 "sh(x: y # kept\n*z\n) [a]"},
		{"in: [a]\nrun: 'grep foo # bar'\n", "sh(grep foo # bar) [a]"},
		{"in: [a]\nrun: grep foo#bar a\n", "sh(grep foo#bar a) [a]"},
		{"in: [a] # the table\nrun: x\ntimeout: 90 # s\n",
		 "sh(x) [a] 90.000s"},
		{"in: [a]\nrun: x\ntimeout: 1.5m\nmemory: 2G\nstat: lazy\n",
		 "sh(x) [a] 90.000s 2048M lazy"},
		{"in: [a]\nrun: x\nstat: exact\nparams: {Z: 1, A: true}\n",
		 "sh(x) [a] A:true Z:1 exact"},
		{"in: [a]\nrun: x\nparams: {e: \"\"}\nenv: [USER, LANG]\n",
		 "sh(x) [a] e: $LANG $USER"},
		{"in: [a]\nfn: sort\nparams: {unique: true}\n",
		 "fn(sort) [a] unique:true"},
		{"in: {k: a}\nfn: gzip\nparams: {level: 9}\n",
		 "fn(gzip) k=a level:9"},
		{"in: []\nrun: x\nout: file\nnetwork: false\neager: false\n"
		 "keep: auto\n",
		 "sh(x)"},
		{"\xef\xbb\xbfin: []\nrun: x\n", "sh(x)"},
		{"in: []\r\nrun: |\r\n  a\r\n  b\r\n", "sh(a\nb\n)"},
		{"---\nin: []\nrun: x\n...\n", "sh(x)"},
		{"# what it does\n\nin: []\nrun: x", "sh(x)"},
		{"{in: [], run: x}", "sh(x)"},
		{"in: [~, null, 1.0]\nrun: no\n", "sh(no) [~,null,1.0]"},
		{"in: [\xc3\xa4.txt, a]\nrun: echo \xc3\xa4\n",
		 "sh(echo \xc3\xa4) [\xc3\xa4.txt,a]"},
		{"in: [a, a]\nrun: echo a\n  b\n", "sh(echo a b) [a,a]"},
		{"in: {a: []}\nrun: echo $a\n", "sh(echo $a) a[]"},
		{"in: {a: \"*.c\"}\nrun: echo $a\n", "sh(echo $a) a[*.c~]"},
	};

	check_good(table, ARRAY_LEN(table));
}
END_TEST

START_TEST(file_defaults)
{
	static const char text[] = "in: []\nrun: x\n";
	CLEANUP(recipe_def_freep) struct recipe_def *d = NULL;

	ck_assert_int_eq(recipe_parse(text, strlen(text), &d, NULL), 0);
	ck_assert_int_eq(d->timeout_ns, 3600 * NSEC_PER_SEC);
	ck_assert_uint_eq(d->memory, 0);
	ck_assert(!d->stat_set);
	ck_assert(!d->stat_lazy);
	ck_assert_uint_eq(d->run_line, 2);
}
END_TEST

START_TEST(file_lines_are_kept)
{
	static const char text[] =
		"run: x\nin:\n  a: p\n  b:\n  - q\n  - r\nparams:\n  c: d\n";
	CLEANUP(recipe_def_freep) struct recipe_def *d = NULL;

	ck_assert_int_eq(recipe_parse(text, strlen(text), &d, NULL), 0);
	ck_assert_uint_eq(d->inputs[0].line, 3);
	ck_assert_uint_eq(d->inputs[1].line, 4);
	ck_assert_uint_eq(d->inputs[1].paths[1].line, 6);
	ck_assert_uint_eq(d->params[0].line, 8);
}
END_TEST

#define QUOTE                                                               \
	"quote the whole value, or, for a command, write `run: |` and the " \
	"command indented on the lines below"
#define CUT                                                                \
	" ends where ` #` begins a comment: quote it, or, for a command, " \
	"write `run: |` and the command indented on the lines below; a "   \
	"comment stands on a line of its own"
#define NO_KEY                                                                \
	"expected a key here: either the line is indented unlike the keys "   \
	"above, or something stands behind the end of a quoted text, a list " \
	"or a map; then " QUOTE

START_TEST(file_yaml_slips_say_how_to_write_it)
{
	static const struct good table[] = {
		{"in: [*.csv]",
		 "line 1: a value that begins with `*` is an alias to YAML: "
		 "quote it, as in \"*.csv\""},
		{"in:\n- *",
		 "line 2: a value that begins with `*` is an alias to YAML: "
		 "quote it, as in \"*.csv\""},
		{"in: *abc", "line 1: `*abc` is an alias to YAML, and recipes "
			     "have none: quote it: \"*abc\""},
		{"in: [%.csv]", "line 1: a value cannot begin with `%` in "
				"YAML: quote it, as in \"%.csv\""},
		{"run: echo a: b",
		 "line 1: `: ` inside a value begins a map to YAML: " QUOTE},
		{"in: []\nrun: sed 's/: /x/'",
		 "line 2: `: ` inside a value begins a map to YAML: " QUOTE},
		{"run: [echo, a: b]", "line 1: an argument of `run` is a text, "
				      "not a map: quote it"},
		{"\trun: x",
		 "line 1: YAML does not indent with tabs: use blanks"},
		{"in:\n\t- a",
		 "line 2: YAML does not indent with tabs: use blanks"},
		{"run: |\n\tx",
		 "line 2: YAML does not indent with tabs: use blanks"},
		{"run: @x",
		 "line 1: a value cannot begin with `@` in YAML: " QUOTE},
		{"run: `x`", "line 1: a value cannot begin with a backtick in "
			     "YAML: " QUOTE},
		{"run: !x y", "line 1: `!x` is a tag to YAML, and recipes have "
			      "none: quote the whole value, or, for a command, "
			      "write `run: |`"},
		{"run: ! grep x",
		 "line 1: `!` is a tag to YAML, and recipes have none: quote "
		 "the whole value, or, for a command, write `run: |`"},
		{"run: !a!b c", "line 1: a value that begins with `!` is a tag "
				"to YAML: " QUOTE},
		{"run: &x y",
		 "line 1: `&x` is an anchor to YAML, and recipes have none: "
		 "quote the whole value, or, for a command, write `run: |`"},
		{"run: & y", "line 1: a value that begins with `&` is an "
			     "anchor to YAML: " QUOTE},
		{"run: \"a", "line 1: the quotation mark that is opened here "
			     "is never closed"},
		{"run: \"a\" b", "line 1: " NO_KEY},
		{"run: 'it's'", "line 1: " NO_KEY},
		{"in: [a]\n  run: x", "line 2: " NO_KEY},
		{"run: 'a' | sort",
		 "line 1: behind `|` or `>` the line must end: the text "
		 "begins, indented, on the next line; a command that holds "
		 "`|` or `>` behind a quoted text goes below `run: |` as a "
		 "whole"},
		{"run: \"\\d\"",
		 "line 1: there is no such `\\` escape inside double quotes: "
		 "use single quotes, or, for a command, `run: |`"},
		{"run: \"\\u12\"", "line 1: the `\\` escape needs hexadecimal "
				   "digits: \\x41, \\u0041, \\U00000041"},
		{"run: \"a\\0b\"",
		 "line 1: \"\\0\" stands for a NUL byte, which no text here "
		 "can hold"},
		{"in: [a[b].c]",
		 "line 1: the list that `[` opens here is not closed by `]`, "
		 "or one of its elements has to be quoted"},
		{"in: [a,\n b\nrun: x",
		 "line 1: the list that `[` opens here is not closed by `]`, "
		 "or one of its elements has to be quoted"},
		{"in: {a: b", "line 1: the map that `{` opens here is not "
			      "closed by `}`, or one of its values has to be "
			      "quoted"},
		{"run: - a",
		 "line 1: `- ` begins an element of a list, which stands on a "
		 "line of its own; if it is part of a value, " QUOTE},
		{"in: a\n  run: x",
		 "line 2: `run:` is no key here: indent it as the key above, "
		 "and see whether that has a blank behind its colon"},
		{"run:x\nin: []",
		 "line 2: `in:` is no key here: indent it as the key above, "
		 "and see whether that has a blank behind its colon"},
		{"run: |\n x\ny\n",
		 "line 3: expected `key: value`; the lines of a longer text "
		 "have to be indented below `run: |`"},
		{"  in: [a]\nrun: x",
		 "line 2: this line is indented less than the first one, or "
		 "stands behind the end of the recipe"},
		{"in: []\n%.csv: x",
		 "line 2: a line that begins with `%` is a directive to YAML: "
		 "indent it below its key, and quote it"},
		{"%YAML 1.1\n---\nrun: x",
		 "line 1: a line that begins with `%` is a directive to YAML, "
		 "and recipes have none: remove it"},
		{"in: []\nrun: x\n---\nin: []\n",
		 "line 3: a second document begins here: a recipe file is one "
		 "recipe"},
		{"in: []\nrun: x\nrun: y\n",
		 "line 3: `run` stands here a second time (first on line 2)"},
		{"in: {a: x,\n a: y}\n",
		 "line 2: `a` stands here a second time (first on line 1)"},
		{"[a]: b", "line 1: a list cannot be a key: quote the value "
			   "that begins with `[`, `{` or `?`"},
		{"a\rb", "line 1: a carriage return inside a line: end lines "
			 "with LF or CRLF"},
		{"in: []\nrun: \x01", "line 2: a control character (byte "
				      "0x01): remove it, or write it as "
				      "\"\\x01\" in double quotes"},
		{"in: []\nrun: \xff",
		 "line 2: not UTF-8: a file whose name is not UTF-8 is reached "
		 "through a glob"},
		{"run: a\xe2\x80\xa8"
		 "b",
		 "line 1: an invisible character (U+0085, U+2028, U+2029 or "
		 "U+FEFF): remove it, or write it as \"\\u2028\" in double "
		 "quotes"},
		{"in: [[[[[[[[[[x]]]]]]]]]]",
		 "line 1: lists and maps lie more than 8 deep"},
	};

	check_bad(table, ARRAY_LEN(table));
}
END_TEST

START_TEST(file_comment_that_cuts_is_refused)
{
	static const struct good table[] = {
		{"in: []\nrun: grep foo # bar\n", "line 2: `run`" CUT},
		{"in: []\nrun: grep foo\t#bar\n", "line 2: `run`" CUT},
		{"in: []\nrun: echo \xc3\xa4\xc3\xb6 # bar\n",
		 "line 2: `run`" CUT},
		{"in: []\nrun: # all of it\n", "line 2: `run`" CUT},
		{"in: []\nrun: [grep, foo # bar\n]\n",
		 "line 2: an argument of `run`" CUT},
		{"in: []\nrun:\n- grep\n- foo # bar\n",
		 "line 4: an argument of `run`" CUT},
		{"in: []\nrun: x\nparams:\n  a: b # c\n",
		 "line 4: a value of `params`" CUT},
		{"in: []\nrun: grep foo # bar\n  more\n",
		 "line 3: the text ends where a comment (` #`) begins on line "
		 "2: " QUOTE},
	};

	check_bad(table, ARRAY_LEN(table));
}
END_TEST

START_TEST(file_keys_are_checked)
{
	static const struct good table[] = {
		{"", "line 1: defines nothing: needs `in` and `run` or `fn`"},
		{"# nothing\n",
		 "line 1: defines nothing: needs `in` and `run` or `fn`"},
		{"---\n",
		 "line 1: defines nothing: needs `in` and `run` or `fn`"},
		{"{}", "line 1: defines nothing: needs `in` and `run` or `fn`"},
		{"run:x", "line 1: expected `key: value` lines, not a text; a "
			  "blank stands behind the colon"},
		{"- a", "line 1: expected `key: value` lines, not a list; a "
			"blank stands behind the colon"},
		{"in: []", "line 1: needs `run` (a command) or `fn` (a "
			   "function)"},
		{"in: []\nrun: x\nfn: sort",
		 "line 3: `run` and `fn` exclude each other"},
		{"rum: x",
		 "line 1: there is no key `rum`: did you mean `run`?"},
		{"timout: x", "line 1: there is no key `timout`: did you mean "
			      "`timeout`?"},
		{"command: x",
		 "line 1: there is no key `command`: did you mean `run`?"},
		{"zzz\x1b: x",
		 "line 1: a control character (byte 0x1b): remove it, or "
		 "write it as \"\\x1b\" in double quotes"},
		{"\"zzz\\e\": x",
		 "line 1: there is no key `zzz?`; those there are: in, run, "
		 "fn, params, out, env, timeout, memory, stat, network, tools, "
		 "eager, keep"},
		{"in: []\nrun: \"\"", "line 2: `run` is empty"},
		{"in: []\nrun:", "line 2: `run` is empty"},
		{"in: []\nrun: \" \\n\"", "line 2: `run` is empty"},
		{"run: |\nin: []", "line 1: `run` is empty: the lines of the "
				   "command have to be indented"},
		{"in: []\nrun: []", "line 2: `run` is empty: a list begins "
				    "with the program"},
		{"in: []\nrun: [\"\", a]", "line 2: `run` is empty: a list "
					   "begins with the program"},
		{"in: []\nrun:\n- a\n-\n",
		 "line 4: an argument of `run` is missing; an empty one is "
		 "\"\""},
		{"run: {a: b}",
		 "line 1: `run` is a command or a list of arguments, not a "
		 "map: quote it, or write `run: |` and the command indented on "
		 "the lines below"},
		{"fn: sotr", "line 1: there is no function `sotr`: did you "
			     "mean `sort`?"},
		{"fn: frobnicate",
		 "line 1: there is no function `frobnicate`; `deriva "
		 "functions` lists them"},
		{"fn: [sort]", "line 1: `fn` is one word, not a list"},
		{"fn:", "line 1: `fn` is one word, not nothing"},
		{"in: []\nfn: sort\nparams: {numerc: true}",
		 "line 3: `sort` takes no param `numerc`: did you mean "
		 "`numeric`?"},
		{"in: []\nfn: sort\nparams:\n  reverse: true\n  numeric: 1\n",
		 "line 5: `numeric` of `sort` is `true` or `false`, not `1`"},
		{"in: []\nfn: gzip\nparams: {level: 07}",
		 "line 3: `level` of `gzip` is a number from 1 to 9, not "
		 "`07`"},
		{"in: []\nfn: lines\nparams: {a: b}",
		 "line 3: `lines` takes no param `a`, nor any other"},
		{"in: []\nfn: sort\nenv: [A]",
		 "line 3: `env` goes with `run` only: a function sees no "
		 "variables"},
		{"timeout: 0", "line 1: `timeout: 0` is no duration above 0: "
			       "write 90, 30s, 5m or 1.5h"},
		{"timeout: soon", "line 1: `timeout: soon` is no duration "
				  "above 0: write 90, 30s, 5m or 1.5h"},
		{"timeout: [1]", "line 1: `timeout` is one word, not a list"},
		{"memory: 1023K", "line 1: `memory: 1023K` is no size of at "
				  "least 1M: write 512M or 2G"},
		{"memory: much", "line 1: `memory: much` is no size of at "
				 "least 1M: write 512M or 2G"},
		{"stat: later", "line 1: `stat` is `exact` or `lazy`"},
		{"env: A", "line 1: `env` is a list of names of variables, "
			   "`env: [NAME]`"},
		{"env: {A: b}", "line 1: `env` is a list of names of "
				"variables, `env: [NAME]`; values of your own "
				"go into `params`"},
		{"env: [A-B]",
		 "line 1: `A-B`: the name of a variable of `env` is letters, "
		 "digits and `_`, and begins with no digit, for it becomes a "
		 "variable of the shell"},
		{"params: [a]",
		 "line 1: `params` is a map, `name: value`, not a list"},
		{"params: {a: [b]}", "line 1: the param `a` is a text, not a "
				     "list; an empty one is \"\""},
		{"params:\n  a:\n", "line 2: the param `a` is a text, not "
				    "nothing; an empty one is \"\""},
		{"in: []\nrun: x\nparams: {HOME: b}",
		 "line 3: `HOME` cannot be the name of a param of `run`: "
		 "deriva sets that variable itself"},
		{"in: {a: x}\nrun: x\nparams: {a: y}",
		 "line 3: `a` is named in `in` and a second time in `params`"},
		{"in: {a: x}\nrun: x\nenv: [a]",
		 "line 3: `a` is named in `in` and a second time in `env`"},
		{"in: []\nrun: x\nenv: [A, B, A]",
		 "line 3: `A` is named in `env` and a second time in `env`"},
	};

	check_bad(table, ARRAY_LEN(table));
}
END_TEST

START_TEST(file_inputs_are_checked)
{
	static const struct good table[] = {
		{"in: a.csv", "line 1: `in` is a list of paths, `in: [a.csv]`, "
			      "or a map from names to paths"},
		{"in:", "line 1: `in` is a list of paths, `in: []`, or a map "
			"from names to paths"},
		{"in: [a, \"\"]", "line 1: the path of an input is empty"},
		{"in: [[a]]", "line 1: an input is a path, not a list: quote a "
			      "path that holds `[`, `{` or `: `"},
		{"in: [a: b]", "line 1: an input is a path, not a map: quote a "
			       "path that holds `[`, `{` or `: `"},
		{"in:\n  a:\n", "line 2: the input `a` has no path"},
		{"in: {out: x}", "line 1: `out` cannot be the name of an "
				 "input: deriva sets that variable itself"},
		{"in: {PATH: x}", "line 1: `PATH` cannot be the name of an "
				  "input: deriva sets that variable itself"},
		{"in: {1a: x}",
		 "line 1: `1a`: the name of an input is letters, digits and "
		 "`_`, and begins with no digit, for it becomes a variable of "
		 "the shell"},
	};

	check_bad(table, ARRAY_LEN(table));
}
END_TEST

START_TEST(file_policies_say_what_they_take)
{
	static const struct good table[] = {
		{"network: maybe", "line 1: `network` is `true` or `false`"},
		{"eager: [true]", "line 1: `eager` is `true` or `false`"},
		{"keep: forever",
		 "line 1: `keep` is `auto`, `always` (never dropped) or "
		 "`never` (dropped when its last reader closes it)"},
		{"tools: gcc", "line 1: `tools` is a list of names of "
			       "programs: `tools: [gcc]`"},
		{"tools: [/usr/bin/gcc]",
		 "line 1: `tools` takes names of programs as a command calls "
		 "them, such as gcc; `/usr/bin/gcc` is a path"},
		{"tools: [cc, gcc, cc]", "line 1: `tools` names `cc` twice"},
		{"in: [a]\nfn: sort\ntools: [sort]",
		 "line 3: `tools` goes with `run` only: a function uses no "
		 "programs"},
		{"in: [a]\nfn: sort\nnetwork: true",
		 "line 3: `network` goes with `run` only: a function has no "
		 "use for it"},
	};

	check_bad(table, ARRAY_LEN(table));
}
END_TEST

START_TEST(file_policies_are_read)
{
	static const char text[] = "in: []\nrun: x\nnetwork: true\n"
				   "eager: true\nkeep: never\n"
				   "tools: [ld, gcc]\n";
	struct recipe_def *d;
	struct err err;

	ck_assert_int_eq(recipe_parse(text, strlen(text), &d, &err), 0);
	ck_assert(d->network && d->eager);
	ck_assert_int_eq(d->keep, RECIPE_KEEP_NEVER);
	ck_assert_uint_eq(d->ntools, 2);
	ck_assert_str_eq(d->tools[0], "gcc");
	ck_assert_str_eq(d->tools[1], "ld");
	recipe_def_free(d);
}
END_TEST

START_TEST(file_later_versions_are_refused_by_name)
{
	static const struct good table[] = {
		{"fn: concat", "line 1: has no `in`: only what `run` reads is "
			       "observed; list a function's inputs, "
			       "`in: [a.csv]`, or write `in: []` if there "
			       "are none"},
	};

	check_bad(table, ARRAY_LEN(table));
}
END_TEST

START_TEST(file_several_outputs_are_sorted_by_name)
{
	static const char text[] = "in: []\nrun: x\n"
				   "out: {log: x.log, html: 100%%.html}\n";
	struct recipe_def *d = NULL;
	struct err err = {""};

	ck_assert_int_eq(recipe_parse(text, sizeof(text) - 1, &d, &err), 0);
	ck_assert_uint_eq(d->nouts, 2);
	ck_assert_str_eq(d->outs[0].name, "html");
	ck_assert_str_eq(d->outs[1].name, "log");
	ck_assert_int_eq(recipe_def_fill(d, "", 0, &err), 0);
	ck_assert_str_eq(d->outs[0].file, "100%.html");
	ck_assert_str_eq(d->outs[1].file, "x.log");
	ck_assert(!d->out_dir);
	recipe_def_free(d);
}
END_TEST

START_TEST(file_outputs_of_a_pattern_have_its_stem)
{
	static const char text[] = "in: [\"%.c\"]\nrun: x\n"
				   "out: {o: \"%.o\", d: deps}\n";
	struct recipe_def *d = NULL;
	struct err err = {""};

	ck_assert_int_eq(recipe_parse(text, sizeof(text) - 1, &d, &err), 0);
	ck_assert_int_eq(recipe_def_fill(d, "a", 1, &err), -EINVAL);
	ck_assert_str_eq(err.msg,
			 "line 3: `deps`: the recipe's name is a pattern, so "
			 "each of its outputs needs a `%`, or all stems would "
			 "make the same file");
	recipe_def_free(d);
}
END_TEST

START_TEST(file_nul_byte_is_refused)
{
	static const char text[] = "in: []\nrun: a\0b\n";
	struct recipe_def *d = NULL;
	struct err err = {""};

	ck_assert_int_eq(recipe_parse(text, sizeof(text) - 1, &d, &err),
			 -EINVAL);
	ck_assert_str_eq(err.msg,
			 "line 2: a NUL byte: a recipe is a text file");
}
END_TEST

START_TEST(file_limits_are_named)
{
	CLEANUP_FREE char *text = malloc(RECIPE_FILE_MAX + 1);
	struct recipe_def *d = NULL;
	struct err err = {""};
	size_t n;

	ck_assert_ptr_nonnull(text);
	memset(text, ' ', RECIPE_FILE_MAX + 1);
	ck_assert_int_eq(recipe_parse(text, RECIPE_FILE_MAX + 1, &d, &err),
			 -E2BIG);
	ck_assert_str_eq(err.msg, "a recipe file has at most 1 MiB; this one "
				  "has 1048577 bytes");

	n = (size_t)sprintf(text, "in: [");
	while (n < 2 * RECIPE_INPUTS_MAX + 10)
		n += (size_t)sprintf(text + n, "a,");
	n += (size_t)sprintf(text + n, "]\nrun: x\n");
	ck_assert_int_eq(recipe_parse(text, n, &d, &err), -E2BIG);
	ck_assert_str_eq(err.msg, "line 1: more than 100000 inputs are listed; "
				  "use a glob");

	n = (size_t)sprintf(text, "in: [%0*d]\nrun: x\n", RECIPE_PATH_MAX + 1,
			    0);
	ck_assert_int_eq(recipe_parse(text, n, &d, &err), -E2BIG);
	ck_assert_str_eq(err.msg, "line 1: a path of more than 4095 bytes");
}
END_TEST

/* An editor writes a file piece by piece: each must give a clear answer. */
START_TEST(file_every_prefix_is_answered)
{
	static const char text[] =
		"# caf\xc3\xa9\nin: {a: \"*.csv\", b: ['x y', z]}\nrun: |\n"
		"  grep 'a: b' \"$a\" # kept\nparams:\n  k: \"\\u00e9\"\n"
		"env: [USER]\ntimeout: 30s\nstat: lazy\n";
	size_t n;

	for (n = 0; n < sizeof(text); n++) {
		CLEANUP(recipe_def_freep) struct recipe_def *d = NULL;
		struct err err = {""};
		int rc = recipe_parse(text, n, &d, &err);

		ck_assert(rc == 0 || rc == -EINVAL);
		ck_assert_int_eq(rc < 0, d == NULL);
		if (rc < 0)
			ck_assert_msg(!strncmp(err.msg, "line ", 5), "%s",
				      err.msg);
	}
}
END_TEST

START_TEST(file_name_of_recipe)
{
	size_t n = 99;

	ck_assert(recipe_name("top.txt.recipe", 14, &n));
	ck_assert_uint_eq(n, 7);
	ck_assert(recipe_name("x.recipe", 8, &n));
	ck_assert_uint_eq(n, 1);
	ck_assert(recipe_name(".recipe.recipe", 14, &n));
	ck_assert_uint_eq(n, 7);
	ck_assert(!recipe_name(".recipe", 7, &n));
	ck_assert(!recipe_name("recipe", 6, &n));
	ck_assert(!recipe_name("x.recipes", 9, &n));
	ck_assert(!recipe_name("x.Recipe", 8, &n));
	ck_assert(!recipe_name("", 0, &n));
	ck_assert_uint_eq(n, 7);
}
END_TEST

START_TEST(glob_matches_as_shells_do)
{
	static const struct {
		const char *pattern, *name;
		bool want;
	} table[] = {
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"*", "abc", true},
		{"*", ".abc", false},
		{".*", ".abc", true},
		{"?abc", ".abc", false},
		{"[.]abc", ".abc", false},
		{"[!a]abc", ".abc", false},
		{"*.csv", "a.csv", true},
		{"*.csv", ".csv", false},
		{"*.csv", "a.csv.gz", false},
		{"a?c", "abc", true},
		{"a?c", "ac", false},
		{"a?c", "abbc", false},
		{"*a*b*", "xxaxxbxx", true},
		{"*a*b*", "xxbxxaxx", false},
		{"a*a", "a", false},
		{"a*a", "aa", true},
		{"a*bc", "abcbc", true},
		{"[abc]x", "bx", true},
		{"[abc]x", "dx", false},
		{"[a-c]x", "bx", true},
		{"[a-c]x", "dx", false},
		{"[!a-c]x", "dx", true},
		{"[!a-c]x", "bx", false},
		{"[^a]x", "bx", true},
		{"[]a]x", "]x", true},
		{"[!]a]x", "]x", false},
		{"[a-]x", "-x", true},
		{"[*]", "*", true},
		{"[*]", "a", false},
		{"a[", "a[", true},
		{"a[b", "a[b", true},
		{"a[b", "ab", false},
		{"a[]", "a[]", true},
		{"a[!]", "a[!]", true},
		{"[[]a]", "[a]", true},
		{"\\*", "\\x", true},
		{"\xc3\xa4*", "\xc3\xa4x", true},
		{"?", "\xc3\xa4", false},
		{"??", "\xc3\xa4", true},
		{"*?*?*", "ab", true},
		{"*?*?*", "a", false},
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(table); i++)
		ck_assert_msg(glob_match(table[i].pattern,
					 strlen(table[i].pattern),
					 table[i].name,
					 strlen(table[i].name)) ==
				      table[i].want,
			      "%s against %s", table[i].pattern, table[i].name);
}
END_TEST

START_TEST(glob_of_many_stars_is_fast)
{
	char pattern[201], name[255];
	size_t i;

	for (i = 0; i < 100; i++)
		memcpy(pattern + 2 * i, "*a", 2);
	pattern[200] = 'b';
	memset(name, 'a', sizeof(name));
	for (i = 0; i < 1000; i++)
		ck_assert(!glob_match(pattern, sizeof(pattern), name,
				      sizeof(name)));
}
END_TEST

TESTS("file", file_reads_what_is_written, file_defaults, file_lines_are_kept,
      file_yaml_slips_say_how_to_write_it, file_comment_that_cuts_is_refused,
      file_keys_are_checked, file_inputs_are_checked,
      file_policies_say_what_they_take, file_policies_are_read,
      file_later_versions_are_refused_by_name,
      file_several_outputs_are_sorted_by_name,
      file_outputs_of_a_pattern_have_its_stem, file_nul_byte_is_refused,
      file_limits_are_named, file_every_prefix_is_answered, file_name_of_recipe,
      glob_matches_as_shells_do, glob_of_many_stars_is_fast)
