#include "cli/output.h"

#include <stdarg.h>
#include <stdio.h>
#include <signal.h>
#include <sys/wait.h>
#include <wchar.h>

#include "core/err.h"

static bool is_control(unsigned char c)
{
	return c < 0x20 || c == 0x7f;
}

static void add_clean(struct buf *b, const char *s, bool lines)
{
	for (; *s; s++)
		if (is_control((unsigned char)*s) && !(lines && *s == '\n'))
			buf_fmt(b, "\\%03o", (unsigned char)*s);
		else
			buf_add(b, s, 1);
}

static void complain_v(const char *fmt, va_list ap)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	char msg[4096];

	vsnprintf(msg, sizeof(msg), fmt, ap);
	buf_str(&b, "deriva: ");
	add_clean(&b, msg, true);
	buf_str(&b, "\n");
	if (buf_err(&b) || write(STDERR_FILENO, b.data, b.len) < 0)
		return; /* nobody is left to tell */
}

void complain(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain_v(fmt, ap);
	va_end(ap);
}

int fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain_v(fmt, ap);
	va_end(ap);
	return EXIT_FAILURE;
}

void print_name(const char *name)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	add_clean(&b, name, false);
	print_buf(&b);
}

size_t name_width(const char *name)
{
	size_t n = 0;

	for (; *name; name++)
		if (is_control((unsigned char)*name))
			n += 4;
		else if (((unsigned char)*name & 0xc0) != 0x80)
			n++;
	return n;
}

void print_buf(const struct buf *b)
{
	fwrite(b->data, 1, b->len, stdout);
}

int print_fd(int fd)
{
	char block[65536];
	ssize_t n;

	while ((n = read(fd, block, sizeof(block))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (fwrite(block, 1, (size_t)n, stdout) != (size_t)n)
			return 0; /* finish_output() will say so */
	}
	return 0;
}

int finish_output(void)
{
	bool lost = ferror(stdout);

	if (fflush(stdout) || lost) {
		if (errno == EPIPE)
			return EXIT_FAILURE;
		return fail("standard output: %s", err_name(errno));
	}
	return EXIT_SUCCESS;
}

static NORETURN void exec_pager(const char *pager, int in)
{
	signal(SIGPIPE, SIG_DFL);
	if (dup2(in, STDIN_FILENO) >= 0) {
		setenv("LESS", "FRX", 0);
		execl("/bin/sh", "sh", "-c", pager, (char *)NULL);
	}
	_exit(127);
}

void pager_start(struct pager *p)
{
	const char *pager = getenv("PAGER");
	int pipefd[2];

	*p = (struct pager){.out = -1};
	if (!isatty(STDOUT_FILENO) || (pager && !*pager))
		return;
	fflush(stdout);
	p->out = dup(STDOUT_FILENO);
	if (p->out < 0 || pipe(pipefd) < 0)
		return;
	p->pid = fork();
	if (p->pid == 0) {
		close(pipefd[1]);
		/* Without a pager at all, cat shows it, too. */
		exec_pager(pager ? pager
				 : "command -v less >/dev/null && exec less "
				   "|| exec cat",
			   pipefd[0]);
	}
	if (p->pid > 0)
		dup2(pipefd[1], STDOUT_FILENO);
	else
		p->pid = 0;
	close(pipefd[0]);
	close(pipefd[1]);
}

int pager_wait(struct pager *p)
{
	if (!p->pid)
		return finish_output();
	fflush(stdout);
	dup2(p->out, STDOUT_FILENO); /* the pager sees the end */
	close(p->out);
	while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
		;
	clearerr(stdout);
	return EXIT_SUCCESS;
}
