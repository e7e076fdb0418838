package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestACountedReaderTellsOfEachByte(t *testing.T) {
	total := 0
	_, err := io.ReadAll(counted{iotest.OneByteReader(strings.NewReader("records")), func(n int) { total += n }})
	require.NoError(t, err)
	assert.Equal(t, len("records"), total)
}

func TestNothingIsDrawnWhereThereIsNoTerminal(t *testing.T) {
	var out bytes.Buffer
	add, end := (&program{err: &out}).bytesBar("read", 7)
	add(7)
	end()
	assert.Empty(t, out.String())
}

func TestNothingIsDrawnOfWhatIsSoonDone(t *testing.T) {
	var out bytes.Buffer
	bars, done := lateBars(&out)
	bar := bars.AddBar(7)
	bar.IncrBy(7)
	bar.Abort(true)
	done()
	assert.Empty(t, out.String())
}
