package main

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden outputs of testdata/script anew; read the difference")

// The test binary is the program where it is called refbridge: in scripts, and where a test needs a process of its own.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"refbridge": main})
}

func TestScripts(t *testing.T) {
	const dir = "testdata/script"
	scripts, err := filepath.Glob(dir + "/*.txtar")
	require.NoError(t, err)
	require.NotEmpty(t, scripts)
	testscript.Run(t, testscript.Params{
		Dir: dir, UpdateScripts: *update, RequireUniqueNames: true, RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		Setup: func(e *testscript.Env) error {
			// 32 bytes in base64; secrets of nothing.
			e.Setenv("KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
			return nil
		},
	})
}

// exits runs a program and wants an exact exit code: exits 2 refbridge plan --from x.json.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARGUMENT...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		got = failed.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, not %d", got, want)
	}
}

// result is what a command left behind.
type result struct {
	code     int
	out, err string
}

// all gives the parts of a result.
func (r result) all() (code int, out, errOut string) { return r.code, r.out, r.err }

// refbridge runs a command in this process.
func refbridge(t *testing.T, args ...string) result {
	t.Helper()
	var out, err bytes.Buffer
	code := run(args, strings.NewReader(""), &out, &err)
	t.Logf("refbridge %s: exit %d\n%s", strings.Join(args, " "), code, err.String())
	return result{code: code, out: out.String(), err: err.String()}
}

// process prepares a command as a process of its own, in a folder of its own.
func process(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	return &exec.Cmd{Path: self, Args: append([]string{"refbridge"}, args...), Dir: dir, Env: os.Environ()}
}

func commands() []string {
	return []string{"demo", "init", "plan", "sync", "run", "retry", "backfill", "show", "statement", "ledger rebuild", "approve", "simulate", "version",
		"describe", "mapping lint", "mapping test", "mapping case add", "mapping coverage", "mapping impact", "mapping run", "mapping show"}
}

func TestHelpListsEveryCommand(t *testing.T) {
	t.Parallel()
	r := refbridge(t, "--help")
	require.Equal(t, exitDone, r.code)
	assert.Empty(t, r.err)
	var listed []string
	_, below, found := strings.Cut(r.out, "\nCommands:\n")
	require.True(t, found)
	for _, line := range strings.Split(below, "\n") {
		if len(line) > 2 && line[:2] == "  " && line[2] != ' ' {
			name, _, _ := strings.Cut(strings.TrimSpace(line), "  ")
			listed = append(listed, name)
		}
	}
	assert.ElementsMatch(t, commands(), listed, "a command has come or gone: give its help a test here")
}

func TestHelpOfEveryCommandListsItsExitCodesAndEndsInAnExample(t *testing.T) {
	t.Parallel()
	codes := map[string][]int{"plan": {exitDone, exitError, exitChanges, exitUsage}, "version": {exitDone}}
	for _, writer := range []string{"sync", "run", "retry", "backfill", "approve", "ledger rebuild"} {
		codes[writer] = []int{exitDone, exitError, exitUsage, exitLocked}
	}
	for _, command := range commands() {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			r := refbridge(t, append(strings.Fields(command), "--help")...)
			require.Equal(t, exitDone, r.code)
			assert.Empty(t, r.err)
			assert.True(t, strings.HasPrefix(r.out, "Usage: refbridge "+command))

			_, after, found := strings.Cut(r.out, "Exit codes: ")
			require.True(t, found, "no exit codes")
			listed, _, _ := strings.Cut(after, "\n\n")
			want := codes[command]
			if want == nil {
				want = []int{exitDone, exitError, exitUsage}
			}
			for _, code := range want {
				assert.Regexp(t, `(^|,\s+)`+strconv.Itoa(code)+`\s`, strings.ReplaceAll(listed, ".", " "), "exit code %d", code)
			}

			at := strings.LastIndex(r.out, "\nExample: refbridge "+command)
			require.Positive(t, at, "no example")
			require.Greater(t, at, strings.Index(r.out, "Flags:"), "the example stands at the end, where the eye is after reading")
			for _, line := range strings.Split(strings.TrimSpace(r.out[at:]), "\n") {
				require.Contains(t, line, "refbridge "+command, "nothing but examples after the first one")
			}
		})
	}
}

func TestHelpOfAGroupEndsInAnExampleToo(t *testing.T) {
	t.Parallel()
	for _, group := range []string{"mapping", "mapping case"} {
		r := refbridge(t, append(strings.Fields(group), "--help")...)
		assert.Equal(t, exitDone, r.code)
		assert.Contains(t, r.out, "\nExit codes: those of the sub-command.\n\nExample: refbridge "+group+" ")
	}
}

func TestHelpFitsInEightyColumns(t *testing.T) {
	t.Parallel()
	for _, command := range commands() {
		out := refbridge(t, append(strings.Fields(command), "--help")...).out
		require.NotEmpty(t, out)
		for _, line := range strings.Split(out, "\n") {
			assert.LessOrEqual(t, len([]rune(line)), 80, "%s: %s", command, line)
		}
	}
}
