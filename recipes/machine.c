#include "recipes/machine.h"

#include <errno.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "core/clock.h"

#define PROGRAMS_MAX 32 /* of one command */
#define WORD_MAX     64

struct note {
	const struct tools *tools;
	struct buf *out;
	char seen[PROGRAMS_MAX][WORD_MAX];
	size_t count;
};

static void add_program(struct note *n, const char *word, size_t len)
{
	struct tool tool;
	char size[32], date[32];
	struct tm tm;
	time_t t;
	size_t i;

	if (len >= WORD_MAX || n->count == PROGRAMS_MAX)
		return;
	for (i = 0; i < n->count; i++)
		if (!strncmp(n->seen[i], word, len) && !n->seen[i][len])
			return;
	memcpy(n->seen[n->count], word, len);
	n->seen[n->count][len] = '\0';
	if (tools_find(n->tools, n->seen[n->count], &tool) < 0)
		return;
	size_format(tool.size, size, sizeof(size));
	t = (time_t)(tool.mtime_ns / NSEC_PER_SEC);
	gmtime_r(&t, &tm);
	strftime(date, sizeof(date), "%F", &tm);
	buf_fmt(n->out, "program: %s  %s, %s, of %s\n", n->seen[n->count],
		tool.path, size, date);
	n->count++;
}

static bool in_word(char c)
{
	return c && (strchr("_.+-", c) || (c >= '0' && c <= '9') ||
		     (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'));
}

/* A word of the shell's, or of a program, behind which a command follows. */
static bool goes_on(const char *word, size_t len)
{
	static const char *const words[] = {
		"if",	"then", "else", "elif", "while", "until",   "do",
		"exec", "env",	"time", "nice", "xargs", "command",
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(words); i++)
		if (strlen(words[i]) == len && !memcmp(words[i], word, len))
			return true;
	return false;
}

/* Words where a command may stand. Nobody relies on it, so quotes and here
 * documents are not understood. */
static void add_shell(struct note *n, const char *p)
{
	bool command = true;
	size_t len;

	while (*p) {
		for (len = 0; in_word(p[len]); len++)
			;
		if (!len) {
			if (strchr("\n;|&({`!", *p))
				command = true;
			else if (*p != ' ' && *p != '\t')
				command = false;
			p++;
			continue;
		}
		if (p[len] == '=') /* a variable before the command */
			while (p[len] && !strchr(" \t\n;|&", p[len]))
				len++;
		else if (command && !goes_on(p, len)) {
			add_program(n, p, len);
			command = false;
		}
		p += len;
	}
}

int machine_note(const struct tools *t, const struct recipe_def *d,
		 struct buf *ret)
{
	struct note n = {.tools = t, .out = ret};
	struct utsname u;

	if (uname(&u) < 0)
		return -errno;
	buf_fmt(ret, "machine: %s %s %s\n", u.sysname, u.release, u.machine);
	if (d->kind == RECIPE_RUN_SHELL) {
		add_program(&n, "sh", 2);
		add_shell(&n, d->run);
	} else if (d->kind == RECIPE_RUN_ARGV) {
		add_program(&n, d->argv[0], strlen(d->argv[0]));
	}
	return buf_err(ret);
}
