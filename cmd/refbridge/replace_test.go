package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func saying(text string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}
}

func TestAFileIsReplacedWholeOrStays(t *testing.T) {
	dir := t.TempDir()
	name, link := filepath.Join(dir, "page.html"), filepath.Join(dir, "link.html")
	require.NoError(t, replaceFile(name, saying("old")))
	require.NoError(t, os.Symlink("page.html", link))
	holds := func(want string) {
		t.Helper()
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		assert.Equal(t, want, string(text))
	}
	holds("old")
	err := replaceFile(name, func(w io.Writer) error { return errors.Join(saying("ne")(w), io.ErrUnexpectedEOF) })
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.ErrorContains(t, err, "write "+name)
	holds("old")
	require.NoError(t, replaceFile(link, saying("new")))
	holds("new")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 2, "nothing else is left behind")
	assert.NotZero(t, entries[0].Type()&fs.ModeSymlink, "the link is still one")

	require.ErrorIs(t, replaceFile(filepath.Join(dir, "none", "page.html"), saying("x")), fs.ErrNotExist)
	require.Error(t, replaceFile(dir, saying("x")))
}

func TestWhatIsNoRegularFileIsWrittenToAndStays(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	read := make(chan string, 1)
	go func() {
		text, _ := os.ReadFile(pipe)
		read <- string(text)
	}()
	require.NoError(t, replaceFile(pipe, saying("a page")))
	assert.Equal(t, "a page", <-read)
	info, err := os.Lstat(pipe)
	require.NoError(t, err)
	assert.NotZero(t, info.Mode()&fs.ModeNamedPipe)
}
