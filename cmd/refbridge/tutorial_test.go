package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// block is a fenced part of the tutorial. What it is stands behind the fence:
//
//	```sh            commands, run as written, one shell for each block; sh exit=2: the last one ends so
//	```text          what the block before it printed; … stands for whatever is left out
//	```diff          an edit of the file that its +++ line names, as the reader makes it
type block struct {
	line       int
	kind, text string
	exit       int
}

func TestTheTutorialRunsAsWritten(t *testing.T) {
	if testing.Short() {
		t.Skip("the tutorial runs some fifteen commands")
	}
	blocks := tutorial(t, filepath.Join("..", "..", "docs", "mapping.md"))
	s := shell{dir: t.TempDir(), bin: t.TempDir()}
	self, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, os.Symlink(self, filepath.Join(s.bin, "refbridge"))) // see TestMain
	commands, outputs := 0, 0
	printed := ""
	for _, b := range blocks {
		switch b.kind {
		case "sh":
			commands++
			printed = s.run(t, b)
		case "text":
			outputs++
			assert.True(t, fits(b.text, printed), "docs/mapping.md:%d says\n%s\nand the command prints\n%s", b.line, b.text, printed)
		case "diff":
			s.edit(t, b)
		}
	}
	require.GreaterOrEqual(t, commands, 12, "the tutorial has its commands")
	require.GreaterOrEqual(t, outputs, 8, "the tutorial shows what they print")
}

func tutorial(t *testing.T, name string) []block {
	src, err := os.ReadFile(name)
	require.NoError(t, err)
	var out []block
	var open *block
	for i, line := range strings.Split(string(src), "\n") {
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && open != nil:
			out, open = append(out, *open), nil
		case isFence:
			kind, exit, _ := strings.Cut(fence, " exit=")
			open = &block{line: i + 1, kind: kind}
			open.exit, _ = strconv.Atoi(exit)
		case open != nil:
			open.text += line + "\n"
		}
	}
	require.Nil(t, open, "a fence is not closed")
	return out
}

// shell runs blocks in the folder in which the one before ended.
type shell struct{ dir, bin string }

func (s *shell) run(t *testing.T, b block) string {
	t.Helper()
	cmd := exec.Command("sh", "-c", b.text+"\nstatus=$?\npwd > \"$HERE\"\nexit $status")
	here := filepath.Join(s.bin, "here")
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "PATH="+s.bin+string(os.PathListSeparator)+os.Getenv("PATH"), "HERE="+here, "COLUMNS=120", "NO_COLOR=1")
	out, err := cmd.CombinedOutput()
	code := 0
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		code, err = ended.ExitCode(), nil
	}
	require.NoError(t, err)
	require.Equal(t, b.exit, code, "docs/mapping.md:%d\n%s\n%s", b.line, b.text, out)
	dir, err := os.ReadFile(here)
	require.NoError(t, err)
	s.dir = strings.TrimSpace(string(dir))
	return string(out)
}

// edit makes the change of a diff: the lines without + must stand in the file, once, and become those without -.
func (s *shell) edit(t *testing.T, b block) {
	t.Helper()
	name := ""
	var before, after []string
	for line := range strings.SplitSeq(strings.TrimRight(b.text, "\n"), "\n") {
		rest := line[min(1, len(line)):]
		switch {
		case strings.HasPrefix(line, "+++ "):
			name = strings.TrimPrefix(line, "+++ ")
		case strings.HasPrefix(line, "--- "):
		case strings.HasPrefix(line, "+"):
			after = append(after, rest)
		case strings.HasPrefix(line, "-"):
			before = append(before, rest)
		default:
			before, after = append(before, rest), append(after, rest)
		}
	}
	path := filepath.Join(s.dir, name)
	src, err := os.ReadFile(path)
	require.NoError(t, err, "docs/mapping.md:%d", b.line)
	old := strings.Join(before, "\n") + "\n"
	require.Equal(t, 1, strings.Count(string(src), old), "docs/mapping.md:%d: these lines stand once in %s\n%s", b.line, name, old)
	edited := strings.Replace(string(src), old, strings.Join(after, "\n")+"\n", 1)
	require.NoError(t, os.WriteFile(path, []byte(edited), 0o644))
}

// fits tells whether an output is the one that is shown; … stands for anything, line ends included.
func fits(shown, printed string) bool {
	parts := strings.Split(normal(shown), "…")
	rest, ok := strings.CutPrefix(normal(printed), parts[0])
	for _, part := range parts[1:] {
		at := strings.Index(rest, part)
		if ok = ok && at >= 0; !ok {
			return false
		}
		if part == "" {
			at = len(rest)
		}
		rest = rest[at+len(part):]
	}
	return ok && strings.TrimSpace(rest) == ""
}

// normal drops the spaces at the ends of lines and empty lines at the end.
func normal(s string) string {
	var lines []string
	for line := range strings.SplitSeq(s, "\n") {
		lines = append(lines, strings.TrimRight(line, " "))
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}
