#include "cli/report.h"

#include <stdio.h>
#include <string.h>

#include "cli/mountpoint.h"
#include "cli/output.h"
#include "core/buf.h"

#define LAST_LINES 10

/* The last lines of what a run printed, indented. */
static void add_output(struct buf *to, const char *root, const char *rel)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	CLEANUP_FREE char *name = NULL;
	const char *start, *p;
	int lines = 0;

	if (asprintf(&name, "output/%s", rel) < 0 ||
	    ctl_read(root, name, &text) < 0)
		return;
	while (text.len && text.data[text.len - 1] == '\n')
		text.data[--text.len] = '\0';
	start = buf_cstr(&text);
	for (p = start + text.len; p > start; p--)
		if (p[-1] == '\n' && ++lines == LAST_LINES)
			break;
	while (*p) {
		buf_str(to, "\n    ");
		buf_add(to, p, strcspn(p, "\n"));
		p += strcspn(p, "\n");
		p += *p == '\n';
	}
}

void report_failed(struct progress *p, const char *shown, const char *root,
		   const char *rel, const char *why)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	size_t n = strlen(why);

	while (n && why[n - 1] == '\n')
		n--;
	buf_fmt(&text, "%s: %.*s", shown, (int)n, why);
	add_output(&text, root, rel);
	progress_clear(p);
	complain("%s", buf_cstr(&text));
	p->failed++;
}

void report_blocked(struct progress *p, const char *shown)
{
	progress_clear(p);
	complain("%s: an ordinary file of that name lies there", shown);
	p->failed++;
}
